"""Fidelity and sharpness of reconstructions, and use of the codebook, in torch.

Images are uint8 [B, H, W, C], originals and copies in the same order; each measure returns one number per image.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

HIGHEST_PSNR = 100.0
SSIM_SMALLEST = 6


@dataclass(frozen=True)
class CodebookUse:
    """`used`: number of codes used at least once; `perplexity`: exp of the entropy of the codes' frequencies."""

    used: int
    perplexity: float


def psnr(originals: Tensor, copies: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, float32 [B], at most 100 dB."""
    error = (copies.float() - originals.float()).square().mean(dim=(1, 2, 3))
    return (10 * (255**2 / error).log10()).clamp(max=HIGHEST_PSNR)


def ssim(originals: Tensor, copies: Tensor) -> Tensor:
    """Structural similarity (Wang et al., 2004), float32 [B], 1 for equal images: Gaussian window of 11 pixels with
    sigma 1.5, reflection padding, mean over positions and channels. H and W are at least 6."""
    found = structural_similarity_index_measure(
        copies.movedim(-1, 1).float(),
        originals.movedim(-1, 1).float(),
        sigma=1.5,
        reduction="none",
        data_range=255.0,
    )
    assert isinstance(found, Tensor)
    return found


def edge_energy(images: Tensor) -> Tensor:
    """Mean square of the discrete Laplacian (4 neighbours), float32 [B], a measure of fine structure."""
    x = images.float()
    around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return (4 * x[:, 1:-1, 1:-1] - around).square().mean(dim=(1, 2, 3))


def sharpness(originals: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """Relative edge energy: from the edge energies [n] of originals and copies, values [n] whose mean is their ratio.

    1 is as sharp as the originals, less is blurred, more is additional structure or noise; it does not measure whether
    edges are in the right place. The values are the linearisation of the ratio of means, which have its standard error;
    ratios per image would be dominated by nearly flat originals.
    """
    ratio = copies.mean() / originals.mean()
    return ratio + (copies - ratio * originals) / originals.mean()


def codebook_use(counts: np.ndarray) -> CodebookUse:
    """The use of the codebook from the `counts` [size] of its codes."""
    share = counts[counts > 0] / counts.sum()
    return CodebookUse(len(share), float(np.exp(-(share * np.log(share)).sum())))
