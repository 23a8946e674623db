"""U-Net velocity models: residual convolutions with FiLM of time and label (Dhariwal & Nichol 2021, no attention)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadyflow.ground.constants import UNET_MULTIPLIERS
from steadyflow.models.dit import LabelEmbedder, TimestepEmbedder
from steadyflow.models.vqvae import Upsample

BLOCKS = 2
GROUPS = 32


class Block(nn.Module):
    """A residual block of two convolutions; the second norm is scaled and shifted by the condition c (FiLM)."""

    def __init__(self, channels_in: int, channels_out: int, condition: int) -> None:
        super().__init__()
        self.norm1 = nn.GroupNorm(GROUPS, channels_in)
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.modulation = nn.Sequential(nn.SiLU(), nn.Linear(condition, 2 * channels_out))
        self.norm2 = nn.GroupNorm(GROUPS, channels_out)
        self.conv2 = _zero(nn.Conv2d(channels_out, channels_out, 3, padding=1))
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        scale, shift = self.modulation(c)[:, :, None, None].chunk(2, dim=1)
        h = self.conv1(F.silu(self.norm1(x)))
        h = self.norm2(h) * (1 + scale) + shift
        return self.skip(x) + self.conv2(F.silu(h))


class UNet(nn.Module):
    """velocity(x [B,C,h,w], t [B] in [0,1], y int64 [B] or None) -> [B,C,h,w]; y is None when unconditional.

    Level i has `width * multipliers[i]` channels at side h / 2^i, `blocks` blocks on the way down and one more on the
    way up. Each block on the way up is concatenated with a skip connection of its level: from the first convolution,
    each block and each downsampling. `width` has to be a multiple of 32, h and w multiples of 2^(levels - 1). At
    initialisation the output is zero.
    """

    def __init__(
        self,
        width: int,
        latent_channels: int,
        num_classes: int | None,
        multipliers: Sequence[int] = UNET_MULTIPLIERS,
        blocks: int = BLOCKS,
    ) -> None:
        super().__init__()
        condition, widths = 4 * width, [width * m for m in multipliers]
        self.t_embedder = TimestepEmbedder(condition)
        if num_classes is not None:
            self.y_embedder = LabelEmbedder(num_classes, condition)
        self.conv_in = nn.Conv2d(latent_channels, width, 3, padding=1)
        self.down, self.middle, self.up = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        channels, skips = width, [width]
        for level, out in enumerate(widths):
            if level > 0:
                self.down.append(nn.Conv2d(channels, channels, 3, stride=2, padding=1))
                skips.append(channels)
            for _ in range(blocks):
                self.down.append(Block(channels, out, condition))
                skips.append(out)
                channels = out
        self.middle.extend(Block(channels, channels, condition) for _ in range(2))
        for level, out in reversed(list(enumerate(widths))):
            for _ in range(blocks + 1):
                self.up.append(Block(channels + skips.pop(), out, condition))
                channels = out
            if level > 0:
                self.up.append(Upsample(channels))
        self.norm_out = nn.GroupNorm(GROUPS, channels)
        self.conv_out = _zero(nn.Conv2d(channels, latent_channels, 3, padding=1))

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        c = self.t_embedder(t)
        if y is not None:
            c = c + self.y_embedder(y)
        h = self.conv_in(x)
        skips = [h]
        for layer in self.down:
            h = layer(h, c) if isinstance(layer, Block) else layer(h)
            skips.append(h)
        for layer in self.middle:
            h = layer(h, c)
        for layer in self.up:
            h = layer(torch.cat([h, skips.pop()], dim=1), c) if isinstance(layer, Block) else layer(h)
        return self.conv_out(F.silu(self.norm_out(h)))


def _zero(layer: nn.Conv2d) -> nn.Conv2d:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
