"""Couplings, the closed-form target, latent transforms."""

import itertools

import ot as pot
import pytest
import torch

from steadyflow.flow import channel_matrix, explicit_target, independent, interpolate, ot, transform_channels
from steadyflow.ground.artifacts import UserError


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("n", "shape"), [(1, (2,)), (7, (3,)), (32, (4, 3, 3)), (65, (2,))])
def test_the_coupling_is_the_plan_of_exact_optimal_transport(n, shape):
    for seed in range(4):
        x0, x1 = drawn(n, *shape, seed=seed), 2 * drawn(n, *shape, seed=100 + seed) + 1
        costs = torch.cdist(x0.double().flatten(1), x1.double().flatten(1)).square().numpy()
        # Row i of the plan says where x0_i goes.
        source = pot.emd(pot.unif(n), pot.unif(n), costs).argmax(0)
        assert torch.equal(ot(x0, x1), x0[torch.from_numpy(source)])


def test_a_coupling_permutes_noise_and_leaves_data():
    x0, x1 = drawn(6, 2), drawn(6, 2, seed=1)
    before = (x0.clone(), x1.clone())
    coupled = ot(x0, x1)
    assert sorted(coupled.tolist()) == sorted(x0.tolist()) and not torch.equal(coupled, x0)
    best = min((x0[list(order)] - x1).square().sum().item() for order in itertools.permutations(range(6)))
    assert (coupled - x1).square().sum().item() == pytest.approx(best)
    assert torch.equal(x0, before[0]) and torch.equal(x1, before[1])
    assert independent(x0, x1) is x0


def brute_force(x0, x1, t, candidates, allowed=None):
    """Eq. 2 as it is printed, in float64, a row at a time."""
    rows = []
    for i in range(len(x0)):
        a, b, s = x0[i].double().flatten(), x1[i].double().flatten(), t[i].double()
        x = (1 - s) * a + s * b
        data = candidates.double().flatten(1)
        data = data if allowed is None else data[allowed[i]]
        weights = (-(x - s * data).square().sum(1) / (2 * (1 - s) ** 2)).softmax(0)
        rows.append((weights[:, None] * (data - x)).sum(0) / (1 - s))
    return torch.stack(rows).view(x0.shape)


def some_points(n=12, m=40, shape=(4, 3, 3), spread=0.2):
    """Candidates near enough to each other that many have weight; the first n are x1."""
    candidates = spread * drawn(m, *shape, seed=1)
    return drawn(n, *shape), candidates[:n], candidates


@pytest.mark.parametrize("spread", [0.02, 0.3, 1.0])
@pytest.mark.parametrize("t", [0.0, 0.01, 0.5, 0.999])
def test_the_target_is_the_softmax_of_all_candidates(t, spread):
    x0, x1, candidates = some_points(spread=spread)
    times, own = torch.full((12,), t), torch.arange(12)
    wanted = brute_force(x0, x1, times, candidates)
    exact = explicit_target(x0.double(), x1.double(), times, candidates, own)
    assert (exact - wanted).abs().max() < 1e-6
    found = explicit_target(x0, x1, times, candidates, own)
    assert found.dtype == torch.float32
    assert (found.double() - wanted).norm() / wanted.norm() < 3e-7
    if t == 0.5 and spread < 1:
        assert (wanted - (x1 - x0)).abs().max() > 0.1


def test_only_candidates_that_a_row_may_see_count():
    x0, x1, candidates = some_points()
    allowed = drawn(12, 40, seed=3) > 0
    allowed[torch.arange(12), torch.arange(12)] = True
    times = torch.linspace(0, 0.95, 12)
    found = explicit_target(x0, x1, times, candidates, torch.arange(12), allowed)
    assert (found.double() - brute_force(x0, x1, times, candidates, allowed)).abs().max() < 1e-5
    alone = explicit_target(x0, x1, times, candidates, torch.arange(12), torch.zeros(12, 40, dtype=torch.bool))
    assert torch.allclose(alone, x1 - x0, atol=1e-6)


@pytest.mark.parametrize("t", [1 - 2.0**-24, 1.0])
def test_at_the_data_end_the_target_is_that_of_the_pair(t):
    x0, x1, candidates = some_points()
    # A twin of the first sample is as near as the sample itself.
    candidates = torch.cat([candidates, x1[:1]])
    found = explicit_target(x0, x1, torch.full((12,), t), candidates, torch.arange(12))
    assert torch.allclose(found, x1 - x0, atol=1e-6)


def test_the_mean_target_is_the_velocity_of_all_data_for_any_number_of_candidates():
    """Four numbers as data; x0 such that x_t = 0.1 at t = 0.6. Over all draws of candidates and of one of them as x1,
    weighted by the density of x_t, the target's mean is exactly eq. 2 over all data, which is eq. 1's mean."""
    data, t, x = torch.tensor([-1.0, -0.2, 0.3, 0.9]).double(), torch.tensor(0.6).double(), 0.1
    x0 = (x - t * data) / (1 - t)
    density = (-x0.square() / 2).exp()
    wanted = (density * (data - x)).sum() / density.sum() / (1 - t)
    for m in (1, 2, 3, 4):
        total = weight = 0.0
        for chosen in itertools.combinations(range(4), m):
            rows = list(chosen)
            candidates, own = data[rows][:, None], torch.arange(m)
            u = explicit_target(x0[rows][:, None], candidates, t.expand(m), candidates, own)[:, 0]
            total, weight = total + (density[rows] * u).sum(), weight + density[rows].sum()
        assert (total / weight).item() == pytest.approx(wanted.item(), abs=1e-9)


def test_more_candidates_mean_less_noise_in_the_target():
    x0, x1, candidates = some_points(40)
    t, own = torch.full((40,), 0.4), torch.arange(40)
    truth = brute_force(x0, x1, t, candidates)
    few, all_of_them = (torch.arange(40)[None, :] < m for m in (20, 40))
    errors = [
        (explicit_target(x0, x1, t, candidates, own, a.expand(40, 40)) - truth).norm() for a in (few, all_of_them)
    ]
    conditional = (interpolate(x0, x1, t).u - truth).norm()
    assert errors[1] < 1e-4 < errors[0] < conditional


MATRIX = [[0.0, 2.0, 0.0], [1.0, 0.0, 1.0], [0.5, 0.0, -1.0]]


@pytest.mark.parametrize(
    ("transform", "wanted"),
    [
        ("none", [[1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("flip_first", [[-1, 0, 0], [0, 1, 0], [0, 0, 1]]),
        ("flip_all", [[-1, 0, 0], [0, -1, 0], [0, 0, -1]]),
        (MATRIX, MATRIX),
    ],
)
def test_a_transform_mixes_channels_at_each_pixel_and_can_be_undone(transform, wanted):
    x = drawn(2, 3, 4, 5)
    matrix = channel_matrix(transform, 3)
    assert matrix.tolist() == wanted
    moved = transform_channels(matrix, x)
    for b, i, j in itertools.product(range(2), range(4), range(5)):
        assert torch.allclose(moved[b, :, i, j], matrix.float() @ x[b, :, i, j], atol=1e-6)
    back = transform_channels(matrix.inverse(), moved)
    assert torch.allclose(back, x, atol=1e-5)
    if isinstance(transform, str):
        assert torch.equal(back, x) and torch.equal(moved.abs(), x.abs())


@pytest.mark.parametrize(
    ("transform", "message"),
    [
        ("mirror", r"^unknown transform 'mirror' \(known: none, flip_first, flip_all\)$"),
        ([[1.0, 0.0], [0.0, 1.0]], r"^rows of \[2, 2\] numbers, for 3 channels of latents$"),
        ([[1.0, 0.0, 0.0], [0.0, 1.0], [0.0, 0.0, 1.0]], r"^rows of \[3, 2, 3\] numbers"),
        ([[1.0, 2.0, 3.0], [2.0, 4.0, 6.0], [0.0, 0.0, 1.0]], "^the matrix cannot be undone"),
        ([[1.0, 0.0, 0.0], [0.0, 1e-5, 0.0], [0.0, 0.0, 1.0]], "its condition number is 1e[+]05, 1e[+]04 at most$"),
        ([[float("nan")] * 3] * 3, "^the matrix cannot be undone"),
    ],
)
def test_what_cannot_be_undone_is_refused(transform, message):
    with pytest.raises(UserError, match=message):
        channel_matrix(transform, 3)
