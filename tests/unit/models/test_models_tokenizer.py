"""The tokenizer and its discriminator."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import smallest_discriminated
from steadyflow.models import (
    VQVAE,
    PatchDiscriminator,
    hinge,
    to_model_range,
    to_uint8,
)
from steadyflow.models.discriminator import BatchNorm
from steadyflow.models.vqvae import Codebook


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
    discriminator, least = PatchDiscriminator(image_channels=1, width=4, layers=layers), smallest_discriminated(layers)
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
