"""Names that a study may use for what the library provides. Standard library only: parsing a study imports no torch."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

# Depth, width and heads. T is ours, for CPUs; the rest are the published sizes.
DIT_SIZES = {"T": (4, 128, 4), "S": (12, 384, 6), "B": (12, 768, 12), "L": (24, 1024, 16), "XL": (28, 1152, 16)}
DIT_PATCHES = (1, 2, 4, 8)
# Channels of the first level. M's are the papers'; T, S and L are ours, 1/6, 2/3 and 4/3 of them. T is for CPUs.
UNET_WIDTHS = {"T": 32, "S": 128, "M": 192, "L": 256}
# Channels of level i, in those of the first.
UNET_MULTIPLIERS = (1, 2, 3, 4)
VELOCITY_MODELS = (
    *(f"DiT-{size}/{patch}" for size in DIT_SIZES for patch in DIT_PATCHES),
    *(f"UNet-{size}" for size in UNET_WIDTHS),
)

FEATURE_DIMS = {"inception": 2048, "clip": 512, "vitb14": 768, "vitl14": 1024, "arcface": 512, "vgg16": 4096}
"""Numbers in a feature of each pretrained encoder; of DINOv2 by its model."""
TRAJECTORY_POINTS = 33
"""At most so many times of a trajectory x_t are kept: an integral over t by trapezoids needs no more, and each takes as
much room as the latents."""

# The backbone of LPIPS, a file of resources/weights.lock.
VGG16_WEIGHTS = "vgg16-397923af.pth"
# It halves images four times.
SMALLEST_PERCEPTUAL = 16

LEAST_SAMPLES = 40
"""Of an evaluation: two in each group of noises that its intervals leave out."""
TRAINING_DATA, VALIDATION_IMAGES = "training_data", "validation_images"
"""What stands in place of a run where metrics are of real images."""
LABELS = "labels"
"""The classifier that a dataset's own labels and attributes are, in results."""
# The vision-language model that tells attributes: its name at the hub, and its folder beside other weights.
PALIGEMMA_REPO = "google/paligemma-3b-mix-224"
PALIGEMMA_FOLDER = "paligemma-3b-mix-224"


def downsampling(multipliers: Sequence[int]) -> int:
    """The factor by which a convolutional network with these levels divides the side of an image: it halves it between
    one level and the next."""
    return 2 ** (len(multipliers) - 1)


def side_multiple(velocity_model: str) -> int:
    """A velocity model accepts latents whose side is a multiple of this: a DiT's patch, a U-Net's downsampling."""
    if velocity_model.startswith("UNet-"):
        return downsampling(UNET_MULTIPLIERS)
    return int(velocity_model.rpartition("/")[2])


Indices = TypeVar("Indices", bound=Any)


def sample_labels(indices: Indices, num_classes: int) -> Indices:
    """The labels of a conditional model's samples `indices`, an integer array of numpy or torch: index modulo classes,
    so that every class is sampled equally often, and an index has one label in every run."""
    return indices % num_classes


def describe_labels(num_classes: int | None) -> str:
    """How samples get their labels, in a few words; `num_classes` is None for an unconditional model."""
    return "unconditional" if num_classes is None else f"index modulo {num_classes}"


def smallest_judged(discriminator_layers: int) -> int:
    """The side of the smallest images that a PatchGAN of so many layers has a logit for: each halves it, two more
    convolutions take a pixel off, and one has to be left."""
    return 3 * 2**discriminator_layers


def plain_words(text: str) -> str:
    """Words in lower case with single spaces between them: all that matters of an answer, and of what it is held
    against. An apostrophe or a hyphen parts words."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))
