"""Trajectories x_t of the shared noises, stored at some times between noise (t=0) and data (t=1)."""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from steadyflow.flow.sampling import CountedVelocity, Noises, begin_samples
from steadyflow.flow.solvers import SOLVERS, Solver, Velocity, solver_grid, trace_dopri5, uniform_grid
from steadyflow.flow.transform import transform_channels
from steadyflow.ground.constants import TRAJECTORY_POINTS
from steadyflow.ground.progress import progress


def trace(solve: Solver, velocity: Velocity, x: Tensor, grid: Tensor, kept: Sequence[int]) -> Tensor:
    """x at the times grid[kept], [len(kept), B, ...], by a solver with fixed steps on the grid.

    `kept` increases from 0 to len(grid) - 1, so the first point is x and the last the result of `solve`, bit for bit.
    """
    points = [x]
    for first, last in itertools.pairwise(kept):
        points.append(solve(velocity, points[-1], grid[first : last + 1]))
    return torch.stack(points)


def nearest_points(grid: Tensor, most: int) -> list[int]:
    """Indices of the grid's times that are nearest to `most` uniform times: increasing, distinct, with both ends."""
    wanted = torch.linspace(float(grid[0]), float(grid[-1]), most, dtype=torch.float64)
    return torch.cdist(wanted[:, None], grid.double()[:, None]).argmin(1).unique().tolist()


@dataclass(frozen=True)
class Tracer:
    """A rule for computing trajectories.

    times: increasing from 0 to 1, at most TRAJECTORY_POINTS
    follow: (velocity, x0 [B, ...]) -> x at those times, [len(times), B, ...]
    """

    times: list[float]
    follow: Callable[[Velocity, Tensor], Tensor]


def solver_tracer(*, solver: str, steps: int, time_shift: float, rtol: float, atol: float) -> Tracer:
    """Traces by a solver with the settings of `solver_sampler`: at the times of its grid that are nearest to uniform
    ones, or, for dopri5, at uniform times."""
    uniform = uniform_grid(TRAJECTORY_POINTS - 1)
    if solver == "dopri5":
        return Tracer(uniform.tolist(), lambda velocity, x0: trace_dopri5(velocity, x0, uniform, rtol=rtol, atol=atol))
    grid = solver_grid(steps, time_shift)
    kept = nearest_points(grid, len(uniform))
    return Tracer(grid[kept].tolist(), lambda velocity, x0: trace(SOLVERS[solver], velocity, x0, grid, kept))


@torch.no_grad()
def trace_trajectories(
    model: nn.Module,
    architecture: Mapping[str, Any],
    tracer: Tracer,
    noises: Noises,
    *,
    undo: Tensor,
    points: npt.NDArray[np.float32],
    batch_size: int,
    device: torch.device,
) -> None:
    """Writes the trajectories of the noises 0..n-1 to `points` [len(tracer.times), n, C, h, w].

    `undo`, float64 [C, C], is the inverse of the run's channel transform.
    """
    velocity = CountedVelocity(model)
    for batch in progress(torch.arange(points.shape[1]).split(batch_size), "trace"):
        begin = begin_samples(velocity, architecture, batch, noises, device)
        for place, x in enumerate(tracer.follow(begin.predict, begin.x0)):
            points[place, batch] = transform_channels(undo, x).cpu().numpy()
