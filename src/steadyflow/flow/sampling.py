"""Velocities as solvers want them: labels and guidance bound, evaluations counted; and where they start."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from steadyflow.flow.solvers import Velocity
from steadyflow.noise import noise

GUIDED_CHANNELS = {"all": None, "first_three": 3}
"""`channels` of `guide` by name."""


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


def begin_samples(
    velocity: CountedVelocity,
    architecture: Mapping[str, Any],
    indices: Tensor,
    *,
    seed: int,
    guidance: float,
    channels: int | None,
    device: torch.device,
) -> Start:
    """Samples `indices` int64 [B] of a trained run of this architecture, as run.json has it.

    x0 = f(seed, index), and of a conditional run label = index modulo classes: neither batches nor runs enter.
    `guidance` and `channels` are those of `guide`.
    """
    classes, side = architecture["num_classes"], architecture["latent_size"]
    x0 = noise(seed, indices, (architecture["latent_channels"], side, side)).to(device)
    y = None if classes is None else (indices % classes).to(device)
    return Start(x0, guide(velocity, y, guidance, no_label=classes or 0, channels=channels))


def labels_said(architecture: Mapping[str, Any]) -> str:
    """The labels that `begin_samples` gives, in a few words."""
    classes = architecture["num_classes"]
    return "unconditional" if classes is None else f"index modulo {classes}"
