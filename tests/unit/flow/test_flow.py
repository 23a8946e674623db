import pytest
import torch
from torch import nn

from steadyflow.flow import SOLVERS, CountedVelocity, euler, guide, interpolate, uniform_grid


@pytest.fixture
def pair():
    torch.manual_seed(0)
    return torch.randn(2, 5, 3, 4, 4)


def test_interpolation_goes_from_noise_at_0_to_data_at_1(pair):
    x0, x1 = pair
    assert torch.equal(interpolate(x0, x1, torch.zeros(5)).x_t, x0)
    assert torch.equal(interpolate(x0, x1, torch.ones(5)).x_t, x1)


def test_every_sample_has_its_own_time(pair):
    x0, x1 = pair
    t = torch.tensor([0.0, 0.25, 0.5, 0.75, 1.0])
    x_t = interpolate(x0, x1, t).x_t
    for i in range(5):
        assert torch.allclose(x_t[i], x0[i] + t[i] * (x1[i] - x0[i]), atol=1e-6)


def test_the_target_is_the_time_derivative(pair):
    x0, x1 = pair.double()
    t, h = torch.full((5,), 0.3).double(), 1e-4
    slope = (interpolate(x0, x1, t + h).x_t - interpolate(x0, x1, t - h).x_t) / (2 * h)
    assert torch.allclose(interpolate(x0, x1, t).u, slope, atol=1e-9)


@pytest.mark.parametrize("steps", [1, 3, 60, 1000])
def test_the_uniform_grid_has_one_step_per_evaluation(steps):
    grid = uniform_grid(steps)
    assert grid.shape == (steps + 1,) and grid.dtype == torch.float32
    assert grid[0] == 0 and grid[-1] == 1
    assert torch.allclose(grid.double(), torch.arange(steps + 1).double() / steps, atol=1e-7)


@pytest.mark.parametrize("steps", [1, 2, 5, 60])
def test_euler_on_growth_is_compound_interest(steps):
    x = torch.tensor([[1.0], [-2.0]], dtype=torch.float64)
    assert torch.allclose(euler(lambda x, t: x, x, uniform_grid(steps)), x * (1 + 1 / steps) ** steps, rtol=1e-6)


def test_euler_evaluates_at_the_start_of_each_step():
    times = []

    def velocity(x, t):
        times.append(t.tolist())
        return 2 * t[:, None]

    end = euler(velocity, torch.zeros(3, 1), torch.tensor([0, 0.5, 0.75, 1]))
    assert times == [[0.0] * 3, [0.5] * 3, [0.75] * 3]
    assert end[:, 0].tolist() == pytest.approx([2 * (0.5 * 0 + 0.25 * 0.5 + 0.25 * 0.75)] * 3)


@pytest.mark.parametrize("grid", [[0, 1], [0, 0.1, 0.7, 1], [0, 0.9, 0.2, 1], torch.linspace(0, 1, 101).tolist()])
def test_a_straight_path_is_exact_on_any_grid(pair, grid):
    x0, x1 = pair
    assert torch.allclose(euler(lambda x, t: x1 - x0, x0, torch.tensor(grid)), x1, atol=1e-5)


def test_backwards_and_forwards_is_the_identity_on_a_straight_path(pair):
    x0, x1 = pair
    grid = torch.tensor([0, 0.3, 0.4, 1])
    back = euler(lambda x, t: x1 - x0, x1, grid.flip(0))
    assert torch.allclose(back, x0, atol=1e-5)
    assert torch.allclose(euler(lambda x, t: x1 - x0, back, grid), x1, atol=1e-5)


def test_a_solver_leaves_its_start_untouched(pair):
    x0 = pair[0].clone()
    for solve in SOLVERS.values():
        solve(lambda x, t: x, x0, uniform_grid(3))
    assert torch.equal(x0, pair[0])


class Labelled(nn.Module):
    """v = t + table[y]; label 3 means none, and so does None."""

    def forward(self, x, t, y):
        table = torch.tensor([1.0, 10.0, 100.0, -5.0])
        return x * 0 + t[:, None] + (table[3] if y is None else table[y])[..., None]


@pytest.mark.parametrize("scale", [1, 0.5, 1.5, 4.0])
def test_guidance_extrapolates_from_no_label_to_the_label(scale):
    y = torch.tensor([0, 1, 2])
    guided = guide(CountedVelocity(Labelled()), y, scale, no_label=3)(torch.zeros(3, 2), torch.full((3,), 0.25))
    labelled, unlabelled = torch.tensor([1.25, 10.25, 100.25]), torch.tensor([-4.75])
    assert torch.allclose(guided, ((1 - scale) * unlabelled + scale * labelled)[:, None].expand(3, 2))
    assert y.tolist() == [0, 1, 2]


def test_guidance_of_the_first_channels_leaves_the_labelled_velocity_in_the_others():
    """What the public code of DiT returns for four channels."""

    class Channels(nn.Module):
        def forward(self, x, t, y):
            return x + torch.where(y == 3, 0.0, 1.0 + y)[:, None, None, None] * torch.arange(1.0, 5)[:, None, None]

    x, t, y = torch.randn(2, 4, 3, 3), torch.zeros(2), torch.tensor([0, 2])
    velocity = CountedVelocity(Channels())
    guided = guide(velocity, y, 4.0, no_label=3, channels=3)(x, t)
    everywhere = guide(velocity, y, 4.0, no_label=3)(x, t)
    assert torch.equal(guided[:, :3], everywhere[:, :3])
    assert torch.equal(guided[:, 3], Channels()(x, t, y)[:, 3])
    assert not torch.allclose(guided[:, 3], everywhere[:, 3])
    assert velocity.evaluations == 4


@pytest.mark.parametrize(
    ("y", "scale", "evaluations"),
    [(torch.tensor([0, 1]), 1.5, 10), (torch.tensor([0, 1]), 1.0, 5), (None, 1.0, 5), (None, 1.5, 5)],
)
def test_the_count_is_the_true_number_of_evaluations(y, scale, evaluations):
    velocity = CountedVelocity(Labelled())
    euler(guide(velocity, y, scale, no_label=3), torch.zeros(2, 2), uniform_grid(5))
    assert velocity.evaluations == evaluations
