"""Velocity models by name."""

from torch import nn

from steadyflow.artifacts import UserError
from steadyflow.models.dit import SIZES, DiT
from steadyflow.models.unet import WIDTHS, UNet
from steadyflow.names import VELOCITY_MODELS, side_multiple


def build_velocity(name: str, latent_channels: int, latent_size: int, num_classes: int | None = None) -> nn.Module:
    """A freshly initialised module `model(x, t, y)`: x [B,C,h,w], t [B] in [0,1], y int64 [B], None if unconditional.

    The caller seeds torch's generator. Raises UserError for an unknown name or latents of a side it does not accept.
    """
    if name not in VELOCITY_MODELS:
        raise UserError(f"unknown velocity model '{name}' (known: {', '.join(VELOCITY_MODELS)})")
    if latent_size % side_multiple(name):
        raise UserError(
            f"{name}: takes latents whose side is a multiple of {side_multiple(name)}, not {latent_size}x{latent_size}"
        )
    family, _, size = name.partition("-")
    if family == "UNet":
        return UNet(WIDTHS[size], latent_channels, num_classes)
    return DiT(SIZES[size.partition("/")[0]], side_multiple(name), latent_channels, latent_size, num_classes)
