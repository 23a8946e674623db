"""How faithful reconstructions are, how sharp, and how much of the codebook they use: torch, where the images are.

Images are uint8 [B, H, W, C], originals and copies in the same order; each measure gives one number an image.
"""

from dataclasses import dataclass

import numpy as np
from torch import Tensor
from torchmetrics.functional.image import structural_similarity_index_measure

HIGHEST_PSNR = 100.0
SSIM_SMALLEST = 6


@dataclass(frozen=True)
class CodebookUse:
    """`used` of the codes were chosen at least once; `perplexity` exp(H) of how often each was: as many equally
    frequent codes would carry as much."""

    used: int
    perplexity: float


def psnr(originals: Tensor, copies: Tensor) -> Tensor:
    """Peak signal-to-noise ratio in dB, float32 [B]; an exact copy, without any noise, counts as 100 dB."""
    error = (copies.float() - originals.float()).square().mean(dim=(1, 2, 3))
    return (10 * (255**2 / error).log10()).clamp(max=HIGHEST_PSNR)


def ssim(originals: Tensor, copies: Tensor) -> Tensor:
    """Structural similarity (Wang et al., 2004), float32 [B], 1 for equal images: Gaussian window of 11 pixels with a
    standard deviation of 1.5, images reflected at their edges, mean over places and channels. H and W at least 6."""
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
    """Mean square of the Laplacian (four neighbours against the pixel between them), float32 [B]: fine structure
    dominates it."""
    x = images.float()
    around = x[:, :-2, 1:-1] + x[:, 2:, 1:-1] + x[:, 1:-1, :-2] + x[:, 1:-1, 2:]
    return (4 * x[:, 1:-1, 1:-1] - around).square().mean(dim=(1, 2, 3))


def sharpness(originals: np.ndarray, copies: np.ndarray) -> np.ndarray:
    """From edge energies [n] of both, values [n] whose mean is the energy of all copies over that of all originals.

    1 is as sharp as the originals, less is blurred, more is structure or noise that was not there; it says nothing
    about whether edges are in the right place. The values are the ratio's linear parts, so that their standard error
    is its own: of ratios image by image, those of nearly flat originals would drown the others.
    """
    ratio = copies.mean() / originals.mean()
    return ratio + (copies - ratio * originals) / originals.mean()


def codebook_use(counts: np.ndarray) -> CodebookUse:
    """Of how often each code was chosen, [size]."""
    share = counts[counts > 0] / counts.sum()
    return CodebookUse(len(share), float(np.exp(-(share * np.log(share)).sum())))
