"""Velocities as solvers want them: labels and guidance bound, evaluations counted."""

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


def guide(velocity: CountedVelocity, y: Tensor | None, scale: float, no_label: int) -> Velocity:
    """Binds the labels y int64 [B] (None: unconditional).

    With scale != 1, classifier-free guidance on all channels, v0 + scale (v_y - v0), at two evaluations a step;
    `no_label` is the label that means none.
    """
    if y is None or scale == 1:
        return lambda x, t: velocity(x, t, y)

    def guided(x: Tensor, t: Tensor) -> Tensor:
        unlabelled = velocity(x, t, y.new_full(y.shape, no_label))
        return unlabelled + scale * (velocity(x, t, y) - unlabelled)

    return guided
