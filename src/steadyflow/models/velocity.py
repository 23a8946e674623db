"""Velocity models by name."""

from torch import nn

from steadyflow.artifacts import UserError
from steadyflow.models.dit import SIZES, DiT
from steadyflow.names import VELOCITY_MODELS, patch_of


def build_velocity(name: str, latent_channels: int, latent_size: int, num_classes: int | None = None) -> nn.Module:
    """A freshly initialised module `model(x, t, y)`: x [B,C,h,w], t [B] in [0,1], y int64 [B], None if unconditional.

    The caller seeds torch's generator. Raises UserError for an unknown name or a patch that does not divide.
    """
    if name not in VELOCITY_MODELS:
        raise UserError(f"unknown velocity model '{name}' (known: {', '.join(VELOCITY_MODELS)})")
    patch = patch_of(name)
    if latent_size % patch:
        raise UserError(f"{name}: latents of {latent_size}x{latent_size} cannot be cut into {patch}x{patch} patches")
    size = SIZES[name.removeprefix("DiT-").rpartition("/")[0]]
    return DiT(size, patch, latent_channels, latent_size, num_classes)
