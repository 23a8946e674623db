"""The flow-matching loss on held-out images, against its formula and against what is known of it."""

import numpy as np
import pytest
import torch

from steadyflow.evaluate.held_out_loss import held_out_losses, loss_metrics
from steadyflow.fields import GaussianField, fit_gaussian
from steadyflow.flow import interpolate
from steadyflow.ground import noise
from steadyflow.train import Samples

SHAPE, CPU = (2, 3, 3), torch.device("cpu")


class Zero(torch.nn.Module):
    def forward(self, x, t, y=None):
        return torch.zeros_like(x)


def samples(n=50, scale=1.0):
    x = scale * torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(1))
    return Samples(n, SHAPE, lambda rows: x[rows])


def test_the_loss_of_no_velocity_is_that_of_the_target():
    data = samples()
    losses = held_out_losses(Zero(), data, bins=4, device=CPU)
    assert losses.shape == (50, 4) and losses.dtype == np.float64
    slots = torch.arange(50)
    x1, x0 = data.load(slots), noise.normal(0, "validation noise", slots, SHAPE, step=2)
    np.testing.assert_allclose(losses[:, 2], (x1 - x0).square().flatten(1).mean(1), rtol=1e-6)


def test_batches_change_nothing():
    field = GaussianField(**fit_gaussian(samples(200)).architecture)
    whole, some = (held_out_losses(field, samples(), bins=3, device=CPU, batch_size=size) for size in (50, 7))
    np.testing.assert_allclose(whole, some, rtol=1e-6)


def test_the_gaussian_flow_of_gaussian_data_has_the_loss_of_the_best_field():
    """For x1 ~ N(0, I) in each dimension: Var(x1 - x0 | x_t) = 2 - (2t - 1)^2 / ((1-t)^2 + t^2)."""
    fitted = fit_gaussian(samples(4000))
    field = GaussianField(**fitted.architecture)
    field.load_state_dict(fitted.weights)
    x = torch.randn(1000, *SHAPE, generator=torch.Generator().manual_seed(5))
    losses = held_out_losses(field, Samples(1000, SHAPE, lambda rows: x[rows]), bins=10, device=CPU)
    t = np.linspace(0, 1, 10_001)
    best = 2 - np.square(2 * t - 1) / (np.square(1 - t) + np.square(t))
    assert losses.mean() == pytest.approx(float(np.trapezoid(best, t)), rel=0.02)


def test_metrics_are_of_all_times_and_of_each_bin():
    losses = np.arange(100.0).reshape(50, 2)
    metrics = {m.metric: m for m in loss_metrics(losses, {"dataset": "d", "run": "r", "seed": 0, "hashes": ""})}
    assert list(metrics) == ["held_out_loss", "held_out_loss[0]", "held_out_loss[0.5]"]
    assert metrics["held_out_loss"].value == losses.mean() and metrics["held_out_loss"].n == 50
    assert metrics["held_out_loss[0.5]"].value == losses[:, 1].mean()
    assert len(metrics["held_out_loss"].replicates) == 20


def test_the_point_is_that_of_the_interpolant():
    """A field that returns x_t sees (1-t) x0 + t x1."""

    class Point(torch.nn.Module):
        def forward(self, x, t, y=None):
            return x

    data, slots = samples(10), torch.arange(10)
    losses = held_out_losses(Point(), data, bins=1, device=CPU)
    x0, t = noise.normal(0, "validation noise", slots, SHAPE), noise.uniform(0, "validation time", slots)
    point = interpolate(x0, data.load(slots), t)
    np.testing.assert_allclose(losses[:, 0], (point.x_t - point.u).square().flatten(1).mean(1), rtol=1e-6)
