"""How much arithmetic and how many weights the networks of a study have, without building one.

FLOPs are of one forward pass for one image, a multiplication and an addition being two; what is not a convolution or a
matrix product is not counted. torch's own counter is what the tests hold these to.
"""

from itertools import pairwise

from steadyflow.ground.constants import DIT_SIZES, side_multiple
from steadyflow.study.specs.tokenizers import Tokenizer

# Of U-Nets on 4 channels of 32x32: GFLOPs, which grow with the number of positions, and millions of weights.
UNETS = {"UNet-T": (0.907, 5.2), "UNet-S": (14.45, 82.8), "UNet-M": (32.50, 186.2), "UNet-L": (57.77, 330.9)}
# The convolutions of VGG16.
VGG16_FLOPS_A_PIXEL = 612_000


def velocity_flops(model: str, latent_size: int) -> float:
    """Of a velocity model on latents of 4 channels and `latent_size` x `latent_size`; of others about the same."""
    if model in UNETS:
        return 1e9 * UNETS[model][0] * (latent_size / 32) ** 2
    depth, width, _ = DIT_SIZES[model.removeprefix("DiT-").partition("/")[0]]
    patch = side_multiple(model)
    tokens = (latent_size // patch) ** 2
    block = 12 * width**2 * tokens + 2 * width * tokens**2 + 6 * width**2
    patches, condition = 2 * 4 * patch**2 * width * tokens, 256 * width + 3 * width**2
    return 2.0 * (depth * block + patches + condition)


def velocity_weights(model: str) -> float:
    """How many numbers a velocity model has, embeddings and last layer left out."""
    if model in UNETS:
        return 1e6 * UNETS[model][1]
    depth, width, _ = DIT_SIZES[model.removeprefix("DiT-").partition("/")[0]]
    return 18.0 * depth * width**2


def gaussian_weights(channels: int, latent_size: int) -> float:
    """How many numbers a Gaussian flow has: eigenvectors of the covariance, of each label together as many."""
    d = channels * latent_size**2
    return float(d * min(d, 4096))


def encoder_flops(tokenizer: Tokenizer, channels: int, resolution: int) -> float:
    """Of the encoder of a VQ-VAE, on images of so many channels; its codebook included."""
    widths = [tokenizer.width * m for m in tokenizer.multipliers]
    flops, side = _conv(channels, widths[0], resolution), resolution
    for width_before, width in pairwise([widths[0], *widths]):
        flops += _block(width_before, width, side) + (tokenizer.blocks - 1) * _block(width, width, side)
        side //= 2
        flops += _conv(width, width, side)
    # There is one halving less than levels.
    flops -= _conv(widths[-1], widths[-1], side)
    side *= 2
    flops += _block(widths[-1], widths[-1], side) + _conv(widths[-1], tokenizer.latent_channels, side)
    return flops + 2.0 * tokenizer.codebook_size * tokenizer.latent_channels * side**2


def decoder_flops(tokenizer: Tokenizer, channels: int, resolution: int) -> float:
    """Of the decoder of a VQ-VAE, to images of so many channels."""
    widths = [tokenizer.width * m for m in reversed(tokenizer.multipliers)]
    side = resolution // tokenizer.downsampling
    flops = _conv(tokenizer.latent_channels, widths[0], side) + _block(widths[0], widths[0], side)
    for width_before, width in pairwise([widths[0], *widths]):
        flops += _block(width_before, width, side) + tokenizer.blocks * _block(width, width, side)
        side *= 2
        flops += _conv(width, width, side)
    flops -= _conv(widths[-1], widths[-1], side)
    return flops + _conv(widths[-1], channels, resolution)


def _conv(channels_in: int, channels_out: int, side: int, kernel: int = 3) -> float:
    """Of a convolution whose output is `side` x `side`."""
    return 2.0 * channels_in * channels_out * kernel**2 * side**2


def _block(channels_in: int, channels_out: int, side: int) -> float:
    skip = _conv(channels_in, channels_out, side, 1) if channels_in != channels_out else 0.0
    return _conv(channels_in, channels_out, side) + _conv(channels_out, channels_out, side) + skip
