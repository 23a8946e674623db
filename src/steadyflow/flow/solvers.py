"""Solvers of dx/dt = velocity(x, t) along an explicit grid of times."""

from collections.abc import Callable

import torch
from torch import Tensor

Velocity = Callable[[Tensor, Tensor], Tensor]


def uniform_grid(steps: int) -> Tensor:
    """The times 0, 1/steps, ..., 1: float32 [steps + 1]. n steps are n evaluations of Euler."""
    return torch.linspace(0, 1, steps + 1, dtype=torch.float64).float()


def euler(velocity: Velocity, x: Tensor, grid: Tensor) -> Tensor:
    """Integrates x [B, ...] from grid[0] to grid[-1]; len(grid) - 1 evaluations. A falling grid runs backwards."""
    for now, then in zip(grid[:-1].tolist(), grid[1:].tolist(), strict=True):
        x = x + (then - now) * velocity(x, torch.full((len(x),), now, device=x.device))
    return x


SOLVERS = {"euler": euler}
