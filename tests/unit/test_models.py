import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steadyflow.artifacts import UserError
from steadyflow.models import (
    VQVAE,
    PatchDiscriminator,
    Probe,
    build_velocity,
    compile_blocks,
    forward_flops,
    hinge,
    to_model_range,
    to_uint8,
)
from steadyflow.models.discriminator import BatchNorm
from steadyflow.models.dit import _attend
from steadyflow.models.vqvae import Codebook
from steadyflow.names import VELOCITY_MODELS, smallest_judged

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


@pytest.mark.parametrize("multipliers", [(1, 2), (1, 2, 4), (1, 2, 4, 4)])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_tokenizer_divides_both_sides_by_its_factor_and_comes_back(multipliers, channels):
    factor = 2 ** (len(multipliers) - 1)
    model = VQVAE(
        image_channels=channels, width=8, multipliers=multipliers, blocks=1, codebook_size=16, latent_channels=5
    )
    latents = model.encode(torch.randn(2, channels, 16, 32))
    assert latents.shape == (2, 5, 16 // factor, 32 // factor)
    assert model.decode(latents).shape == (2, channels, 16, 32)
    assert model.last_layer.shape == (channels, 8, 3, 3)


def test_encoded_images_lie_in_the_codebook():
    torch.manual_seed(0)
    model = VQVAE(image_channels=1, width=8, multipliers=(1, 2), blocks=1, codebook_size=16, latent_channels=3)
    vectors = model.encode(torch.randn(2, 1, 8, 8)).movedim(1, -1).reshape(-1, 1, 3)
    distances = (vectors - model.codebook.embedding.weight).abs().amax(2)
    assert distances.amin(1).max() < 1e-6


@pytest.fixture
def codebook():
    torch.manual_seed(0)
    codebook = Codebook(40, 3)
    nn.init.normal_(codebook.embedding.weight)
    return codebook


def test_the_quantiser_picks_the_nearest_code(codebook):
    z = 1.5 * torch.randn(2, 3, 8, 6)
    quantised = codebook(z)
    codes = codebook.embedding.weight.detach().double()
    for b, i, j in np.ndindex(2, 8, 6):
        nearest = int((codes - z[b, :, i, j].double()).square().sum(1).argmin())
        assert quantised.codes[b, i, j] == nearest
        assert torch.allclose(quantised.latents[b, :, i, j].double(), codes[nearest], atol=1e-6)


def test_many_positions_are_searched_in_parts(codebook):
    vectors = torch.randn(40_000, 3)
    expected = torch.cat([torch.cdist(part, codebook.embedding.weight).argmin(1) for part in vectors.split(1000)])
    assert (codebook.nearest(vectors) == expected).float().mean() > 0.9999


def test_what_training_counts_is_no_part_of_the_weights(codebook):
    assert list(codebook.state_dict()) == ["embedding.weight"]
    assert dict(codebook.named_buffers()).keys() == {"uses"}


def test_the_gradient_passes_straight_through_the_quantiser(codebook):
    z, weight = torch.randn(2, 3, 4, 4, requires_grad=True), torch.randn(2, 3, 4, 4)
    gradients = torch.autograd.grad(
        (codebook(z).latents * weight).sum(), [z, codebook.embedding.weight], allow_unused=True
    )
    assert torch.equal(gradients[0], weight)
    assert gradients[1] is None


def test_codebook_and_commitment_loss_by_hand():
    codebook = Codebook(2, 2)
    codebook.embedding.weight.data = torch.tensor([[0.0, 0.0], [10.0, 10.0]])
    z = torch.tensor([[1.0, 2.0], [9.0, 7.0]]).T[None, :, :, None].requires_grad_()
    quantised = codebook(z)
    # Squared distances 1, 4 and 1, 9: their mean over four numbers.
    assert quantised.codebook_loss.item() == quantised.commitment_loss.item() == 15 / 4
    weight = codebook.embedding.weight
    moved = torch.autograd.grad(quantised.codebook_loss, [z, weight], allow_unused=True)
    assert moved[0] is None and torch.equal(moved[1], torch.tensor([[-1.0, -2.0], [1.0, 3.0]]) / 2)
    pulled = torch.autograd.grad(quantised.commitment_loss, [z, weight], allow_unused=True)
    assert pulled[1] is None and torch.equal(pulled[0][0, :, :, 0].T, torch.tensor([[1.0, 2.0], [-1.0, -3.0]]) / 2)


def test_a_fresh_codebook_is_uniform_about_zero():
    weight = Codebook(64, 8).embedding.weight
    assert 0.9 / 64 < weight.abs().max() <= 1 / 64
    assert abs(weight.mean()) < 0.1 / 64


def test_a_codebook_may_begin_as_encodings(codebook):
    z = torch.arange(300.0).view(2, 3, 10, 5)
    codebook.initialise_from(z, seed=3)
    vectors = {tuple(vector) for vector in z.movedim(1, -1).reshape(-1, 3).tolist()}
    codes = {tuple(code) for code in codebook.embedding.weight.tolist()}
    assert len(codes) == 40 and codes <= vectors
    assert codebook.embedding.weight.requires_grad
    with pytest.raises(UserError, match="40 codes cannot be drawn from 39 encodings"):
        codebook.initialise_from(torch.zeros(1, 3, 3, 13), seed=3)


def test_pixels_survive_the_way_to_the_model_and_back():
    pixels = torch.arange(256, dtype=torch.uint8).view(2, 8, 8, 2)
    images = to_model_range(pixels)
    assert images.shape == (2, 2, 8, 8) and images.dtype == torch.float32
    assert (images.min(), images.max()) == (-1, 1)
    assert torch.equal(to_uint8(images), pixels)
    assert to_uint8(torch.tensor([-3.0, -1, 0.004, 1, 3]).view(1, 1, 1, 5)).flatten().tolist() == [0, 0, 128, 255, 255]


def test_the_probe_has_a_head_per_attribute():
    torch.manual_seed(0)
    probe = Probe(image_channels=3, width=8, feature_dim=10, targets={"hair": 4, "age": 2})
    for side in (16, 20):
        features = probe(torch.randn(5, 3, side, side))
        assert features.shape == (5, 10) and (features >= 0).all()
    logits = probe.classify(features)
    assert {name: tuple(values.shape) for name, values in logits.items()} == {"hair": (5, 4), "age": (5, 2)}
    assert torch.allclose(logits["age"], F.linear(features, probe.heads["age"].weight, probe.heads["age"].bias))


def test_the_patch_discriminator_has_the_published_size_and_field_of_view():
    """Pix2pix's with 64 filters and 3 layers: 2,765,633 weights for three channels, 70x70 pixels a logit."""
    discriminator = PatchDiscriminator(image_channels=3, width=64, layers=3)
    assert sum(p.numel() for p in discriminator.parameters()) == 2_765_633
    assert discriminator(torch.zeros(2, 3, 256, 256)).shape == (2, 1, 30, 30)
    small = PatchDiscriminator(image_channels=1, width=4, layers=3).double()
    image = torch.randn(1, 1, 256, 256, dtype=torch.float64, requires_grad=True)
    # Without the batch's statistics, through which everything sees everything.
    small.layers = nn.Sequential(*(m for m in small.layers if not isinstance(m, BatchNorm)))
    small(image)[0, 0, 15, 15].backward()
    seen = image.grad[0, 0].nonzero()
    assert (seen.max(0).values - seen.min(0).values + 1).tolist() == [70, 70]


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_the_smallest_image_that_is_judged_has_one_logit(layers):
    discriminator, least = PatchDiscriminator(image_channels=1, width=4, layers=layers), smallest_judged(layers)
    assert discriminator(torch.zeros(1, 1, least, least)).shape == (1, 1, 1, 1)
    with pytest.raises(RuntimeError):
        discriminator(torch.zeros(1, 1, least - 2, least - 2))


def test_the_discriminators_batch_norm_is_torchs():
    ours, x = BatchNorm(5), torch.randn(4, 5, 6, 7) * 3 + 2
    nn.init.normal_(ours.weight)
    nn.init.normal_(ours.bias)
    expected = F.batch_norm(x, None, None, ours.weight, ours.bias, training=True)
    assert torch.allclose(ours(x), expected, atol=1e-5)
    assert ours(x.bfloat16()).dtype == torch.float32


def test_the_hinge_stops_at_the_margin():
    assert hinge(torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 0.0])).item() == pytest.approx(0.5 * (0.25 + 0.5))


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
