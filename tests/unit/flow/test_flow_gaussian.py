"""The Gaussian flow against the conditional expectation of jointly normal variables, and against an integration."""

import numpy as np
import pytest
import torch

from steadyflow.flow import Gaussian, decompose, dopri5, gaussian_transport, gaussian_velocity, uniform_grid
from steadyflow.ground.artifacts import UserError

D = 6


def distribution(d=D, dtype=torch.float64, seed=0, rank=None):
    """A mean and a covariance of `rank` (None: full) with spread eigenvalues."""
    generator = torch.Generator().manual_seed(seed)
    factor = torch.randn(d, rank or d, generator=generator, dtype=torch.float64)
    factor = factor * torch.logspace(0, -1.5, rank or d, dtype=torch.float64)
    return torch.randn(d, generator=generator, dtype=torch.float64).to(dtype), (factor @ factor.T).to(dtype)


def noise(n, d=D, dtype=torch.float64):
    return torch.randn(n, d, generator=torch.Generator().manual_seed(7), dtype=torch.float64).to(dtype)


def conditional_expectation(x, t, mean, covariance):
    """E[x1 - x0 | x_t = x] by the regression of one normal vector on another, from their joint covariance."""
    d = len(mean)
    one = torch.eye(d, dtype=torch.float64)
    joint = torch.block_diag(one, covariance)  # of (x0, x1)
    to_difference, to_point = torch.cat([-one, one], dim=1), torch.cat([(1 - t) * one, t * one], dim=1)
    cross, own = to_difference @ joint @ to_point.T, to_point @ joint @ to_point.T
    return mean + torch.linalg.solve(own, (x - t * mean).T).T @ cross.T


@pytest.mark.parametrize("t", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_the_velocity_is_the_conditional_expectation(t):
    mean, covariance = distribution()
    x = noise(5)
    expected = conditional_expectation(x, t, mean, covariance)
    torch.testing.assert_close(gaussian_velocity(x, t, mean, covariance), expected, rtol=1e-9, atol=1e-9)
    times = torch.full((5,), t, dtype=torch.float64)
    torch.testing.assert_close(gaussian_velocity(x, times, mean, covariance), expected, rtol=1e-9, atol=1e-9)


def test_every_sample_has_its_own_time():
    mean, covariance = distribution()
    x, t = noise(4), torch.tensor([0.0, 0.3, 0.6, 1.0], dtype=torch.float64)
    found = gaussian_velocity(x, t, mean, covariance)
    each = torch.cat([gaussian_velocity(x[i : i + 1], float(t[i]), mean, covariance) for i in range(4)])
    torch.testing.assert_close(found, each)


def test_the_transport_is_the_integral_of_the_velocity():
    mean, covariance = distribution()
    flow, x0 = decompose(mean, covariance), noise(8)
    integrated = dopri5(flow.velocity, x0, uniform_grid(1).double(), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(gaussian_transport(x0, mean, covariance), integrated, rtol=1e-6, atol=1e-6)


def test_transported_noise_has_the_moments():
    mean, covariance = distribution()
    x1 = gaussian_transport(noise(200_000), mean, covariance).numpy()
    np.testing.assert_allclose(x1.mean(0), mean, atol=0.02)
    np.testing.assert_allclose(np.cov(x1.T), covariance, atol=0.05)


def test_one_dimension_by_hand():
    """C = 4, m = 1, t = 1/2: variance of x_t is 1/4 + 1, covariance with x1 - x0 is 2 - 1/2, and sqrt(C) is 2."""
    mean, covariance = torch.tensor([1.0]), torch.tensor([[4.0]])
    found = gaussian_velocity(torch.tensor([[1.75]]), 0.5, mean, covariance)
    assert float(found) == pytest.approx(1 + 1.5 / 1.25 * (1.75 - 0.5))
    assert float(gaussian_transport(torch.tensor([[3.0]]), mean, covariance)) == pytest.approx(7.0)


def test_float32_is_as_near_as_its_rounding():
    """Of a covariance whose eigenvalues span eight orders of magnitude, decomposed in float64 as fields are, or not."""
    mean, covariance = distribution(64)
    x0, flow = noise(16, 64), decompose(mean, covariance)
    single = Gaussian(flow.mean.float(), flow.vectors.float(), flow.values.float())
    for t in (0.0, 0.5, 0.99, 1.0):
        x = (1 - t) * x0 + t * flow.transport(x0)
        exact = flow.velocity(x, t)
        assert float((single.velocity(x.float(), t) - exact).norm() / exact.norm()) < 1e-5
        whole = gaussian_velocity(x.float(), t, mean.float(), covariance.float())
        assert whole.dtype == torch.float32 and float((whole - exact).norm() / exact.norm()) < 1e-3


def test_data_that_do_not_vary_in_some_directions_have_a_finite_velocity():
    mean, covariance = distribution(rank=2)
    for t in (0.0, 0.5, 1.0):
        assert bool(gaussian_velocity(noise(5), t, mean, covariance).isfinite().all())
    x1 = gaussian_transport(noise(50), mean, covariance)
    assert np.linalg.matrix_rank((x1 - mean).numpy(), tol=1e-2) == 2
    same = torch.zeros(D, D, dtype=torch.float64)
    torch.testing.assert_close(gaussian_transport(noise(5), mean, same), mean.expand(5, D))
    assert bool(gaussian_velocity(noise(5), 1.0, mean, same).isfinite().all())


def test_a_low_rank_keeps_the_largest_eigenvalues_and_the_trace():
    mean, covariance = distribution(80, seed=3)
    values, vectors = torch.linalg.eigh(covariance)
    rest = values[:-10].mean().expand(70)
    cut = vectors @ torch.diag(torch.cat([rest, values[-10:]])) @ vectors.T
    flow, x = decompose(mean, covariance, rank=10), noise(6, 80)
    assert flow.vectors.shape == (80, 10)
    for t in (0.0, 0.4, 1.0):
        torch.testing.assert_close(flow.velocity(x, t), gaussian_velocity(x, t, mean, cut), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(flow.transport(x), gaussian_transport(x, mean, cut), rtol=1e-5, atol=1e-5)
    before = torch.random.get_rng_state()
    decompose(mean, covariance, rank=10)
    assert torch.equal(before, torch.random.get_rng_state())


@pytest.mark.parametrize(
    ("mean", "covariance", "message"),
    [
        (torch.zeros(3), torch.eye(4), "do not fit"),
        (torch.zeros(2), torch.tensor([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (torch.zeros(2), torch.diag(torch.tensor([1.0, -1.0])), "negative eigenvalue"),
        (torch.zeros(2), torch.tensor([[1.0, 0.0], [0.0, torch.nan]]), "not finite"),
    ],
)
def test_what_is_no_distribution_is_refused(mean, covariance, message):
    with pytest.raises(UserError, match=message):
        decompose(mean, covariance)
