"""The linear interpolant of eq. 1."""

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Interpolation:
    """`x_t` [B, ...]: the point at time t; `u` [B, ...]: the target velocity at this point."""

    x_t: Tensor
    u: Tensor


def interpolate(x0: Tensor, x1: Tensor, t: Tensor) -> Interpolation:
    """x_t = (1-t) x0 + t x1 and u = x1 - x0 (eq. 1), for x0, x1 [B, ...] and t [B] in [0, 1]."""
    s = t.view(-1, *(1,) * (x1.ndim - 1))
    return Interpolation((1 - s) * x0 + s * x1, x1 - x0)
