"""From the shared noise x0 to samples x1: labels and guidance bound to a network, its evaluations counted."""

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
    """Integrates a velocity from t=0 to t=1; `steps` and `time_shift` are of all solvers but dopri5, `rtol` and `atol`
    of dopri5."""
    if solver == "dopri5":
        return lambda velocity, x0, _: dopri5(velocity, x0, uniform_grid(1), rtol=rtol, atol=atol)
    grid = solver_grid(steps, time_shift)
    return lambda velocity, x0, _: SOLVERS[solver](velocity, x0, grid)


def ddpm_sampler(*, schedule: str, timesteps: int, sampler: str, steps: int, seed: int) -> Sampler:
    """Denoises x_T = x0 by a network that predicts the noise: by the `sampler` "ddim", or "ancestral", whose noise
    `seed` keys."""
    alphas_cumprod = ALPHAS_CUMPROD[schedule](timesteps)
    samplers: dict[str, Sampler] = {
        "ddim": lambda predict, x0, _: ddim(predict, x0, alphas_cumprod, steps),
        "ancestral": lambda predict, x0, indices: ancestral(predict, x0, alphas_cumprod, steps, seed, indices),
    }
    if sampler not in samplers:
        raise UserError(f"unknown sampler '{sampler}' (known: {', '.join(samplers)})")
    return samplers[sampler]


SAMPLERS: dict[str, Callable[..., Sampler]] = {"solver": solver_sampler, "ddpm": ddpm_sampler}
"""How x0 becomes x1, by the name that an objective of the study gives."""


class CountedVelocity:
    """A velocity that counts how often it evaluated its network."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.evaluations = 0

    def __call__(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        self.evaluations += 1
        return self.model(x, t, y)


def guide(
    velocity: CountedVelocity, y: Tensor | None, scale: float, no_label: int, channels: int | None = None
) -> Velocity:
    """Binds the labels y int64 [B] (None: unconditional).

    With scale != 1, classifier-free guidance, v0 + scale (v_y - v0), at two evaluations a step; `no_label` is the
    label that means none. It acts on all channels or, as in the public code of DiT and of the papers, only on the
    first `channels`, and leaves v_y in the others.
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
    """Where samples begin.

    x0: float32 [B, C, h, w], the shared noise
    predict: velocity (or predicted noise) of x [B, C, h, w] and t [B], with labels and guidance bound
    """

    x0: Tensor
    predict: Velocity


@dataclass(frozen=True)
class Noises:
    """The shared noises, and how labels act on what they become: x0 = f(seed, index), label = f(index).

    `guidance` and `channels` are those of `guide`.
    """

    seed: int
    guidance: float = 1.0
    channels: int | None = None


def latent_shape(architecture: Mapping[str, Any]) -> tuple[int, int, int]:
    """(C, h, w) of what a velocity model takes; its `architecture` is that of its run.json."""
    side = architecture["latent_size"]
    return architecture["latent_channels"], side, side


def begin_samples(
    velocity: CountedVelocity,
    architecture: Mapping[str, Any],
    indices: Tensor,
    noises: Noises,
    device: torch.device,
) -> Start:
    """Samples `indices` int64 [B] of a trained run of this architecture, as run.json has it.

    Noises, and a conditional run's labels (`names.sample_labels`), are of the index alone: neither batches nor runs
    enter.
    """
    classes = architecture["num_classes"]
    x0 = noise(noises.seed, indices, latent_shape(architecture)).to(device)
    y = None if classes is None else sample_labels(indices, classes).to(device)
    return Start(x0, guide(velocity, y, noises.guidance, no_label=classes or 0, channels=noises.channels))


@dataclass(frozen=True)
class SamplingCost:
    """Of one sample, in the mean: evaluations of the network, of which a guided step takes two, and milliseconds of one
    device."""

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
    """Fills `latents` [n,C,h,w] and `images` [n,H,W,C] with the samples 0..n-1; under torchrun, inside
    `distributed.joined`, with this process's part of them, while the cost is that of all.

    `undo`, float64 [C, C], is the inverse of the transform that the run was trained on; `decode` maps latents x1, with
    the transform undone, to images uint8 [B,H,W,C].
    """
    velocity, count = CountedVelocity(model), len(latents)
    seconds, evaluations = {"denoise": 0.0, "decode": 0.0}, 0
    # Whole batches, so that an image stands beside the same others however many processes there are.
    starts = distributed.part(torch.arange(0, count, batch_size)).tolist()
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
    evaluations = int(distributed.total(torch.tensor(evaluations, device=device)))
    per_image = {
        part: 1000 * float(distributed.total(torch.tensor(took, device=device))) / count
        for part, took in seconds.items()
    }
    return SamplingCost(evaluations / count, per_image["denoise"], per_image["decode"])


def _synchronised_time(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()
