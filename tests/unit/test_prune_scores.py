from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from steadyflow.artifacts import UserError
from steadyflow.prune import gradient_norms, normalise, sample_losses, score_table, shared_points


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


def one_by_one(model, x1, x0, t, y):
    losses, norms = [], []
    for i in range(len(x1)):
        model.zero_grad()
        x_t = (1 - t[i]) * x0[i] + t[i] * x1[i]
        velocity = model(x_t[None], t[i : i + 1], None if y is None else y[i : i + 1])[0]
        loss = (velocity - (x1[i] - x0[i])).pow(2).mean()
        loss.backward()
        losses.append(loss.detach())
        norms.append(sum(p.grad.pow(2).sum() for p in model.parameters() if p.grad is not None))
    return torch.stack(losses), torch.stack(norms)


@pytest.mark.parametrize("labelled", [True, False])
def test_losses_and_gradients_against_a_plain_loop(model, labelled):
    x1, x0, t, y = rows()
    y = y if labelled else None
    losses, norms = one_by_one(model, x1, x0, t, y)
    torch.testing.assert_close(sample_losses(model, x1, x0, t, y), losses)
    for chunk in (1, 3, 16):
        torch.testing.assert_close(gradient_norms(model, x1, x0, t, y, chunk=chunk), norms)


def test_attention_models_are_served():
    from steadyflow.models.dit import DiT, Size

    torch.manual_seed(0)
    dit = DiT(Size(2, 32, 4), 2, 2, 4, 3).eval()
    for parameter in dit.parameters():
        nn.init.normal_(parameter, std=0.1)
    x1, x0, t, y = rows(4)
    torch.testing.assert_close(gradient_norms(dit, x1, x0, t, y), one_by_one(dit, x1, x0, t, y)[1])


def test_convolutional_models_are_served():
    from steadyflow.models.unet import UNet

    torch.manual_seed(0)
    unet = UNet(32, 2, 3, multipliers=(1, 2), blocks=1).eval()
    for parameter in unet.parameters():
        nn.init.normal_(parameter, std=0.1)
    x1, x0, t, y = rows(4)
    torch.testing.assert_close(gradient_norms(unet, x1, x0, t, y), one_by_one(unet, x1, x0, t, y)[1], rtol=1e-4, atol=0)


def test_shared_points():
    t, x0 = shared_points(0, 8, 2, (4, 3, 3))
    torch.testing.assert_close(t, torch.arange(1, 9) / 9)
    assert x0.shape == (2, 4, 3, 3)
    torch.testing.assert_close(x0[:1], shared_points(0, 3, 1, (4, 3, 3))[1])
    assert not torch.equal(x0, shared_points(1, 8, 2, (4, 3, 3))[1])


@pytest.mark.parametrize("measure", [sample_losses, gradient_norms])
def test_table_does_not_depend_on_batch_or_order(model, measure):
    n = 9
    data, labels = torch.randn(n, 2, 4, 4), torch.randint(3, (n,))
    t, x0 = shared_points(0, 3, 2, (2, 4, 4))
    table = partial(score_table, partial(measure, model), n=n, t=t, x0=x0)
    whole = table(latents=lambda rows: data[rows], labels=labels, batch=1000)
    assert whole.shape == (n, 3, 2)
    assert whole.dtype == np.float64
    for batch in (1, 4, 7):
        part = table(latents=lambda rows: data[rows], labels=labels, batch=batch)
        np.testing.assert_allclose(part, whole, rtol=1e-4)

    order = torch.randperm(n)
    moved = table(latents=lambda rows: data[order[rows]], labels=labels[order], batch=5)
    np.testing.assert_allclose(moved, whole[order], rtol=1e-4)

    for i, k, m in [(5, 2, 1), (5, 1, 0), (3, 0, 1)]:
        alone = measure(model, data[i : i + 1], x0[m : m + 1], t[k : k + 1], labels[i : i + 1])
        assert whole[i, k, m] == pytest.approx(alone.item(), rel=1e-4)


def test_table_reads_only_the_rows_of_its_batch(model):
    asked = []

    def latents(rows):
        asked.append(rows.tolist())
        return torch.zeros(len(rows), 2, 4, 4)

    t, x0 = shared_points(0, 2, 2, (2, 4, 4))
    score_table(partial(sample_losses, model), latents, 4, t, x0, batch=6)
    assert asked == [[0, 1], [1, 2], [3]]


def running_mean_scores(values):
    """The fault to stay clear of: a running mean that starts at 1 and sees the samples one after the other."""
    mean, scores = np.ones(values.shape[1]), []
    for i, value in enumerate(values.mean(axis=2)):
        mean += (value - mean) / (i + 2)
        scores.append((value / mean).mean())
    return np.array(scores)


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
