"""DiT velocity models (Peebles & Xie, ICCV 2023): adaLN-zero transformers, in the public checkpoints' key layout."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadyflow.ground.constants import DIT_SIZES


@dataclass(frozen=True)
class Size:
    depth: int
    width: int
    heads: int


SIZES = {name: Size(*numbers) for name, numbers in DIT_SIZES.items()}


class PatchEmbed(nn.Module):
    def __init__(self, channels: int, patch: int, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(channels, width, patch, stride=patch)

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).flatten(2).mT


class TimestepEmbedder(nn.Module):
    """t [B] in [0, 1], not rescaled -> [B, width]: sinusoidal features, then a two-layer perceptron."""

    frequencies: Tensor

    def __init__(self, width: int, frequencies: int = 256) -> None:
        super().__init__()
        self.mlp = nn.Sequential(nn.Linear(frequencies, width), nn.SiLU(), nn.Linear(width, width))
        half = frequencies // 2
        scale = torch.exp(-math.log(10000) * torch.arange(half, dtype=torch.float32) / half)
        self.register_buffer("frequencies", scale, persistent=False)

    def forward(self, t: Tensor) -> Tensor:
        angles = t[:, None].float() * self.frequencies
        return self.mlp(torch.cat([angles.cos(), angles.sin()], dim=-1))


class LabelEmbedder(nn.Module):
    """Labels int64 [B] -> [B, width]. The label num_classes stands for "no label" (classifier-free guidance)."""

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.embedding_table = nn.Embedding(num_classes + 1, width)

    def forward(self, y: Tensor) -> Tensor:
        return self.embedding_table(y)


class Attention(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4).unbind(0)
        return self.proj(_attend(q, k, v).transpose(1, 2).flatten(2))


def _attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """softmax(q k' / sqrt(d)) v of [B, heads, tokens, d]."""
    # The CPU's fused kernel is slower in bf16 than in fp32; the formula, compiled, is twice as fast.
    if torch.compiler.is_compiling() and q.device.type == "cpu" and q.dtype == torch.bfloat16:
        logits = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
        return logits.softmax(-1, dtype=torch.float32).to(v.dtype) @ v
    return F.scaled_dot_product_attention(q, k, v)


class Mlp(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(F.gelu(self.fc1(x), approximate="tanh"))


def _modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return x * (1 + scale[:, None]) + shift[:, None]


class Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.mlp = Mlp(width)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 6 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift1, scale1, gate1, shift2, scale2, gate2 = self.adaLN_modulation(c).chunk(6, dim=1)
        x = x + gate1[:, None] * self.attn(_modulate(self.norm1(x), shift1, scale1))
        return x + gate2[:, None] * self.mlp(_modulate(self.norm2(x), shift2, scale2))


class FinalLayer(nn.Module):
    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        self.norm_final = nn.LayerNorm(width, elementwise_affine=False, eps=1e-6)
        self.linear = nn.Linear(width, outputs)
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(width, 2 * width))

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        shift, scale = self.adaLN_modulation(c).chunk(2, dim=1)
        return self.linear(_modulate(self.norm_final(x), shift, scale))


class DiT(nn.Module):
    """velocity(x [B,C,h,w], t [B] in [0,1], y int64 [B] or None) -> [B,C,h,w]; y is None when unconditional."""

    def __init__(self, size: Size, patch: int, latent_channels: int, latent_size: int, num_classes: int | None) -> None:
        super().__init__()
        self.patch, self.channels, self.num_classes = patch, latent_channels, num_classes
        self.x_embedder = PatchEmbed(latent_channels, patch, size.width)
        self.t_embedder = TimestepEmbedder(size.width)
        if num_classes is not None:
            self.y_embedder = LabelEmbedder(num_classes, size.width)
        grid = latent_size // patch
        self.pos_embed = nn.Parameter(_position_embedding(size.width, grid), requires_grad=False)
        self.blocks = nn.ModuleList(Block(size.width, size.heads) for _ in range(size.depth))
        self.final_layer = FinalLayer(size.width, patch * patch * latent_channels)
        self._initialise()

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        tokens = self.x_embedder(x) + self.pos_embed
        c = self.t_embedder(t)
        if y is not None:
            c = c + self.y_embedder(y)
        for block in self.blocks:
            tokens = block(tokens, c)
        return self._unpatchify(self.final_layer(tokens, c))

    def _unpatchify(self, tokens: Tensor) -> Tensor:
        side, p = math.isqrt(tokens.shape[1]), self.patch
        grid = tokens.unflatten(1, (side, side)).unflatten(-1, (p, p, self.channels))
        return grid.permute(0, 5, 1, 3, 2, 4).reshape(len(tokens), self.channels, side * p, side * p)

    def _initialise(self) -> None:
        """Xavier everywhere; every residual branch and the output start at zero (adaLN-zero)."""

        def xavier(module: nn.Module) -> None:
            if isinstance(module, nn.Linear):
                nn.init.xavier_uniform_(module.weight)
                nn.init.zeros_(module.bias)

        self.apply(xavier)
        projection = self.x_embedder.proj
        nn.init.xavier_uniform_(projection.weight.flatten(1))
        assert projection.bias is not None
        nn.init.zeros_(projection.bias)
        for layer in (self.t_embedder.mlp[0], self.t_embedder.mlp[2]):
            nn.init.normal_(layer.weight, std=0.02)  # type: ignore[arg-type]
        if self.num_classes is not None:
            nn.init.normal_(self.y_embedder.embedding_table.weight, std=0.02)
        zeroed: list[Any] = [block.adaLN_modulation[-1] for block in self.blocks]  # type: ignore[index]
        for layer in [*zeroed, self.final_layer.adaLN_modulation[-1], self.final_layer.linear]:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)


def _position_embedding(width: int, side: int) -> Tensor:
    """Fixed 2-d sine-cosine embedding [1, side*side, width]; columns are in the first half, as in the public code."""
    frequencies = 1 / 10000 ** (np.arange(width // 4) / (width / 4))
    rows, columns = np.meshgrid(np.arange(side), np.arange(side), indexing="ij")
    halves = [np.outer(axis.ravel(), frequencies) for axis in (columns, rows)]
    table = np.concatenate([f(half) for half in halves for f in (np.sin, np.cos)], axis=1)
    return torch.from_numpy(table).float()[None]
