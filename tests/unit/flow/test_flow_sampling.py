"""Samples and trajectories of a run, in batches, against one sample at a time."""

import numpy as np
import pytest
import torch
from torch import nn

from steadyflow.flow import (
    Noises,
    channel_matrix,
    sample,
    solver_sampler,
    solver_tracer,
    trace_trajectories,
    transform_channels,
)
from steadyflow.ground.constants import TRAJECTORY_POINTS
from steadyflow.ground.noise import noise

CPU = torch.device("cpu")
SOLVER = {"solver": "heun", "steps": 3, "time_shift": 1.5, "rtol": 1e-5, "atol": 1e-5}
ARCHITECTURE = {"latent_channels": 2, "latent_size": 3, "num_classes": 3}
UNDO = channel_matrix("flip_first", 2).inverse()


class Pull(nn.Module):
    """Towards the label, faster with time; the label 3 means none."""

    def forward(self, x, t, y):
        return (1 + t + torch.where(y == 3, 0.0, 0.5 * y))[:, None, None, None] * (1 - x)


def alone(index, run, scale):
    """One sample by `run(velocity, x0, indices)`, guided by the formula."""

    def velocity(x, t):
        unlabelled, labelled = (Pull()(x, t, torch.tensor([y])) for y in (3, index % 3))
        return unlabelled + scale * (labelled - unlabelled)

    indices = torch.tensor([index])
    return run(velocity, noise(7, indices, (2, 3, 3)), indices)


@pytest.mark.parametrize("batch_size", [1, 4, 100])
def test_samples_fill_the_arrays_whatever_the_batch(batch_size):
    latents, images = np.zeros((6, 2, 3, 3), np.float32), np.zeros((6, 3, 3, 1), np.uint8)
    cost = sample(
        Pull(),
        ARCHITECTURE,
        solver_sampler(**SOLVER),
        Noises(7, guidance=1.5),
        lambda x1: (50 * x1[:, :1].abs()).to(torch.uint8).movedim(1, -1),
        undo=UNDO,
        latents=latents,
        images=images,
        batch_size=batch_size,
        device=CPU,
    )
    for index in range(6):
        wanted = transform_channels(UNDO, alone(index, solver_sampler(**SOLVER), 1.5))[0]
        assert torch.allclose(torch.from_numpy(latents[index]), wanted, atol=1e-5)
        assert np.abs(images[index, ..., 0] - (50 * wanted[0].abs()).numpy()).max() <= 1
    # Two of a heun step, each of them guided.
    assert cost.evaluations == 3 * 2 * 2
    assert cost.denoise_ms > 0 and cost.decode_ms > 0


@pytest.mark.parametrize("solver", ["heun", "dopri5"])
def test_trajectories_go_from_the_noise_to_the_sample(solver):
    settings = {**SOLVER, "solver": solver}
    tracer = solver_tracer(**settings)
    points = np.zeros((len(tracer.times), 5, 2, 3, 3), np.float32)
    trace_trajectories(
        Pull(), ARCHITECTURE, tracer, Noises(7, guidance=1.5), undo=UNDO, points=points, batch_size=2, device=CPU
    )
    assert len(tracer.times) == (4 if solver == "heun" else TRAJECTORY_POINTS)
    assert tracer.times[0] == 0 and tracer.times[-1] == 1 and tracer.times == sorted(tracer.times)
    for index in range(5):
        start = noise(7, torch.tensor([index]), (2, 3, 3))
        end = alone(index, solver_sampler(**settings), 1.5)
        assert torch.equal(torch.from_numpy(points[0, index]), transform_channels(UNDO, start)[0])
        assert torch.allclose(torch.from_numpy(points[-1, index]), transform_channels(UNDO, end)[0], atol=1e-4)
