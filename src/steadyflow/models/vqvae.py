"""The tokenizer: a VQ-VAE with the convolutional encoder and decoder of taming VQ-GAN, without attention."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import downsampling
from steadyflow.ground.distributed import all_reduce
from steadyflow.ground.noise import permutation


def _norm(channels: int) -> nn.GroupNorm:
    return nn.GroupNorm(math.gcd(32, channels // 4), channels, eps=1e-6)


class ResidualBlock(nn.Module):
    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.norm1, self.conv1 = _norm(channels_in), nn.Conv2d(channels_in, channels_out, 3, padding=1)
        self.norm2, self.conv2 = _norm(channels_out), nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.skip = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        h = self.conv1(F.silu(self.norm1(x)))
        return self.skip(x) + self.conv2(F.silu(self.norm2(h)))


class Downsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        # Padding on the right and bottom only, as in taming: even sizes halve exactly.
        return self.conv(F.pad(x, (0, 1, 0, 1)))


class Upsample(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.interpolate(x, scale_factor=2, mode="nearest"))


def _encoder(image_channels: int, widths: Sequence[int], blocks: int, latent_channels: int) -> nn.Sequential:
    layers: list[nn.Module] = [nn.Conv2d(image_channels, widths[0], 3, padding=1)]
    channels = widths[0]
    for level, width in enumerate(widths):
        for _ in range(blocks):
            layers.append(ResidualBlock(channels, width))
            channels = width
        if level < len(widths) - 1:
            layers.append(Downsample(channels))
    layers += [ResidualBlock(channels, channels), _norm(channels), nn.SiLU()]
    return nn.Sequential(*layers, nn.Conv2d(channels, latent_channels, 3, padding=1))


def _decoder(image_channels: int, widths: Sequence[int], blocks: int, latent_channels: int) -> nn.Sequential:
    channels = widths[-1]
    layers: list[nn.Module] = [nn.Conv2d(latent_channels, channels, 3, padding=1), ResidualBlock(channels, channels)]
    for level, width in reversed(list(enumerate(widths))):
        for _ in range(blocks + 1):
            layers.append(ResidualBlock(channels, width))
            channels = width
        if level > 0:
            layers.append(Upsample(channels))
    return nn.Sequential(*layers, _norm(channels), nn.SiLU(), nn.Conv2d(channels, image_channels, 3, padding=1))


@dataclass(frozen=True)
class Quantised:
    """The result of vector quantisation.

    latents: [B,C,h,w], the nearest code of every position, with the straight-through gradient
    codes: int64 [B,h,w], its index
    codebook_loss, commitment_loss: scalars, means over elements
    """

    latents: Tensor
    codes: Tensor
    codebook_loss: Tensor
    commitment_loss: Tensor


class Codebook(nn.Module):
    """`size` codes of dimension `channels`, initialised U(-1/size, 1/size).

    uses: int64 [size], how often training used each code since the last revival. A non-persistent buffer: it is in the
        checkpoints, so that a resumed training continues to count, but not in the weights.
    """

    uses: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, channels)
        nn.init.uniform_(self.embedding.weight, -1 / size, 1 / size)
        self.register_buffer("uses", torch.zeros(size, dtype=torch.int64), persistent=False)

    def forward(self, z: Tensor) -> Quantised:
        with torch.autocast(z.device.type, enabled=False):
            return self._quantise(z.float())

    def _quantise(self, z: Tensor) -> Quantised:
        flat = z.movedim(1, -1)
        codes = self.nearest(flat.reshape(-1, z.shape[1])).view(flat.shape[:-1])
        latents = self.embedding(codes).movedim(-1, 1)
        return Quantised(
            latents=z + (latents - z).detach(),
            codes=codes,
            codebook_loss=F.mse_loss(latents, z.detach()),
            commitment_loss=F.mse_loss(z, latents.detach()),
        )

    @torch.no_grad()
    def initialise_from(self, z: Tensor, seed: int) -> None:
        """Initialises the codes with random positions of the encodings z [B,C,h,w], without replacement.

        Raises UserError if z has fewer than `size` positions.
        """
        vectors = z.movedim(1, -1).reshape(-1, z.shape[1])
        if len(vectors) < len(self.embedding.weight):
            raise UserError(
                f"{len(self.embedding.weight)} codes cannot be drawn from {len(vectors)} encodings; set a smaller "
                "codebook_size, or codebook_init: uniform"
            )
        drawn = permutation(seed, "codebook", len(vectors))[: len(self.embedding.weight)]
        self.embedding.weight.copy_(vectors[drawn.to(vectors.device)])

    @torch.no_grad()
    def count(self, codes: Tensor) -> Tensor:
        """How often the global batch uses each code, int64 [size], which is added to `uses`; `codes` int64 [B,h,w] are
        those of this process's shard."""
        counts = all_reduce(torch.bincount(codes.flatten(), minlength=len(self.uses)))
        self.uses += counts
        return counts

    @torch.no_grad()
    def revive(self, z: Tensor, slots: Tensor, batch_size: int, seed: int, step: int) -> Tensor:
        """Replaces codes that were not used since the last revival by random encodings of the global batch.

        `z` [B,C,h,w] are the encodings of this process's shard, `slots` int64 [B] their positions in the global batch
        of `batch_size`. Returns the number of replaced codes, a scalar.
        """
        unused = (self.uses == 0).nonzero()[:, 0]
        vectors = z.float().movedim(1, -1).flatten(1, 2)
        places = vectors.shape[1]
        drawn = permutation(seed, "revived codes", batch_size * places, step=step)[: len(unused)].to(z.device)
        image = drawn // places
        mine = (image[:, None] == slots).nonzero()
        new = vectors.new_zeros(len(drawn), vectors.shape[2])
        new[mine[:, 0]] = vectors[mine[:, 1], (drawn % places)[mine[:, 0]]]
        self.embedding.weight[unused[: len(drawn)]] = all_reduce(new)
        self.uses.zero_()
        return torch.tensor(float(len(drawn)), device=z.device)

    def nearest(self, vectors: Tensor) -> Tensor:
        """The index of the nearest code of each row of `vectors` [n, channels], int64 [n]."""
        weight = self.embedding.weight.detach()
        square = weight.square().sum(1)
        # In chunks: with 8192 codes, all distances of a batch of 512x512 images take 8.6 GB.
        return torch.cat([(square - 2 * part @ weight.T).argmin(1) for part in vectors.detach().split(1 << 14)])


class VQVAE(nn.Module):
    """Images in [-1, 1] of shape [B, image_channels, H, W] <-> latents [B, latent_channels, H/f, W/f].

    Level i has `width * multipliers[i]` channels; f is `downsampling`. The decoder has one residual block more per
    level than the encoder.
    """

    def __init__(
        self,
        *,
        image_channels: int,
        width: int,
        multipliers: Sequence[int],
        blocks: int,
        codebook_size: int,
        latent_channels: int,
    ) -> None:
        super().__init__()
        widths = [width * m for m in multipliers]
        self.downsampling = downsampling(multipliers)
        self.encoder = _encoder(image_channels, widths, blocks, latent_channels)
        self.codebook = Codebook(codebook_size, latent_channels)
        self.decoder = _decoder(image_channels, widths, blocks, latent_channels)
        self.to(memory_format=torch.channels_last)

    def encode(self, images: Tensor) -> Tensor:
        """Latents after quantisation."""
        quantised: Quantised = self.codebook(self.encoder(images))
        return quantised.latents

    def decode(self, latents: Tensor) -> Tensor:
        """Images, not clipped."""
        return self.decoder(latents)

    @property
    def last_layer(self) -> Tensor:
        """The decoder's last weight, whose gradient determines the adaptive weight of the adversarial term."""
        last = self.decoder[-1]
        assert isinstance(last, nn.Conv2d)
        return last.weight


def to_model_range(images: Tensor) -> Tensor:
    """uint8 [B,H,W,C] -> float32 [B,C,H,W] in [-1, 1]."""
    assert images.dtype == torch.uint8
    # In place: allocating memory for each operation costs more than the arithmetic.
    return images.movedim(-1, 1).to(torch.float32).div_(127.5).sub_(1)


def to_uint8(images: Tensor) -> Tensor:
    """float [B,C,H,W], nominally in [-1, 1] -> uint8 [B,H,W,C], rounded to nearest and clipped."""
    return ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8).movedim(1, -1).contiguous()
