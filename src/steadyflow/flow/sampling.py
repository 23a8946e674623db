"""Velocities as solvers want them: labels and guidance bound, evaluations counted."""

import torch
from torch import Tensor, nn

from steadyflow.flow.solvers import Velocity


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
