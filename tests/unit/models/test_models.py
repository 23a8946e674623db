"""DiT velocity models, and the probe."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import VELOCITY_MODELS
from steadyflow.models import (
    Probe,
    build_velocity,
    compile_blocks,
    forward_flops,
)
from steadyflow.models.dit import _attend

SIZES = {"T": (4, 128), "S": (12, 384), "B": (12, 768), "L": (24, 1024), "XL": (28, 1152)}


def tiny(patch=2, channels=4, size=8, classes=None, perturbed=False):
    torch.manual_seed(0)
    model = build_velocity(f"DiT-T/{patch}", channels, size, classes).eval()
    if perturbed:
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.requires_grad:
                    parameter += 0.05 * torch.randn_like(parameter)
    return model


def trainable(name, channels, size, classes=None):
    with torch.device("meta"):
        model = build_velocity(name, channels, size, classes)
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


@pytest.mark.parametrize(
    ("name", "millions"), [("DiT-S/2", 32.5), ("DiT-B/2", 129.5), ("DiT-L/2", 457.0), ("DiT-XL/2", 673.7)]
)
def test_the_published_sizes_have_the_published_number_of_parameters(name, millions):
    assert trainable(name, 4, 32) == pytest.approx(millions * 1e6, rel=0.005)


@pytest.mark.parametrize(("name", "giga"), [("DiT-S/2", 12.1), ("DiT-B/2", 46.0), ("DiT-XL/2", 237.2)])
def test_the_published_sizes_have_the_published_cost(name, giga):
    """Peebles & Xie count a multiplication and an addition as one: 6.06, 23.01, 118.64."""
    with torch.device("meta"):
        model = build_velocity(name, 4, 32)
    assert forward_flops(model, 4, 32) == pytest.approx(giga * 1e9, rel=0.01)


@pytest.mark.parametrize("classes", [None, 10])
@pytest.mark.parametrize("name", [name for name in VELOCITY_MODELS if name.endswith("/2")] + ["DiT-T/4", "DiT-T/1"])
def test_the_number_of_parameters_is_that_of_the_architecture(name, classes):
    depth, w = SIZES[name[4:-2]]
    patch_numbers = 3 * int(name[-1]) ** 2
    block = (3 * w * w + 3 * w) + (w * w + w) + (4 * w * w + 4 * w) + (4 * w * w + w) + (6 * w * w + 6 * w)
    time, final = (256 * w + w) + (w * w + w), (2 * w * w + 2 * w) + (w + 1) * patch_numbers
    labels = 0 if classes is None else (classes + 1) * w
    assert trainable(name, 3, 16, classes) == depth * block + time + final + (patch_numbers + 1) * w + labels


def test_the_keys_are_those_of_the_public_checkpoints():
    block = ["attn.qkv", "attn.proj", "mlp.fc1", "mlp.fc2", "adaLN_modulation.1"]
    layers = [
        "x_embedder.proj",
        "t_embedder.mlp.0",
        "t_embedder.mlp.2",
        *(f"blocks.{i}.{layer}" for i in range(4) for layer in block),
        "final_layer.linear",
        "final_layer.adaLN_modulation.1",
    ]
    unconditional = {"pos_embed", *(f"{layer}.{part}" for layer in layers for part in ("weight", "bias"))}
    assert set(tiny().state_dict()) == unconditional
    assert set(tiny(classes=3).state_dict()) == unconditional | {"y_embedder.embedding_table.weight"}


def test_public_shapes_of_xl():
    with torch.device("meta"):
        shapes = {k: tuple(v.shape) for k, v in build_velocity("DiT-XL/2", 4, 32, 1000).state_dict().items()}
    assert shapes["x_embedder.proj.weight"] == (1152, 4, 2, 2)
    assert shapes["pos_embed"] == (1, 256, 1152)
    assert shapes["y_embedder.embedding_table.weight"] == (1001, 1152)
    assert shapes["blocks.27.attn.qkv.weight"] == (3456, 1152)
    assert shapes["final_layer.linear.weight"] == (16, 1152)


@pytest.mark.parametrize(("patch", "channels", "size"), [(2, 4, 8), (4, 3, 8), (1, 2, 4), (8, 4, 16)])
def test_the_velocity_has_the_shape_of_its_input(patch, channels, size):
    x = torch.randn(3, channels, size, size)
    assert tiny(patch, channels, size, perturbed=True)(x, torch.rand(3)).shape == x.shape


def test_a_fresh_model_is_zero_and_every_block_the_identity():
    model = tiny(classes=3)
    assert torch.equal(model(torch.randn(2, 4, 8, 8), torch.rand(2), torch.tensor([0, 3])), torch.zeros(2, 4, 8, 8))
    tokens = torch.randn(2, 16, 128)
    for block in model.blocks:
        assert torch.equal(block(tokens, torch.randn(2, 128)), tokens)


def test_pixels_of_the_output_come_in_the_public_order():
    """Rows of pixels, columns of pixels, channels; patches row by row."""
    patch, channels, size = 2, 3, 8
    model = tiny(patch, channels, size)
    model.final_layer.linear.bias.data = torch.arange(12.0)
    out = model(torch.randn(1, channels, size, size), torch.rand(1))[0]
    for c, i, j in np.ndindex(channels, size, size):
        assert out[c, i, j] == ((i % patch) * patch + j % patch) * channels + c


def test_a_patch_of_the_output_comes_from_the_same_patch_of_the_input():
    # The blocks of a fresh model are the identity: nothing else mixes patches.
    model = tiny()
    nn.init.normal_(model.final_layer.linear.weight)
    x = torch.randn(1, 4, 8, 8, requires_grad=True)
    for row, column in ((0, 0), (0, 3), (2, 1)):
        inside = (slice(None), slice(None), slice(2 * row, 2 * row + 2), slice(2 * column, 2 * column + 2))
        (gradient,) = torch.autograd.grad(model(x, torch.rand(1))[inside].square().sum(), x)
        assert (gradient[inside] != 0).all()
        gradient[inside] = 0
        assert (gradient == 0).all()


def test_attention_joins_all_patches_of_one_image_and_no_others():
    model = tiny(perturbed=True)
    x = torch.randn(2, 4, 8, 8, requires_grad=True)
    (gradient,) = torch.autograd.grad(model(x, torch.rand(2))[0, 0, 0, 0], x)
    assert (gradient[0] != 0).all()
    assert (gradient[1] == 0).all()


def test_attention_is_the_softmax_of_scaled_products_head_by_head():
    attention = tiny().blocks[0].attn
    x = torch.randn(2, 5, 128)
    q, k, v = (part.view(2, 5, 4, 32) for part in (x @ attention.qkv.weight.T + attention.qkv.bias).split(128, dim=-1))
    heads = [torch.softmax(q[:, :, h] @ k[:, :, h].mT / math.sqrt(32), -1) @ v[:, :, h] for h in range(4)]
    assert torch.allclose(attention(x), attention.proj(torch.cat(heads, dim=-1)), atol=1e-5)


def test_time_and_label_reach_the_output():
    model = tiny(classes=3, perturbed=True)
    x, t = torch.randn(1, 4, 8, 8), torch.tensor([0.4])
    outputs = [model(x, t), model(x, torch.tensor([0.41]))] + [model(x, t, torch.tensor([y])) for y in range(4)]
    for i, a in enumerate(outputs):
        assert all((a - b).abs().max() > 1e-4 for b in outputs[:i])


def test_a_batch_of_labels_is_every_label_on_its_own():
    model = tiny(classes=3, perturbed=True)
    x, t, y = torch.randn(4, 4, 8, 8), torch.rand(4), torch.tensor([3, 0, 2, 0])
    alone = torch.cat([model(x[i : i + 1], t[i : i + 1], y[i : i + 1]) for i in range(4)])
    assert torch.allclose(model(x, t, y), alone, atol=1e-5)


def test_the_position_embedding_is_the_published_one():
    width, side = 128, 4
    table = tiny().pos_embed
    assert table.shape == (1, side * side, width) and not table.requires_grad
    for row, column in np.ndindex(side, side):
        expected = []
        for position in (column, row):
            angles = [position / 10000 ** (4 * k / width) for k in range(width // 4)]
            expected += [*map(math.sin, angles), *map(math.cos, angles)]
        assert np.allclose(table[0, row * side + column], expected, atol=1e-6)


def test_time_is_embedded_unscaled():
    embedder = tiny().t_embedder
    embedder.mlp = nn.Identity()
    for t in (0.0, 0.3, 1.0):
        angles = [t * 10000 ** (-k / 128) for k in range(128)]
        expected = [*map(math.cos, angles), *map(math.sin, angles)]
        assert np.allclose(embedder(torch.tensor([t]))[0], expected, atol=1e-6)


def test_unknown_names_and_patches_that_do_not_divide_are_refused():
    with pytest.raises(UserError, match=r"unknown velocity model 'DiT-Q/2' \(known: DiT-T/1"):
        build_velocity("DiT-Q/2", 4, 8)
    with pytest.raises(UserError, match=r"DiT-T/4: takes latents whose side is a multiple of 4, not 6x6"):
        build_velocity("DiT-T/4", 4, 6)


def test_the_probe_has_a_head_per_attribute():
    torch.manual_seed(0)
    probe = Probe(image_channels=3, width=8, feature_dim=10, targets={"hair": 4, "age": 2})
    for side in (16, 20):
        features = probe(torch.randn(5, 3, side, side))
        assert features.shape == (5, 10) and (features >= 0).all()
    logits = probe.classify(features)
    assert {name: tuple(values.shape) for name, values in logits.items()} == {"hair": (5, 4), "age": (5, 2)}
    assert torch.allclose(logits["age"], F.linear(features, probe.heads["age"].weight, probe.heads["age"].bias))


def test_compiled_blocks_keep_their_names_and_their_values():
    model, x, t = tiny(perturbed=True), torch.randn(2, 4, 8, 8), torch.rand(2)
    before, names = model(x, t), list(model.state_dict())
    compile_blocks(model)
    with torch.compiler.set_stance("force_eager"):
        assert torch.equal(model(x, t), before)
    assert list(model.state_dict()) == names
    assert all(block._compiled_call_impl is not None for block in model.blocks)


def test_attention_is_the_same_where_a_cpu_compiles_its_formula(monkeypatch):
    torch.manual_seed(0)
    qkv = torch.randn(3, 2, 4, 16, 32).bfloat16()
    fused = _attend(*qkv)
    monkeypatch.setattr(torch.nn.functional, "scaled_dot_product_attention", None)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    spelt_out = _attend(*qkv)
    assert spelt_out.dtype == torch.bfloat16
    torch.testing.assert_close(spelt_out, fused, atol=2e-2, rtol=0)
