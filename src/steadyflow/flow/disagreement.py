"""How far two velocity fields lie apart on common points."""

import torch
from torch import Tensor

from steadyflow.flow.solvers import Velocity
from steadyflow.ground.artifacts import UserError


@torch.no_grad()
def velocity_disagreement(v_a: Velocity, v_b: Velocity, x_t: Tensor, t: Tensor) -> Tensor:
    """E ||v_A(x_t, t) - v_B(x_t, t)||^2 at each time, on common points: float64 [T].

    v_a, v_b: (points [n, ...], times [n]) -> velocities [n, ...]
    x_t: [T, n, ...], n points at each time, of either field's paths or of the interpolant
    t: [T] in 0..1

    The mean is over points, the square is summed over all dimensions. Of independent trainings it is, in expectation,
    twice their variance about the mean field. Raises UserError if x_t and t differ in length.
    """
    if len(x_t) != len(t):
        raise UserError(f"points at {len(x_t)} times, but {len(t)} times to ask the velocities at; give one for each")
    times = t[:, None].expand(-1, x_t.shape[1])
    return torch.stack([_mean_square(v_a(x, at), v_b(x, at)) for x, at in zip(x_t, times, strict=True)])


def _mean_square(a: Tensor, b: Tensor) -> Tensor:
    return (a.double() - b.double()).square().flatten(1).sum(dim=1).mean()
