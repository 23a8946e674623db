"""Small networks, images and batches that the tests of trainings share."""

import torch

from steadyflow.models import VQVAE, PatchDiscriminator
from steadyflow.train import Batch


def batch_of(x, step=0, rows=None):
    """A whole global batch."""
    rows = torch.arange(len(x)) if rows is None else rows
    return Batch(step, rows, torch.arange(len(rows)), x[rows], len(rows))


def tiny_tokenizer(**more):
    torch.manual_seed(0)
    sizes = {"image_channels": 1, "width": 8, "multipliers": (1, 2), "blocks": 1, "codebook_size": 8}
    return VQVAE(**{**sizes, "latent_channels": 2, **more})


def tiny_discriminator():
    torch.manual_seed(1)
    return PatchDiscriminator(image_channels=1, width=4, layers=2)


def some_images(n):
    return torch.randint(0, 256, (n, 16, 16, 1), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
