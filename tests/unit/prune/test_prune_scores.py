import numpy as np
import pytest
import torch
from support.scores import running_mean_scores
from torch import nn

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.resumable import delete_table
from steadyflow.prune import (
    gradient_norms,
    losses_and_gradient_norms,
    measure_samples,
    normalise,
    sample_losses,
    shared_points,
)
from steadyflow.prune.surrogate import surrogate_scores
from steadyflow.train import Samples


class Small(nn.Module):
    """Convolution, layer norm, linear, labels, and one frozen and one unused parameter."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(2, 6, 3, padding=1), nn.LayerNorm(6)
        self.time, self.label = nn.Linear(1, 6), nn.Embedding(3, 6)
        self.out = nn.Linear(6, 2)
        self.frozen = nn.Parameter(torch.randn(6), requires_grad=False)

    def forward(self, x, t, y):
        h = self.norm(self.conv(x).movedim(1, -1)) + self.time(t[:, None])[:, None, None] + self.frozen
        if y is not None:
            h = h + self.label(y)[:, None, None]
        return self.out(torch.tanh(h)).movedim(-1, 1)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Small().eval()


def rows(count=7):
    torch.manual_seed(1)
    x1, x0 = torch.randn(2, count, 2, 4, 4)
    return x1, x0, torch.rand(count), torch.randint(3, (count,))


def test_losses_against_a_plain_loop(model):
    x1, x0, t, y = rows()
    for labels in (y, None):
        expected = []
        for i in range(len(x1)):
            x_t = (1 - t[i]) * x0[i] + t[i] * x1[i]
            velocity = model(x_t[None], t[i : i + 1], None if labels is None else labels[i : i + 1])[0]
            expected.append((velocity - (x1[i] - x0[i])).pow(2).mean())
        torch.testing.assert_close(sample_losses(model, x1, x0, t, labels), torch.stack(expected))


def test_shared_points():
    t, x0 = shared_points(0, 8, 2, (4, 3, 3))
    torch.testing.assert_close(t, torch.arange(1, 9) / 9)
    assert x0.shape == (2, 4, 3, 3)
    torch.testing.assert_close(x0[:1], shared_points(0, 3, 1, (4, 3, 3))[1])
    assert not torch.equal(x0, shared_points(1, 8, 2, (4, 3, 3))[1])


def measured(model, latents, n, t, x0, labels=None, *, batch):
    """[2, n, T, M]: losses and gradients."""

    def both(x1, x0, t, y):
        found = losses_and_gradient_norms(model, x1, x0, t, y)
        return found.loss, found.grad

    values = np.full((2, n, len(t), len(x0)), np.nan)
    whole = values[0].size
    batches = [slice(start, min(start + batch, whole)) for start in range(0, whole, batch)]
    measure_samples(values, both, latents, t, x0, labels, batches=batches)
    return values


def test_values_do_not_depend_on_batch_or_order(model):
    n = 9
    data, labels = torch.randn(n, 2, 4, 4), torch.randint(3, (n,))
    t, x0 = shared_points(0, 3, 2, (2, 4, 4))
    whole = measured(model, lambda rows: data[rows], n, t, x0, labels, batch=1000)
    assert np.isfinite(whole).all()
    for batch in (1, 4, 7):
        part = measured(model, lambda rows: data[rows], n, t, x0, labels, batch=batch)
        np.testing.assert_allclose(part, whole, rtol=1e-5)

    order = torch.randperm(n)
    moved = measured(model, lambda rows: data[order[rows]], n, t, x0, labels[order], batch=5)
    np.testing.assert_allclose(moved, whole[:, order], rtol=1e-5)

    for i, k, m in [(5, 2, 1), (5, 1, 0), (3, 0, 1)]:
        alone = data[i : i + 1], x0[m : m + 1], t[k : k + 1], labels[i : i + 1]
        assert whole[0, i, k, m] == pytest.approx(sample_losses(model, *alone).item(), rel=1e-5)
        assert whole[1, i, k, m] == pytest.approx(gradient_norms(model, *alone).item(), rel=1e-5)


def test_only_the_samples_of_a_batch_are_read(model):
    asked = []

    def latents(rows):
        asked.append(rows.tolist())
        return torch.zeros(len(rows), 2, 4, 4)

    measured(model, latents, 4, *shared_points(0, 2, 2, (2, 4, 4)), batch=6)
    assert asked == [[0, 1], [1, 2], [3]]


def test_only_the_batches_asked_for_are_measured():
    asked = []

    def measure(x1, x0, t, y):
        asked.append(len(x1))
        return torch.ones(len(x1)), torch.ones(len(x1))

    values, points = np.zeros((2, 5, 2, 2)), shared_points(0, 2, 2, (1,))
    batches = [slice(9, 12), slice(15, 18)]
    measure_samples(values, measure, lambda rows: torch.zeros(len(rows), 1), *points, batches=batches)
    assert asked == [3, 3]
    flat = values.reshape(2, 20)
    assert flat.nonzero()[1].tolist() == [9, 10, 11, 15, 16, 17] * 2


def test_normalised_scores_have_mean_one_and_feel_no_order():
    rng = np.random.default_rng(0)
    values = rng.lognormal(size=(500, 8, 2)) * np.linspace(1, 30, 8)[:, None]
    scores, order = normalise(values), rng.permutation(500)
    assert scores.mean() == pytest.approx(1, abs=1e-12)
    np.testing.assert_array_equal(normalise(values[order]), scores[order])
    # Every timestep weighs the same, however large its values.
    np.testing.assert_allclose(normalise(values / np.linspace(1, 30, 8)[:, None]), scores)
    # The data can tell the fault from the right thing.
    trap = running_mean_scores(values)
    assert not np.allclose(running_mean_scores(values[order]), trap[order], rtol=1e-2)


def test_normalise_refuses_a_dead_timestep():
    values = np.ones((4, 3, 2))
    values[:, 1] = 0
    with pytest.raises(UserError, match="timestep 1"):
        normalise(values)
    values[0, 1, 0] = np.nan
    with pytest.raises(UserError, match="timestep 1"):
        normalise(values)


@pytest.mark.parametrize("measures", [("loss",), ("loss", "grad"), ("grad",)])
def test_scores_of_a_surrogate_are_those_of_all_its_triples_at_once(model, tmp_path, measures):
    """Whatever the batch; and a finished table is not measured anew."""
    x1, _, _, y = rows(5)
    samples = Samples(5, (2, 4, 4), lambda rows: x1[rows], y, 3)
    common = {"seed": 3, "timesteps": 2, "noises": 2, "identity": "id", "device": torch.device("cpu")}
    found = [
        surrogate_scores(model, samples, measures, batch_size=size, checkpoint_path=tmp_path / f"{size}.npy", **common)
        for size in (3, 100)
    ]
    t, x0 = shared_points(3, 2, 2, (2, 4, 4))
    triples = [(x1[i], x0[m], t[k], y[i]) for i in range(5) for k in range(2) for m in range(2)]
    measured = losses_and_gradient_norms(model, *(torch.stack(part) for part in zip(*triples, strict=True)))
    for scores in found:
        assert tuple(scores) == measures
        for name in measures:
            wanted = normalise(getattr(measured, name).double().numpy().reshape(5, 2, 2))
            np.testing.assert_allclose(scores[name], wanted, rtol=1e-4)
    del model.conv
    again = surrogate_scores(model, samples, measures, batch_size=3, checkpoint_path=tmp_path / "3.npy", **common)
    assert all((again[name] == found[0][name]).all() for name in measures)
    delete_table(tmp_path / "3.npy")
    assert not (tmp_path / "3.npy").exists()
