"""Velocity models by name."""

import copy

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import UNET_WIDTHS, VELOCITY_MODELS, side_multiple
from steadyflow.models.dit import SIZES, DiT
from steadyflow.models.unet import UNet


def build_velocity(name: str, latent_channels: int, latent_size: int, num_classes: int | None = None) -> nn.Module:
    """A freshly initialised module `model(x, t, y)`: x [B,C,h,w], t [B] in [0,1], y int64 [B], None if unconditional.

    The weights are drawn from torch's generator, which the caller seeds. Raises UserError for an unknown name, and if
    `latent_size` is not a multiple of the model's patch or downsampling.
    """
    if name not in VELOCITY_MODELS:
        raise UserError(f"unknown velocity model '{name}' (known: {', '.join(VELOCITY_MODELS)})")
    if latent_size % side_multiple(name):
        raise UserError(
            f"{name}: takes latents whose side is a multiple of {side_multiple(name)}, not {latent_size}x{latent_size}"
        )
    family, _, size = name.partition("-")
    if family == "UNet":
        return UNet(UNET_WIDTHS[size], latent_channels, num_classes)
    return DiT(SIZES[size.partition("/")[0]], side_multiple(name), latent_channels, latent_size, num_classes)


def forward_flops(model: nn.Module, latent_channels: int, latent_size: int, num_classes: int | None = None) -> int:
    """FLOPs of one function evaluation for one sample; a multiply-add counts as two. Counted on the meta device."""
    abstract = copy.deepcopy(model).to("meta")
    x, t = (torch.empty(1, *shape, device="meta") for shape in ((latent_channels, latent_size, latent_size), ()))
    y = None if num_classes is None else torch.zeros(1, dtype=torch.int64, device="meta")
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        abstract(x, t, y)
    return counter.get_total_flops()


def compile_blocks(model: nn.Module) -> None:
    """Compiles the repeated blocks in place, which share one compilation. The state dict's names do not change."""
    blocks = getattr(model, "blocks", None)
    for module in (model,) if blocks is None else blocks:
        module.compile()
