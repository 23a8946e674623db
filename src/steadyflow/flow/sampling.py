"""Sampling: from the shared noise x0 to samples x1, with labels, guidance and a count of function evaluations."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from steadyflow.flow.diffusion import ALPHAS_CUMPROD, ancestral, ddim
from steadyflow.flow.solvers import SOLVERS, Velocity, dopri5, solver_grid, uniform_grid
from steadyflow.flow.transform import transform_channels
from steadyflow.ground import distributed
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import sample_labels
from steadyflow.ground.noise import noise
from steadyflow.ground.progress import progress

GUIDED_CHANNELS = {"all": None, "first_three": 3}
"""`channels` of `guide` by name."""

# (velocity or predicted noise, x0 [B,C,h,w], indices [B]) -> x1
Sampler = Callable[[Velocity, Tensor, Tensor], Tensor]


def solver_sampler(*, solver: str, steps: int, time_shift: float, rtol: float, atol: float) -> Sampler:
    """Integrates a velocity from t=0 to t=1. `steps` and `time_shift` apply to all solvers but dopri5, `rtol` and
    `atol` to dopri5 only."""
    if solver == "dopri5":
        return lambda velocity, x0, _: dopri5(velocity, x0, uniform_grid(1), rtol=rtol, atol=atol)
    grid = solver_grid(steps, time_shift)
    return lambda velocity, x0, _: SOLVERS[solver](velocity, x0, grid)


def ddpm_sampler(*, schedule: str, timesteps: int, sampler: str, steps: int, seed: int) -> Sampler:
    """Denoises x_T = x0 with a network that predicts the noise, by the `sampler` "ddim" or "ancestral"; `seed` is that
    of the ancestral noise. Raises UserError for an unknown sampler."""
    alphas_cumprod = ALPHAS_CUMPROD[schedule](timesteps)
    samplers: dict[str, Sampler] = {
        "ddim": lambda predict, x0, _: ddim(predict, x0, alphas_cumprod, steps),
        "ancestral": lambda predict, x0, indices: ancestral(predict, x0, alphas_cumprod, steps, seed, indices),
    }
    if sampler not in samplers:
        raise UserError(f"unknown sampler '{sampler}' (known: {', '.join(samplers)})")
    return samplers[sampler]


SAMPLERS: dict[str, Callable[..., Sampler]] = {"solver": solver_sampler, "ddpm": ddpm_sampler}
"""Name, as given by an objective of the study -> function of the sampler's settings."""


class CountedVelocity:
    """A velocity that counts its function evaluations."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.evaluations = 0

    def __call__(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        self.evaluations += 1
        return self.model(x, t, y)


def guide(
    velocity: CountedVelocity, y: Tensor | None, scale: float, no_label: int, channels: int | None = None
) -> Velocity:
    """Binds the labels y int64 [B] (None: unconditional) and a guidance scale.

    With scale != 1, classifier-free guidance, v0 + scale (v_y - v0), which takes two function evaluations; `no_label`
    is the label of v0. If `channels` is given, guidance applies to the first `channels` only, as in the public code of
    DiT and of the papers, and the others are those of v_y.
    """
    if y is None or scale == 1:
        return lambda x, t: velocity(x, t, y)

    def guided(x: Tensor, t: Tensor) -> Tensor:
        unlabelled = velocity(x, t, y.new_full(y.shape, no_label))
        labelled = velocity(x, t, y)
        moved = (unlabelled + scale * (labelled - unlabelled))[:, :channels]
        return moved if channels is None else torch.cat([moved, labelled[:, channels:]], dim=1)

    return guided


@dataclass(frozen=True)
class Start:
    """The initial value of sampling, and what is integrated.

    x0: float32 [B, C, h, w], the shared noise
    predict: velocity (or predicted noise) of x [B, C, h, w] and t [B], with labels and guidance bound
    """

    x0: Tensor
    predict: Velocity


@dataclass(frozen=True)
class Noises:
    """The shared noises x0 = f(seed, index), and the guidance by their labels.

    `guidance` is the guidance scale; it and `channels` are arguments of `guide`.
    """

    seed: int
    guidance: float = 1.0
    channels: int | None = None


def latent_shape(architecture: Mapping[str, Any]) -> tuple[int, int, int]:
    """(C, h, w) of a velocity model's input; `architecture` is that of its run.json."""
    side = architecture["latent_size"]
    return architecture["latent_channels"], side, side


def begin_samples(
    velocity: CountedVelocity,
    architecture: Mapping[str, Any],
    indices: Tensor,
    noises: Noises,
    device: torch.device,
) -> Start:
    """The start of the samples `indices` int64 [B]; `architecture` is that of the run's run.json.

    Noise and, for a conditional run, label (`constants.sample_labels`) depend on the index only, not on batch or run.
    """
    classes = architecture["num_classes"]
    x0 = noise(noises.seed, indices, latent_shape(architecture)).to(device)
    y = None if classes is None else sample_labels(indices, classes).to(device)
    return Start(x0, guide(velocity, y, noises.guidance, no_label=classes or 0, channels=noises.channels))


@dataclass(frozen=True)
class SamplingCost:
    """Means per sample: function evaluations (two per guided evaluation), and milliseconds on one device."""

    evaluations: float
    denoise_ms: float
    decode_ms: float


@torch.no_grad()
def sample(
    model: nn.Module,
    architecture: Mapping[str, Any],
    sampler: Sampler,
    noises: Noises,
    decode: Callable[[Tensor], Tensor],
    *,
    undo: Tensor,
    latents: npt.NDArray[np.float32],
    images: npt.NDArray[np.uint8],
    batch_size: int,
    device: torch.device,
) -> SamplingCost:
    """Writes the samples 0..n-1 to `latents` [n,C,h,w] and `images` [n,H,W,C].

    Under torchrun (inside `distributed.process_group`) each process writes its shard; the returned cost is that of all.
    `undo`, float64 [C, C], is the inverse of the run's channel transform; `decode` maps latents x1, after the inverse
    transform, to images uint8 [B,H,W,C].
    """
    velocity, count = CountedVelocity(model), len(latents)
    seconds, evaluations = {"denoise": 0.0, "decode": 0.0}, 0
    # Sharded by batch, so that the batches, and with them rounding, do not depend on the number of processes.
    starts = distributed.shard(torch.arange(0, count, batch_size)).tolist()
    for first in progress(starts, "sample"):
        indices = torch.arange(first, min(first + batch_size, count))
        begin = begin_samples(velocity, architecture, indices, noises, device)
        began, before = _synchronised_time(device), velocity.evaluations
        x1 = transform_channels(undo, sampler(begin.predict, begin.x0, indices))
        evaluations += (velocity.evaluations - before) * len(indices)
        denoised = _synchronised_time(device)
        decoded = decode(x1).cpu()
        seconds["denoise"] += denoised - began
        seconds["decode"] += _synchronised_time(device) - denoised
        rows = slice(first, first + len(indices))
        latents[rows], images[rows] = x1.cpu().numpy(), decoded.numpy()
    evaluations = int(distributed.all_reduce(torch.tensor(evaluations, device=device)))
    per_image = {
        part: 1000 * float(distributed.all_reduce(torch.tensor(took, device=device))) / count
        for part, took in seconds.items()
    }
    return SamplingCost(evaluations / count, per_image["denoise"], per_image["decode"])


def _synchronised_time(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
