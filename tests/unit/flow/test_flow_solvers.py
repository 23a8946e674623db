import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn

from steadyflow.flow import (
    SOLVERS,
    CountedVelocity,
    Noises,
    begin_samples,
    dopri5,
    nearest_points,
    time_shift,
    trace,
    trace_dopri5,
    uniform_grid,
)
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.noise import noise

ORDERS = {"euler": 1, "midpoint": 2, "heun": 2}
START = torch.tensor([[1.0, -0.5], [0.3, 2.0]], dtype=torch.float64)


def growth(x, t):
    """dx/dt = (2 - t) x, solved by x(t) = x(0) exp(2t - t^2 / 2)."""
    return (2 - t)[:, None] * x


def grid_of(steps, backward=False):
    grid = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    return grid.flip(0) if backward else grid


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("name", ORDERS)
def test_halving_the_steps_divides_the_error_by_two_to_the_order(name, backward):
    exact = START * np.exp(-1.5 if backward else 1.5)
    errors = [
        (SOLVERS[name](growth, START, grid_of(steps, backward)) - exact).abs().max().item() for steps in (80, 160, 320)
    ]
    orders = np.log2(np.array(errors[:-1]) / errors[1:])
    assert orders == pytest.approx([ORDERS[name]] * 2, abs=0.1)


def test_a_heun_step_averages_both_ends_and_a_midpoint_step_looks_between():
    times = []

    def velocity(x, t):
        times.append(t[0].item())
        return 3 * t[:, None] ** 2 + 0 * x

    x, grid = torch.zeros(2, 1), torch.tensor([0.0, 0.5, 1.0])
    assert SOLVERS["heun"](velocity, x, grid).tolist() == [[0.5 * (0 + 0.75) / 2 + 0.5 * (0.75 + 3) / 2]] * 2
    assert times == [0.0, 0.5, 0.5, 1.0]
    times.clear()
    assert SOLVERS["midpoint"](velocity, x, grid)[0].item() == pytest.approx(0.5 * 3 * (0.25**2 + 0.75**2))
    assert times == [0.0, 0.25, 0.5, 0.75]


class Pendulum(nn.Module):
    calls = 0

    def forward(self, x, t, y):
        self.calls += 1
        return torch.stack([x[:, 1], -9 * torch.sin(x[:, 0]) + t], dim=1)


@pytest.mark.parametrize("backward", [False, True])
def test_dopri5_agrees_with_scipy(backward):
    grid = torch.tensor([1.0, 0.0] if backward else [0.0, 1.0], dtype=torch.float64)
    found = dopri5(lambda x, t: Pendulum()(x, t, None), START, grid, rtol=1e-9, atol=1e-9)
    for start, end in zip(START.numpy(), found.numpy(), strict=True):
        wanted = solve_ivp(
            lambda t, x: [x[1], -9 * np.sin(x[0]) + t], grid.tolist(), start, method="DOP853", rtol=1e-12, atol=1e-12
        )
        assert end == pytest.approx(wanted.y[:, -1], abs=2e-8)


@pytest.mark.parametrize(("name", "steps", "evaluations"), [("euler", 7, 7), ("midpoint", 7, 14), ("heun", 7, 14)])
def test_evaluations_are_counted(name, steps, evaluations):
    velocity = CountedVelocity(Pendulum())
    SOLVERS[name](velocity, START, uniform_grid(steps))
    assert velocity.evaluations == velocity.model.calls == evaluations


def test_evaluations_of_dopri5_are_counted_and_grow_with_the_tolerance():
    counts = []
    for tolerance in (1e-3, 1e-9):
        velocity = CountedVelocity(Pendulum())
        dopri5(velocity, START, uniform_grid(1).double(), rtol=tolerance, atol=tolerance)
        assert velocity.evaluations == velocity.model.calls
        # Two evaluations choose the first step, and each step takes six.
        assert velocity.evaluations % 6 == 2
        counts.append(velocity.evaluations)
    assert counts[0] < counts[1]


def test_a_hard_sample_is_solved_to_its_tolerance_beside_many_easy_ones():
    """With the error of the whole batch in one mean, 999 samples at rest would hide it."""
    hard = torch.tensor([[3.0, 8.0]], dtype=torch.float64)
    easy = torch.zeros(999, 2, dtype=torch.float64)
    tolerances = {"rtol": 1e-6, "atol": 1e-6}

    def velocity(x, t):
        return torch.stack([x[:, 1], -9 * torch.sin(x[:, 0])], dim=1)

    alone = dopri5(velocity, hard, uniform_grid(1).double(), **tolerances)
    among = dopri5(velocity, torch.cat([easy, hard]), uniform_grid(1).double(), **tolerances)
    assert (among[-1] - alone[0]).abs().max() < 1e-9
    assert torch.equal(among[:-1], easy)


def test_a_tolerance_that_floats_cannot_show_is_one_clear_error():
    with pytest.raises(UserError, match=r"^dopri5 cannot reach rtol 1e-14 and atol 1e-14: .*; raise them$"):
        dopri5(lambda x, t: torch.sin(40 * x), START.float(), uniform_grid(1), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("shift", [0.2, 1.0, 3.0])
def test_a_shift_moves_inner_times_by_the_formula_of_noise_levels(shift):
    grid = uniform_grid(50)
    level = 1 - grid.double()
    wanted = 1 - shift * level / (1 + (shift - 1) * level)
    assert torch.allclose(time_shift(grid, shift).double(), wanted, atol=1e-7)
    assert time_shift(grid, shift)[[0, -1]].tolist() == [0, 1]
    steps = time_shift(grid, shift).diff()
    assert (steps > 0).all()
    if shift != 1:
        # More than 1: the finest step is the first, at the noise end.
        assert steps.argmin().item() == (0 if shift > 1 else 49)
    assert torch.allclose(time_shift(time_shift(grid, shift), 1 / shift), grid, atol=1e-6)


@pytest.mark.parametrize("name", ORDERS)
def test_a_trace_stops_on_the_way_of_the_same_steps(name):
    grid, kept = time_shift(uniform_grid(20), 2.0), [0, 1, 4, 11, 20]
    velocity = CountedVelocity(Pendulum())
    found = trace(SOLVERS[name], velocity, START, grid, kept)
    assert found.shape == (5, 2, 2) and torch.equal(found[0], START)
    assert velocity.evaluations == 20 * (1 if name == "euler" else 2)
    for point, last in zip(found[1:], kept[1:], strict=True):
        assert torch.equal(point, SOLVERS[name](CountedVelocity(Pendulum()), START, grid[: last + 1]))


def test_a_trace_of_straight_lines_is_straight():
    speed = torch.tensor([[2.0, -1.0]], dtype=torch.float64)
    grid, kept = uniform_grid(40), nearest_points(uniform_grid(40), 9)
    found = trace(SOLVERS["heun"], lambda x, t: speed.expand_as(x), START, grid, kept)
    torch.testing.assert_close(found, START + grid[kept].double()[:, None, None] * speed)


def test_a_trace_by_dopri5_takes_the_steps_of_dopri5_and_agrees_with_scipy_in_between():
    counts, grid = [], uniform_grid(32).double()
    tolerances = {"rtol": 1e-8, "atol": 1e-8}
    for solve in (dopri5, trace_dopri5):
        velocity = CountedVelocity(Pendulum())
        found = solve(lambda x, t, velocity=velocity: velocity(x, t), START, grid, **tolerances)
        counts.append(velocity.evaluations)
    assert counts[0] == counts[1]
    assert torch.equal(found[-1], dopri5(lambda x, t: Pendulum()(x, t, None), START, grid, **tolerances))
    for sample, begin in enumerate(START.numpy()):
        wanted = solve_ivp(
            lambda t, x: [x[1], -9 * np.sin(x[0]) + t], [0, 1], begin, "DOP853", grid.numpy(), rtol=1e-12, atol=1e-12
        )
        assert found[:, sample].numpy() == pytest.approx(wanted.y.T, abs=1e-6)


@pytest.mark.parametrize("shift", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("steps", [4, 32, 33, 60, 1000])
def test_the_points_kept_are_those_nearest_to_uniform_times(steps, shift):
    grid = time_shift(uniform_grid(steps), shift)
    kept = nearest_points(grid, 33)
    assert kept[0] == 0 and kept[-1] == steps and len(kept) <= 33
    assert kept == sorted(set(kept))
    wanted = {min(range(steps + 1), key=lambda place: abs(float(grid[place]) - k / 32)) for k in range(33)}
    assert len(wanted ^ set(kept)) <= 2  # two points may be equally near
    if steps <= 32 and shift == 1:
        assert kept == list(range(steps + 1))


@pytest.mark.parametrize("classes", [None, 3])
def test_a_sample_starts_alike_in_any_batch(classes):
    seen = []

    class Labels(nn.Module):
        def forward(self, x, t, y):
            seen.append(y)
            return x

    architecture = {"latent_channels": 2, "latent_size": 3, "num_classes": classes}
    for indices in (torch.arange(7), torch.tensor([6, 2])):
        begin = begin_samples(CountedVelocity(Labels()), architecture, indices, Noises(5), torch.device("cpu"))
        assert torch.equal(begin.x0, noise(5, indices, (2, 3, 3)))
        begin.predict(begin.x0, torch.zeros(len(indices)))
        if classes is None:
            assert seen.pop() is None
        else:
            assert seen.pop().tolist() == [int(index) % 3 for index in indices]
