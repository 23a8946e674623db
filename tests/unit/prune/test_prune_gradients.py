"""Gradient norms of one batched pass against those of whole per-sample gradients."""

import pytest
import torch
from torch import nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from steadyflow.ground.artifacts import UserError
from steadyflow.models import build_velocity
from steadyflow.prune import gradient_norms, gradients, losses_and_gradient_norms, sample_losses


def by_vmap(model, x1, x0, t, y=None):
    """Every gradient materialised."""
    trainable = {name: p.detach() for name, p in model.named_parameters() if p.requires_grad}

    def squared_norm(x1, x0, t, y):
        def loss(parameters):
            x_t = (1 - t) * x0 + t * x1
            velocity = functional_call(model, parameters, (x_t[None], t[None], None if y is None else y[None]))[0]
            return (velocity - (x1 - x0)).square().mean()

        return sum(gradient.square().sum() for gradient in grad(loss)(trainable).values())

    # vmap has no batching rule for the CPU's fused attention and would loop over it.
    with sdpa_kernel(SDPBackend.MATH):
        return vmap(squared_norm, in_dims=(0, 0, 0, None if y is None else 0))(x1, x0, t, y)


def perturbed(model):
    """Fresh models are zero in many places."""
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter += 0.05 * torch.randn_like(parameter)
    return model.eval()


def rows(count, shape=(2, 4, 4), classes=3, dtype=torch.float32):
    torch.manual_seed(1)
    x1, x0 = torch.randn(2, count, *shape, dtype=dtype)
    return x1, x0, torch.rand(count, dtype=dtype), torch.randint(classes, (count,))


@pytest.mark.parametrize(
    ("name", "side", "count", "classes"),
    [
        ("DiT-T/2", 8, 6, None),
        ("DiT-T/2", 8, 6, 5),
        ("DiT-T/1", 16, 2, None),  # at so many positions the gradients themselves are cheaper
        ("DiT-S/2", 4, 3, 3),
        ("UNet-T", 8, 4, None),
        ("UNet-T", 8, 4, 3),
    ],
)
def test_norms_of_every_model_against_vmap(name, side, count, classes):
    model = perturbed(build_velocity(name, 4, side, classes))
    # The last label is that of a dropped one.
    x1, x0, t, y = rows(count, (4, side, side), (classes or 0) + 1)
    y = None if classes is None else y
    expected = by_vmap(model, x1, x0, t, y)
    found = losses_and_gradient_norms(model, x1, x0, t, y)
    assert not found.grad.requires_grad and not found.loss.requires_grad
    torch.testing.assert_close(found.grad, expected, rtol=1e-4, atol=0)
    torch.testing.assert_close(found.loss, sample_losses(model, x1, x0, t, y).detach())
    assert expected.min() > 0.01 and expected.max() > 1.1 * expected.min()


class Layers(nn.Module):
    """All kinds of layers, in the shapes that they can have."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(2, 4, (3, 2), stride=(2, 1), padding=(1, 2), dilation=(1, 2))
        self.plain = nn.Conv2d(4, 6, 1, bias=False)
        self.groups = nn.GroupNorm(3, 6)
        self.pixels, self.features = nn.LayerNorm((2, 6)), nn.LayerNorm(6, bias=False)
        self.everywhere, self.once = nn.Linear(6, 30), nn.Linear(30, 8)
        self.label, self.words = nn.Embedding(3, 6), nn.Embedding(4, 8)
        self.out = nn.Linear(8, 32)
        self.frozen = nn.Parameter(torch.randn(6), requires_grad=False)
        self.unused = nn.Parameter(torch.randn(6))
        self.once.bias.requires_grad_(False)

    def forward(self, x, t, y):
        h = self.groups(self.plain(torch.tanh(self.first(x)))).movedim(1, -1)[:, :, :2]
        h = self.features(torch.sin(self.pixels(h))) + self.frozen
        if y is not None:
            h = h + self.label(y)[:, None, None]
        h = self.once(torch.tanh(self.everywhere(h)).mean((1, 2)) * t[:, None])
        # Of three words at least two are the same.
        words = self.words(torch.stack([t.round().long(), torch.zeros_like(t).long(), t.new_ones(len(t)).long()], 1))
        return self.out(h + (words * torch.arange(1, 4)[None, :, None]).sum(1)).reshape(x.shape)


@pytest.mark.parametrize("labelled", [True, False])
@pytest.mark.parametrize("workspace", [1, 100, 1 << 20])
def test_all_kinds_of_layers_in_double_precision(labelled, workspace, monkeypatch):
    """Labels that are not given leave their layer out."""
    monkeypatch.setitem(gradients.WORKSPACE, "cpu", workspace)
    model = perturbed(Layers().double())
    x1, x0, t, y = rows(7, dtype=torch.float64)
    y = y if labelled else None
    torch.testing.assert_close(gradient_norms(model, x1, x0, t, y), by_vmap(model, x1, x0, t, y), rtol=1e-10, atol=0)


@pytest.mark.parametrize("name", [name for name, _ in Layers().named_parameters() if name not in ("frozen", "unused")])
def test_every_parameter_is_counted_by_itself(name):
    model = perturbed(Layers().double())
    for other, parameter in model.named_parameters():
        parameter.requires_grad_(other == name)
    x1, x0, t, y = rows(3, dtype=torch.float64)
    expected = by_vmap(model, x1, x0, t, y)
    assert (expected > 0).all()
    torch.testing.assert_close(gradient_norms(model, x1, x0, t, y), expected, rtol=1e-10, atol=0)


@pytest.mark.parametrize(("inputs", "outputs"), [(5, 40), (40, 40), (40, 5)])
@pytest.mark.parametrize("positions", [1, 3, 20, 21, 50])
def test_both_ways_to_a_norm_give_it(positions, inputs, outputs):
    torch.manual_seed(0)
    a = torch.randn(4, positions, inputs, dtype=torch.float64)
    g = torch.randn(4, positions, outputs, dtype=torch.float64)
    expected = torch.einsum("bpi,bpo->bio", a, g).square().sum((1, 2))
    torch.testing.assert_close(gradients._product_norms(a, g), expected)


class Odd(nn.Module):
    """One linear layer, and whatever `use` makes of it."""

    def __init__(self, use):
        super().__init__()
        self.linear, self.use = nn.Linear(32, 32), use
        self.position = nn.Parameter(torch.zeros(32))
        self.other = nn.ConvTranspose2d(2, 2, 1)
        self.tied = nn.Linear(32, 32)
        self.tied.weight = self.linear.weight
        self.circular = nn.Conv2d(2, 2, 3, padding=1, padding_mode="circular")
        self.sparse = nn.Embedding(3, 32, padding_idx=0)

    def forward(self, x, t, y):
        return self.use(self, x.flatten(1), x, y).reshape(x.shape)


def overwritten(model, h, x, y):
    h = torch.tanh(h)
    out = model.linear(h)
    h += 1
    return out


REFUSED = {
    "a parameter that is no layer's": (lambda model, h, x, y: model.linear(h) + model.position, "position not used by"),
    "an unknown layer": (lambda model, h, x, y: model.linear(model.other(x).flatten(1)), "other.weight, other.bias"),
    "a weight without its layer": (lambda model, h, x, y: model.linear(h) @ model.linear.weight, "linear.weight not"),
    "a layer used twice": (lambda model, h, x, y: model.linear(model.linear(h)), "'linear' are used twice"),
    "a weight of two layers": (lambda model, h, x, y: model.tied(model.linear(h)), "'tied' are used twice"),
    "a layer that sees all rows at once": (lambda model, h, x, y: h + model.linear(h.mean(0)), "one row for each"),
    "a row taken apart": (lambda model, h, x, y: h + model.linear(h.reshape(-1, 1).expand(-1, 32))[:1], "one row"),
    "an input that is overwritten": (overwritten, "what 'linear' saw was overwritten"),
    "a convolution on a torus": (lambda model, h, x, y: model.circular(x), "only one group, and zeros as padding"),
    "an embedding with a dead row": (lambda model, h, x, y: h * model.sparse(y), "only plain embeddings"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_would_be_missed_is_refused(case):
    use, message = REFUSED[case]
    model = Odd(use)
    with pytest.raises(UserError, match=message):
        gradient_norms(model, *rows(5))
    assert_untouched(model)


def test_a_frozen_model_is_refused():
    with pytest.raises(UserError, match="no parameter of the model is trainable"):
        gradient_norms(Odd(lambda model, h, x, y: h).requires_grad_(False), *rows(5))


def assert_untouched(model):
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    for module in model.modules():
        assert not module._forward_hooks and not module._forward_pre_hooks


def test_the_model_is_left_as_it_was():
    model = perturbed(Layers())
    trainable = {name: p.requires_grad for name, p in model.named_parameters()}
    with torch.no_grad():
        first = gradient_norms(model, *rows(5))
        torch.testing.assert_close(gradient_norms(model, *rows(5)), first, rtol=0, atol=0)
    assert {name: p.requires_grad for name, p in model.named_parameters()} == trainable
    assert all(p.grad is None for p in model.parameters())


def test_an_error_in_the_model_leaves_it_as_it_was():
    model = Odd(lambda model, h, x, y: model.linear(h[:, :31]))
    with pytest.raises(RuntimeError, match="shapes"):
        gradient_norms(model, *rows(5))
    assert_untouched(model)


def test_nothing_of_a_pass_stays_in_memory():
    import gc
    import weakref

    model, seen = perturbed(Layers()), []
    model.out.register_forward_hook(lambda layer, inputs, output: seen.append(weakref.ref(output)))
    gc.disable()
    try:
        gradient_norms(model, *rows(5))
        assert len(seen) == 1 and seen[0]() is None
    finally:
        gc.enable()


def test_a_row_does_not_feel_the_others():
    model = perturbed(build_velocity("DiT-T/2", 4, 8, 3))
    x1, x0, t, y = rows(9, (4, 8, 8))
    whole, order = gradient_norms(model, x1, x0, t, y), torch.randperm(9)
    moved = gradient_norms(model, x1[order], x0[order], t[order], y[order])
    torch.testing.assert_close(moved, whole[order], rtol=1e-5, atol=0)
    parts = [gradient_norms(model, *(x[i : i + 2] for x in (x1, x0, t, y))) for i in range(0, 9, 2)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=1e-5, atol=0)


def test_huge_losses_do_not_spoil_the_other_rows():
    """A sum over the batch would; a row's own norm cannot."""
    model = perturbed(build_velocity("DiT-T/2", 4, 8))
    x1, x0, t, _ = rows(3, (4, 8, 8))
    alone = gradient_norms(model, x1[1:], x0[1:], t[1:])
    x1[0] *= 1e4
    torch.testing.assert_close(gradient_norms(model, x1, x0, t)[1:], alone, rtol=1e-5, atol=0)
