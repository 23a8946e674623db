import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from support.toys import batch_of, some_images, tiny_discriminator, tiny_tokenizer
from torch import nn

from steadyflow.flow import ALPHAS_CUMPROD, CountedVelocity, euler, explicit_target, guide, ot, uniform_grid
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.noise import batch_rows, noise, normal, permutation, rows_around_batch, uniform
from steadyflow.models import Probe, build_velocity
from steadyflow.train import (
    AdversarialTerm,
    PerceptualTerm,
    Revival,
    Samples,
    accuracy,
    classification,
    denoising,
    explicit_flow_matching,
    flow_matching,
    reconstruction,
    validation_losses,
    velocity_objective,
)


class Recorder(nn.Module):
    """A velocity of ones that keeps what it was given."""

    def forward(self, x, t, y):
        self.x, self.t, self.y = x, t, y
        return torch.ones_like(x)


def samples_of(latents, labels=None):
    """All of them, with labels from 0."""
    classes = None if labels is None else int(labels.max()) + 1
    return Samples(len(latents), latents.shape[1:], lambda rows: latents[rows], labels, classes)


def test_flow_matching_is_the_squared_distance_to_the_velocity_at_keyed_points():
    latents, model, rows = torch.randn(9, 2, 3, 3), Recorder(), torch.tensor([5, 0, 8])
    loss, _ = flow_matching(samples_of(latents), 4)(model, batch_of(latents, 7, rows))
    x0, t = normal(4, "training noise", range(3), (2, 3, 3), step=7), uniform(4, "training time", range(3), step=7)
    s = t[:, None, None, None]
    assert torch.allclose(model.x, (1 - s) * x0 + s * latents[rows]) and torch.equal(model.t, t) and model.y is None
    assert loss.item() == pytest.approx((1 - (latents[rows] - x0)).square().mean().item(), rel=1e-5)


def test_logit_normal_times_follow_their_law_and_the_loss_is_that_of_eq_1():
    latents, model, rows = torch.randn(9, 2, 3, 3), Recorder(), torch.arange(4000) % 9
    loss, _ = velocity_objective("logit_normal_flow_matching", samples_of(latents), 4, scale=0.7)(
        model, batch_of(latents, 7, rows)
    )
    # scipy knows the law of z = logit(t) / scale.
    assert stats.kstest(torch.logit(model.t.double()) / 0.7, "norm").pvalue > 0.01
    x0, s = normal(4, "training noise", range(4000), (2, 3, 3), step=7), model.t[:, None, None, None]
    assert torch.allclose(model.x, (1 - s) * x0 + s * latents[rows], atol=1e-6)
    assert loss.item() == pytest.approx((1 - (latents[rows] - x0)).square().mean().item(), rel=1e-5)


def test_the_loss_in_bins_of_time_is_that_of_eq_1_at_keyed_points():
    x1, model = torch.randn(6, 2, 3, 3), Recorder()
    found = validation_losses(samples_of(x1), 4, torch.device("cpu"), bins=5)(model)
    assert list(found) == ["val_loss_0", "val_loss_0.2", "val_loss_0.4", "val_loss_0.6", "val_loss_0.8"]
    x0 = normal(4, "validation noise", range(6), (2, 3, 3), step=4)
    assert found["val_loss_0.8"] == pytest.approx((1 - (x1 - x0)).square().mean().item(), rel=1e-5)
    t = 0.8 + uniform(4, "validation time", range(6), step=4) / 5
    assert torch.allclose(model.t, t) and (t >= 0.8).all() and (t <= 1).all()
    assert torch.allclose(model.x, (1 - t)[:, None, None, None] * x0 + t[:, None, None, None] * x1)


@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.999999])
def test_labels_are_hidden_as_often_as_asked(dropout):
    labels, model = torch.arange(10), Recorder()
    rows = torch.arange(4000) % 10
    data = torch.zeros(10, 1, 1, 1)
    flow_matching(samples_of(data, labels), 0, label_dropout=dropout)(model, batch_of(data, 3, rows))
    hidden = model.y == 10
    assert torch.equal(model.y[~hidden], rows[~hidden])
    assert hidden.float().mean().item() == pytest.approx(dropout, abs=0.03)
    assert labels.tolist() == list(range(10))


def keyed(step, latents):
    """Noise and times of a whole batch of latents under seed 4."""
    n = len(latents)
    x0 = normal(4, "training noise", range(n), latents.shape[1:], step=step)
    return x0, uniform(4, "training time", range(n), step=step)


def test_a_coupling_permutes_the_noise_of_the_batch():
    latents, model = torch.randn(9, 2, 3, 3), Recorder()
    loss, _ = flow_matching(samples_of(latents), 4, coupling="ot")(model, batch_of(latents, 7))
    x0, t = keyed(7, latents)
    coupled, s = ot(x0, latents), t[:, None, None, None]
    assert not torch.equal(coupled, x0)
    assert torch.allclose(model.x, (1 - s) * coupled + s * latents)
    assert loss.item() == pytest.approx((1 - (latents - coupled)).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("conditional", [False, True])
def test_explicit_flow_matching_looks_at_the_batch_and_the_samples_that_come_next_each_once(conditional):
    """Step 2 of batches of 6 among 17 samples, with 10 candidates: five samples of the first epoch and one of the
    second, and those that follow it there. Labelled rows see candidates of their label, rows without see all."""
    latents, labels, model = 0.3 * torch.randn(17, 2, 2, 2), torch.arange(17) % 2, Recorder()
    rows = batch_rows(17, 6, 4, 2)
    order = [*rows.tolist(), *permutation(4, "data order", 17, step=1).tolist()]
    candidates = torch.tensor(list(dict.fromkeys(order))[:10])
    assert len(set(order[:10])) < 10
    samples = samples_of(latents, labels if conditional else None)
    objective = explicit_flow_matching(samples, 4, label_dropout=0.5, candidates=10)
    loss, _ = objective(model, batch_of(latents, 2, rows))
    x0, t = keyed(2, latents[rows])
    wanted = []
    for i, row in enumerate(rows):
        s = t[i].double()
        x = (1 - s) * x0[i] + s * latents[row]
        assert torch.allclose(model.x[i], x.float(), atol=1e-6)
        seen = candidates
        if conditional and model.y[i] < 2:
            assert model.y[i] == labels[row]
            seen = candidates[labels[candidates] == labels[row]]
        data = latents[seen].double()
        weights = (-(x - s * data).square().sum((1, 2, 3)) / (2 * (1 - s) ** 2)).softmax(0)
        wanted.append((weights[:, None, None, None] * (data - x)).sum(0) / (1 - s))
    if conditional:
        assert set(model.y.tolist()) == {0, 1, 2}
    assert loss.item() == pytest.approx((1 - torch.stack(wanted)).square().mean().item(), rel=1e-5)


DATA = torch.tensor([-1.0, -0.2, 0.3, 0.9]).double()[:, None]


def mean_velocity(draws, t=0.6, x=0.1):
    """The mean target at x_t = x over equally likely draws (x1, candidates) of rows of DATA."""
    total = weight = 0.0
    for own, rows in draws:
        x0 = (x - t * DATA[own : own + 1]) / (1 - t)
        here, density = torch.tensor([rows.index(own)]), (-x0.square() / 2).exp().item()
        u = explicit_target(x0, DATA[own : own + 1], torch.tensor([t]), DATA[rows], here)
        total, weight = total + density * u.item(), weight + density
    return total / weight


@pytest.mark.parametrize(
    ("batch_size", "step", "count"), [(1, 0, 3), (1, 2, 3), (1, 3, 3), (3, 1, 3), (3, 1, 4), (3, 2, 3), (2, 0, 3)]
)
def test_the_mean_target_is_the_velocity_of_all_data_wherever_in_an_epoch_a_batch_lies(
    monkeypatch, batch_size, step, count
):
    """Over all orders of four samples in two epochs, and for batches across their border."""
    orders, draws, windows = [torch.tensor(order) for order in itertools.permutations(range(4))], [], []
    for epochs in itertools.product(orders, orders):
        monkeypatch.setattr("steadyflow.ground.noise._permutation", lambda *key: epochs[min(key[-1], 1)])  # noqa: B023
        batch = batch_rows(4, batch_size, 0, step).tolist()
        rows = rows_around_batch(4, batch_size, 0, step, count).tolist()
        assert len(set(rows)) == count and set(batch) <= set(rows)
        draws += [(own, rows) for own in batch]
        stream = torch.cat(epochs).tolist()
        windows += [(own, stream[batch_size * step : batch_size * step + count]) for own in batch]
    # Eq. 2 over all four, and what a window of the data order gives that holds samples twice.
    assert mean_velocity([(own, [0, 1, 2, 3]) for own in range(4)]) == pytest.approx(0.1317, abs=1e-4)
    assert mean_velocity(draws) == pytest.approx(0.1317, abs=1e-4)
    if (batch_size, step) == (1, 3):
        assert mean_velocity(windows) == pytest.approx(0.1490, abs=1e-4)


def test_more_candidates_than_samples_are_refused():
    samples = samples_of(torch.randn(9, 2, 3, 3))
    explicit_flow_matching(samples, 0, candidates=9)
    with pytest.raises(UserError, match=r"^candidates: 10 are more than the 9 training samples .* name 9 at most$"):
        velocity_objective("explicit_flow_matching", samples, 0, candidates=10)


def test_denoising_is_the_squared_distance_to_the_noise_at_whole_times():
    latents, model, alphas_cumprod = torch.randn(9, 2, 3, 3), Recorder(), ALPHAS_CUMPROD["cosine"](200)
    loss, _ = denoising(samples_of(latents), 4, schedule="cosine", timesteps=200)(model, batch_of(latents, 7))
    eps, t = keyed(7, latents)
    k = (200 * t).floor().long()
    assert torch.equal(model.t, k / 200) and len(k.unique()) > 3
    kept = alphas_cumprod[k].float()[:, None, None, None]
    assert torch.allclose(model.x, kept.sqrt() * latents + (1 - kept).sqrt() * eps, atol=1e-6)
    assert loss.item() == pytest.approx((1 - eps).square().mean().item(), rel=1e-5)


def test_every_whole_time_is_trained_about_equally_often():
    model = Recorder()
    data = torch.zeros(20000, 1, 1, 1)
    denoising(samples_of(data), 4, schedule="linear", timesteps=50)(model, batch_of(data))
    counts = (50 * model.t).round().long().bincount()
    assert len(counts) == 50 and (counts - 400).abs().max() < 100


def test_the_tokenizers_loss_is_the_sum_of_its_terms():
    model, images = tiny_tokenizer(), some_images(4)
    nearness = PerceptualTerm(lambda a, b: (a - b).abs().mean(dim=(1, 2, 3)), 0.3)
    loss, followed = reconstruction(0.25, perceptual=nearness)(model, batch_of(images))
    x = images.movedim(-1, 1) / 127.5 - 1
    z, codes = model.encoder(x), model.codebook.embedding.weight
    nearest = torch.cdist(z.movedim(1, -1).reshape(-1, 2), codes).argmin(1)
    distance = (codes[nearest].view(4, 8, 8, 2).movedim(-1, 1) - z).square().mean().item()
    error = model.decode(model.encode(x)) - x
    assert followed["mse"].item() == pytest.approx(error.square().mean().item(), rel=1e-4)
    assert followed["perceptual"].item() == pytest.approx(0.3 * error.abs().mean().item(), rel=1e-4)
    assert followed["commitment"].item() == pytest.approx(0.25 * distance, rel=1e-4)
    assert loss.item() == pytest.approx(
        followed["mse"].item() + followed["perceptual"].item() + 1.25 * distance, rel=1e-4
    )
    assert followed["codes_used"] == len(nearest.unique())


def gradients(network):
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def test_one_backward_pass_gives_each_player_the_gradient_of_its_own_loss():
    """Against taming's two losses, each written out and differentiated on its own."""
    images, start = some_images(4), 3
    x = images.movedim(-1, 1) / 127.5 - 1
    model, discriminator = tiny_tokenizer(), tiny_discriminator()
    objective = reconstruction(0.25, adversarial=AdversarialTerm(discriminator, start, weight=0.5))
    objective(model, batch_of(images, start))[0].backward()
    found = gradients(model), gradients(discriminator)

    model, discriminator = tiny_tokenizer(), tiny_discriminator()
    quantised = model.codebook(model.encoder(x))
    copy = model.decode(quantised.latents)
    mse, fooling = F.mse_loss(copy, x), -discriminator(copy).mean()
    size = [torch.autograd.grad(loss, model.decoder[-1].weight, retain_graph=True)[0].norm() for loss in (mse, fooling)]
    assert size[1] > 1e-3
    generator = mse + quantised.codebook_loss + 0.25 * quantised.commitment_loss + 0.5 * size[0] / size[1] * fooling
    discriminator.requires_grad_(False)
    generator.backward()
    discriminator.requires_grad_(True)
    real, fake = discriminator(x), discriminator(copy.detach())
    (0.5 * ((1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean())).backward()
    for expected, got in zip((gradients(model), gradients(discriminator)), found, strict=True):
        assert expected.keys() == got.keys()
        for name, gradient in expected.items():
            assert torch.allclose(got[name], gradient, rtol=1e-4, atol=1e-6), name


class Scaled(nn.Module):
    """A discriminator whose logit is the mean of the image, times `scale`."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, images):
        return self.scale * images.mean(dim=(1, 2, 3))


@pytest.mark.parametrize("scale", [10.0, 1e-6])
@pytest.mark.parametrize("error", [1.0, 1e3])
def test_the_adaptive_weight_is_bounded_where_the_discriminator_is_flat(scale, error):
    """The norm below is at least 1e-3, the weight at most 1e4."""
    model, images = tiny_tokenizer(), some_images(4)
    x = images.movedim(-1, 1) / 127.5 - 1
    large = PerceptualTerm(lambda a, b: (a - b).square().mean(dim=(1, 2, 3)), error)
    objective = reconstruction(0.25, perceptual=large, adversarial=AdversarialTerm(Scaled(scale), 0, 0.5))
    _, followed = objective(model, batch_of(images))
    copy = model.decode(model.encode(x))
    losses = (1 + error) * F.mse_loss(copy, x), scale * copy.mean()
    above, below = (torch.autograd.grad(loss, model.last_layer, retain_graph=True)[0].norm().item() for loss in losses)
    assert (below < 1e-3) == (scale < 1)
    expected = min(above / max(below, 1e-3), 1e4)
    assert (expected == 1e4) == (scale < 1 and error > 1)
    assert followed["adaptive_weight"].item() == pytest.approx(expected, rel=1e-4)


def test_codes_that_nothing_uses_become_encodings():
    model = tiny_tokenizer(codebook_size=16)
    with torch.no_grad():
        model.codebook.embedding.weight[4:] += 100  # out of reach
    objective = reconstruction(0.25, revival=Revival(every=2, seed=0))
    used, before = [], None
    for step in range(4):
        if step == 2:
            before = model.codebook.embedding.weight.detach().clone()
            unused = model.codebook.uses == 0
        _, followed = objective(model, batch_of(some_images(6), step))
        used.append(int(followed["codes_used"]))
    z = model.encoder(some_images(6).movedim(-1, 1) / 127.5 - 1).detach().movedim(1, -1).reshape(-1, 2)
    after = model.codebook.embedding.weight.detach()
    assert unused.sum() >= 12 and torch.equal(after[~unused], before[~unused])
    assert torch.cdist(after[unused], z).min(dim=1).values.max() < 1e-5
    assert len(after[unused].unique(dim=0)) == unused.sum()
    assert max(used[:2]) <= 4 < min(used[2:])
    assert model.codebook.uses.sum() == 2 * 6 * 64  # counted anew since step 2


def test_unknown_attributes_do_not_count_in_the_probes_loss():
    torch.manual_seed(0)
    probe = Probe(image_channels=1, width=8, feature_dim=6, targets={"a": 3, "b": 2})
    images = some_images(4)
    codes = {"a": torch.tensor([0, -1, 2, 1]), "b": torch.tensor([-1, -1, 1, 0])}
    loss, accuracy = classification(codes)(probe, batch_of(images))
    logits = probe.classify(probe(images.movedim(-1, 1) / 127.5 - 1))
    expected, right = 0.0, {}
    for name, values in codes.items():
        known = values >= 0
        log_p = logits[name].log_softmax(1)[known, values[known]]
        expected += -log_p.mean().item()
        right[name] = (logits[name].argmax(1) == values)[known].float().mean().item()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert {name: accuracy[f"accuracy_{name}"].item() for name in codes} == pytest.approx(right)


def test_accuracy_is_the_share_of_known_values_over_all_batches():
    torch.manual_seed(0)
    probe, images = Probe(image_channels=1, width=8, feature_dim=6, targets={"a": 2, "b": 2}), some_images(300).numpy()
    with torch.no_grad():
        told = probe.classify(probe(torch.from_numpy(images).movedim(-1, 1) / 127.5 - 1))["a"].argmax(1).numpy()
    ids = np.arange(300)[::-1].copy()
    codes = {"a": np.where(np.arange(300) % 3 == 0, 1 - told, told), "b": np.full(300, -1)}
    codes["a"][:30] = -1
    found = accuracy(probe.eval(), lambda ids: images[ids], ids, codes, torch.device("cpu"))
    assert found == {"a": 180 / 270, "b": 0}


@torch.no_grad()
def test_a_sample_does_not_depend_on_the_batch_it_is_drawn_in():
    torch.manual_seed(0)
    model = build_velocity("DiT-T/2", 4, 4, 3).eval()
    for parameter in model.parameters():
        parameter += 0.05 * torch.randn_like(parameter)
    drawn, starts = {}, {}
    for size in (1, 7, 64):
        parts, noises = [], []
        for start in range(0, 21, size):
            indices = torch.arange(start, min(start + size, 21))
            noises.append(noise(0, indices, (4, 4, 4)))
            velocity = guide(CountedVelocity(model), indices % 3, 1.5, no_label=3)
            parts.append(euler(velocity, noises[-1], uniform_grid(3)))
        drawn[size], starts[size] = torch.cat(parts), torch.cat(noises)
    for size in (1, 7):
        assert torch.equal(starts[size], starts[64])
        assert torch.allclose(drawn[size], drawn[64], atol=1e-4)
    assert (drawn[64] - starts[64]).abs().mean() > 0.01
