"""Solvers of dx/dt = velocity(x, t) along an explicit grid of times."""

import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from steadyflow.ground.artifacts import UserError

# The smooth velocities of trained networks take tens of steps at the tolerances of use.
_MOST_STEPS = 1000

Velocity = Callable[[Tensor, Tensor], Tensor]
# (velocity, x, grid) -> x at the end of the grid
Solver = Callable[[Velocity, Tensor, Tensor], Tensor]


def uniform_grid(steps: int) -> Tensor:
    """The times 0, 1/steps, ..., 1: float32 [steps + 1]. n steps are n evaluations of Euler."""
    return torch.linspace(0, 1, steps + 1, dtype=torch.float64).float()


def time_shift(grid: Tensor, shift: float) -> Tensor:
    """The grid [n] in [0, 1], its inner times moved: shift > 1 refines the noise end, t = 0; shift < 1 the data end.

    With the noise level s = 1 - t it is s' = shift s / (1 + (shift - 1) s) (Esser et al., 2024), so a shift that is
    quoted with time running from data to noise means the same here.
    """
    t = grid.double()
    return (t / (shift - (shift - 1) * t)).to(grid)


def solver_grid(steps: int, shift: float) -> Tensor:
    """The times of a solver with so many steps: `uniform_grid`, moved by `time_shift`."""
    return time_shift(uniform_grid(steps), shift)


def euler(velocity: Velocity, x: Tensor, grid: Tensor) -> Tensor:
    """Integrates x [B, ...] from grid[0] to grid[-1]; len(grid) - 1 evaluations. A falling grid runs backwards."""
    for now, then in _steps(grid):
        x = x + (then - now) * velocity(x, _at(now, x))
    return x


def midpoint(velocity: Velocity, x: Tensor, grid: Tensor) -> Tensor:
    """The same by the explicit midpoint method, of second order: two evaluations a step."""
    for now, then in _steps(grid):
        half = (then - now) / 2
        x = x + (then - now) * velocity(x + half * velocity(x, _at(now, x)), _at(now + half, x))
    return x


def heun(velocity: Velocity, x: Tensor, grid: Tensor) -> Tensor:
    """The same by Heun's method, of second order: two evaluations a step, at both of its ends."""
    for now, then in _steps(grid):
        before = velocity(x, _at(now, x))
        after = velocity(x + (then - now) * before, _at(then, x))
        x = x + (then - now) / 2 * (before + after)
    return x


def dopri5(velocity: Velocity, x: Tensor, grid: Tensor, *, rtol: float = 1e-5, atol: float = 1e-5) -> Tensor:
    """The same by Dormand-Prince 5(4) with steps of its own choice; only the ends of the grid count.

    A step is taken when the error of every sample is in its tolerance, so a batch is solved with the steps of its
    hardest sample: what else is in the batch changes a sample within the tolerance, and the number of evaluations.
    Raises UserError when the tolerance takes more than 1000 steps, as one below what the floats can show does.
    """
    return trace_dopri5(velocity, x, grid[[0, -1]], rtol=rtol, atol=atol)[-1]


def trace_dopri5(velocity: Velocity, x: Tensor, grid: Tensor, *, rtol: float = 1e-5, atol: float = 1e-5) -> Tensor:
    """x at every time of the grid, [len(grid), B, ...], of those same steps: between them by their interpolant."""
    from torchdiffeq import odeint

    def worst_sample(error: Tensor) -> Tensor:
        return error.reshape(len(x), -1).square().mean(1).sqrt().max()

    try:
        return odeint(
            lambda t, x: velocity(x, t.expand(len(x))),
            x,
            grid.to(x.device),
            rtol=rtol,
            atol=atol,
            method="dopri5",
            options={"norm": worst_sample, "max_num_steps": _MOST_STEPS},
        )
    except AssertionError as error:
        raise UserError(f"dopri5 cannot reach rtol {rtol:g} and atol {atol:g}: {error}; raise them") from error


SOLVERS = {"euler": euler, "midpoint": midpoint, "heun": heun, "dopri5": dopri5}


def _steps(grid: Tensor) -> Iterable[tuple[float, float]]:
    return itertools.pairwise(grid.tolist())


def _at(time: float, x: Tensor) -> Tensor:
    return torch.full((len(x),), time, dtype=x.dtype, device=x.device)
