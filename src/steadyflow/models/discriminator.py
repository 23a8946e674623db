"""The tokenizer's adversary: the PatchGAN of Isola et al. (2017) as taming VQ-GAN uses it."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadyflow.ground.distributed import all_reduce


class BatchNorm(nn.Module):
    """Batch normalisation in fp32 with the statistics of the global batch, so that the result does not depend on the
    number of processes. There are no running statistics: a discriminator is only used in training."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(torch.ones(channels)), nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        x = x.float()
        count = all_reduce(torch.tensor(float(x.numel() // x.shape[1]), device=x.device))
        mean = (all_reduce(x.sum((0, 2, 3))) / count)[:, None, None]
        variance = (all_reduce((x - mean).square().sum((0, 2, 3))) / count)[:, None, None]
        return (x - mean) * torch.rsqrt(variance + 1e-5) * self.weight[:, None, None] + self.bias[:, None, None]


class PatchDiscriminator(nn.Module):
    """Images [B, image_channels, H, W] -> logits [B, 1, h, w], one for each patch; high means real.

    `layers` strided convolutions with `width`, 2 `width`, ... filters (8 `width` at most), then two with stride 1.
    With 3 layers the receptive field of a logit is 70x70 pixels.
    """

    def __init__(self, *, image_channels: int, width: int, layers: int) -> None:
        super().__init__()
        widths = [width * min(2**level, 8) for level in range(layers + 1)]
        modules: list[nn.Module] = [nn.Conv2d(image_channels, width, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        for level, (before, after) in enumerate(pairwise(widths), start=1):
            stride = 2 if level < layers else 1
            conv = nn.Conv2d(before, after, 4, stride=stride, padding=1, bias=False)
            modules += [conv, BatchNorm(after), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*modules, nn.Conv2d(widths[-1], 1, 4, padding=1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            if isinstance(module, BatchNorm):
                nn.init.normal_(module.weight, 1.0, 0.02)
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        return self.layers(images)


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The discriminator's hinge loss from its logits of real and of reconstructed images, a scalar."""
    return 0.5 * (F.relu(1 - real.float()).mean() + F.relu(1 + fake.float()).mean())
