"""Constants shared by the study's specs and the library. Standard library only: parsing a study imports no torch."""

import re
from collections.abc import Sequence
from typing import Any, TypeVar

# (depth, width, heads). T is ours, for CPUs; the others are those of Peebles & Xie (2023).
DIT_SIZES = {"T": (4, 128, 4), "S": (12, 384, 6), "B": (12, 768, 12), "L": (24, 1024, 16), "XL": (28, 1152, 16)}
DIT_PATCHES = (1, 2, 4, 8)
# Channels of the first level. M is that of the papers; T (for CPUs), S and L are ours.
UNET_WIDTHS = {"T": 32, "S": 128, "M": 192, "L": 256}
# Channels of each level, relative to the first.
UNET_MULTIPLIERS = (1, 2, 3, 4)
VELOCITY_MODELS = (
    *(f"DiT-{size}/{patch}" for size in DIT_SIZES for patch in DIT_PATCHES),
    *(f"UNet-{size}" for size in UNET_WIDTHS),
)

FEATURE_DIMS = {"inception": 2048, "clip": 512, "vitb14": 768, "vitl14": 1024, "arcface": 512, "vgg16": 4096}
"""Feature dimension of each pretrained encoder; for DINOv2 of each model."""
TRAJECTORY_POINTS = 33
"""Maximum number of times t at which a trajectory x_t is stored: enough for integrals over t by the trapezoidal rule;
each takes as much disk space as the latents."""

HELD_OUT_IMAGES, LOSS_BINS = 1024, 10
"""Of the measured held-out loss: the most validation images, and equal bins of the time t, each with one noise and one
time for every image."""

# The backbone of LPIPS, in resources/weights.lock.
VGG16_WEIGHTS = "vgg16-397923af.pth"
# Smallest side of an image, in pixels, for LPIPS: VGG16 halves it four times.
SMALLEST_PERCEPTUAL = 16

LEAST_SAMPLES = 40
"""Minimum number of samples in an evaluation: two in each group of noises that the jackknife leaves out."""
TRAINING_DATA, VALIDATION_IMAGES = "training_data", "validation_images"
"""In tables of metrics, the entries in place of a run where a metric is that of real images."""
LABELS = "labels"
"""In results, the name of the classifier that returns a dataset's own labels and attributes."""
# The vision-language model that predicts attributes: its name on the hub, and its folder among the weights.
PALIGEMMA_REPO = "google/paligemma-3b-mix-224"
PALIGEMMA_FOLDER = "paligemma-3b-mix-224"


def downsampling(multipliers: Sequence[int]) -> int:
    """The factor by which a convolutional network with these levels reduces the side of an image: 2 between levels."""
    return 2 ** (len(multipliers) - 1)


def side_multiple(velocity_model: str) -> int:
    """The side of a velocity model's latents has to be a multiple of this: a DiT's patch, a U-Net's downsampling."""
    if velocity_model.startswith("UNet-"):
        return downsampling(UNET_MULTIPLIERS)
    return int(velocity_model.rpartition("/")[2])


Indices = TypeVar("Indices", bound=Any)


def sample_labels(indices: Indices, num_classes: int) -> Indices:
    """Labels of a conditional model's samples, index modulo `num_classes`: classes are equally frequent, and a sample
    has the same label in every run. `indices`: an integer array of numpy or torch."""
    return indices % num_classes


def describe_labels(num_classes: int | None) -> str:
    """The rule of `sample_labels` in words, for reports; `num_classes` is None for an unconditional model."""
    return "unconditional" if num_classes is None else f"index modulo {num_classes}"


def smallest_discriminated(discriminator_layers: int) -> int:
    """The smallest side of an image, in pixels, for which a PatchGAN with this many strided layers has a logit: each
    layer halves it, two more convolutions remove a pixel each, and one has to remain."""
    return 3 * 2**discriminator_layers


def plain_words(text: str) -> str:
    """The words of `text` in lower case, separated by single spaces, for the comparison of a model's answer with the
    values of an attribute. Apostrophes and hyphens separate words."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))


PAPER_DATASETS = {
    "celebahq": "CelebA-HQ 256",
    "celebahq-512": "CelebA-HQ 512",
    "ffhq": "FFHQ 256",
    "imagenet": "ImageNet 256",
    "cifar10": "CIFAR-10",
    "celeba-64": "CelebA 64",
}
"""The datasets of the papers that a study may reproduce, as resources/paper names them, and in words."""
