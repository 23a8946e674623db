"""Arithmetic counted on paper, against torch's counter on the networks themselves."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from steadyflow.ground.constants import VELOCITY_MODELS
from steadyflow.models import VQVAE, build_velocity, forward_flops
from steadyflow.stages.flops import (
    VGG16_FLOPS_A_PIXEL,
    decoder_flops,
    encoder_flops,
    velocity_flops,
    velocity_weights,
)
from steadyflow.study.specs.tokenizers import Tokenizer

COUNTED = [name for name in VELOCITY_MODELS if not name.endswith("/1")]


# Every network at one side, and of each kind and patch the smallest at another: how arithmetic grows with the side does
# not depend on width and depth.
@pytest.mark.parametrize(
    ("name", "side"), [*((name, 32) for name in COUNTED), *((name, 64) for name in COUNTED if "-T" in name)]
)
def test_velocity_models(name, side):
    with torch.device("meta"):
        model = build_velocity(name, 4, side)
    assert velocity_flops(name, side) == pytest.approx(forward_flops(model, 4, side), rel=2e-3)
    weights = sum(parameter.numel() for parameter in model.parameters())
    assert velocity_weights(name) == pytest.approx(weights, rel=0.02 if "XL" in name else 0.2)


@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"width": 32, "multipliers": (1, 2), "blocks": 1, "latent_channels": 8},
        {"width": 64, "multipliers": (2, 2, 1), "blocks": 3, "codebook_size": 64},
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_tokenizers(spec, channels):
    tokenizer = Tokenizer(**spec)
    fields = {"width", "multipliers", "blocks", "codebook_size", "latent_channels"}
    with torch.device("meta"):
        model = VQVAE(image_channels=channels, **tokenizer.model_dump(include=fields))
    side = 64 // tokenizer.downsampling
    for counted, module, shape in (
        (encoder_flops(tokenizer, channels, 64), model.encoder, (1, channels, 64, 64)),
        (decoder_flops(tokenizer, channels, 64), model.decoder, (1, tokenizer.latent_channels, side, side)),
    ):
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            module(torch.empty(*shape, device="meta"))
        codebook = 2 * tokenizer.codebook_size * tokenizer.latent_channels * side**2 if module is model.encoder else 0
        assert counted == pytest.approx(counter.get_total_flops() + codebook, rel=1e-6)


def test_vgg16():
    from torchvision.models import vgg16

    with torch.device("meta"):
        layers = vgg16().features[:30]
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        layers(torch.empty(1, 3, 64, 64, device="meta"))
    assert counter.get_total_flops() == pytest.approx(VGG16_FLOPS_A_PIXEL * 64**2, rel=0.01)
