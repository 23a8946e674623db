"""ODE solvers of dx/dt = velocity(x, t) on an explicit grid of times."""

import itertools
from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from steadyflow.ground.artifacts import UserError

# Trained velocities need tens of steps at usual tolerances.
_MOST_STEPS = 1000

Velocity = Callable[[Tensor, Tensor], Tensor]
# (velocity, x, grid) -> x at the end of the grid
Solver = Callable[[Velocity, Tensor, Tensor], Tensor]


def uniform_grid(steps: int) -> Tensor:
    """The times 0, 1/steps, ..., 1: float32 [steps + 1]. With Euler, n steps take n function evaluations."""
    return torch.linspace(0, 1, steps + 1, dtype=torch.float64).float()


def time_shift(grid: Tensor, shift: float) -> Tensor:
    """Shifts the times of a grid [n] in [0, 1]: shift > 1 refines it near noise (t = 0), shift < 1 near data (t = 1).

    s' = shift s / (1 + (shift - 1) s) with s = 1 - t (Esser et al., 2024), so shifts published for time running from
    data to noise apply unchanged.
    """
    t = grid.double()
    return (t / (shift - (shift - 1) * t)).to(grid)


def solver_grid(steps: int, shift: float) -> Tensor:
    """The grid of a solver with `steps` steps: `uniform_grid`, then `time_shift`."""
    return time_shift(uniform_grid(steps), shift)


def euler(velocity: Velocity, x: Tensor, grid: Tensor) -> Tensor:
    """Integrates x [B, ...] from grid[0] to grid[-1] by Euler's method, with len(grid) - 1 function evaluations.

    A decreasing grid integrates backwards.
    """
    for now, then in _steps(grid):
        x = x + (then - now) * velocity(x, _at(now, x))
    return x


def midpoint(velocity: Velocity, x: Tensor, grid: Tensor) -> Tensor:
    """As `euler`, by the explicit midpoint method of second order, with two function evaluations per step."""
    for now, then in _steps(grid):
        half = (then - now) / 2
        x = x + (then - now) * velocity(x + half * velocity(x, _at(now, x)), _at(now + half, x))
    return x


def heun(velocity: Velocity, x: Tensor, grid: Tensor) -> Tensor:
    """As `euler`, by Heun's method of second order, with two function evaluations per step."""
    for now, then in _steps(grid):
        before = velocity(x, _at(now, x))
        after = velocity(x + (then - now) * before, _at(then, x))
        x = x + (then - now) / 2 * (before + after)
    return x


def dopri5(velocity: Velocity, x: Tensor, grid: Tensor, *, rtol: float = 1e-5, atol: float = 1e-5) -> Tensor:
    """Integrates x [B, ...] from grid[0] to grid[-1] by Dormand-Prince 5(4) with adaptive steps.

    A step is accepted if the error of every sample is within the tolerance, so the steps are those of the hardest
    sample in the batch: other samples change a sample within the tolerance, and the number of function evaluations.
    Raises UserError if the tolerance needs more than 1000 steps, as one below the floats' precision does.
    """
    return trace_dopri5(velocity, x, grid[[0, -1]], rtol=rtol, atol=atol)[-1]


def trace_dopri5(velocity: Velocity, x: Tensor, grid: Tensor, *, rtol: float = 1e-5, atol: float = 1e-5) -> Tensor:
    """x at every time of the grid, [len(grid), B, ...], by `dopri5` with its dense output."""
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
