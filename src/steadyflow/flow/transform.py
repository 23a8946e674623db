"""Linear transforms A of the latent channels: a model is trained on x1' = A x1, and A^-1 is applied before decoding."""

from collections.abc import Sequence

import torch
from torch import Tensor

from steadyflow.ground.artifacts import UserError

Matrix = Sequence[Sequence[float]]
# With a larger condition number, rounding in fp32 would be visible after the inverse transform.
_LARGEST_CONDITION = 1e4


def flip_first(channels: int) -> Tensor:
    """diag(-1, 1, ..., 1), which flips the sign of the first channel."""
    return torch.diag(torch.tensor([-1.0] + [1.0] * (channels - 1), dtype=torch.float64))


def flip_all(channels: int) -> Tensor:
    """-I, which flips the sign of all channels."""
    return -torch.eye(channels, dtype=torch.float64)


TRANSFORMS = {"flip_first": flip_first, "flip_all": flip_all}


def channel_matrix(transform: str | Matrix, channels: int) -> Tensor:
    """The matrix A, float64 [channels, channels], from a name in TRANSFORMS, "none" (the identity), or its rows.

    Raises UserError for an unknown name, another size, or a singular or ill-conditioned matrix.
    """
    if isinstance(transform, str):
        known = {"none": lambda n: torch.eye(n, dtype=torch.float64), **TRANSFORMS}
        if transform not in known:
            raise UserError(f"unknown transform '{transform}' (known: {', '.join(known)})")
        return known[transform](channels)
    if [len(row) for row in transform] != [channels] * channels:
        raise UserError(f"rows of {[len(row) for row in transform]} numbers, for {channels} channels of latents")
    matrix = torch.tensor(transform, dtype=torch.float64)
    condition = float(torch.linalg.cond(matrix)) if bool(matrix.isfinite().all()) else torch.nan
    if not condition <= _LARGEST_CONDITION:
        raise UserError(
            f"the matrix cannot be undone: its condition number is {condition:.3g}, {_LARGEST_CONDITION:.0e} at most"
        )
    return matrix


def transform_channels(matrix: Tensor, x: Tensor) -> Tensor:
    """A x at each pixel of x [B, C, h, w]; exact for flips of signs."""
    return torch.einsum("ij,bjhw->bihw", matrix.to(x), x)
