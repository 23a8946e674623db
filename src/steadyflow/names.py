"""Names that a study may use for what the library provides. Standard library only: parsing a study imports no torch."""

import re

# Depth, width and heads. T is ours, for CPUs; the rest are the published sizes.
DIT_SIZES = {"T": (4, 128, 4), "S": (12, 384, 6), "B": (12, 768, 12), "L": (24, 1024, 16), "XL": (28, 1152, 16)}
DIT_PATCHES = (1, 2, 4, 8)
UNET_SIZES = ("T", "S", "M", "L")
VELOCITY_MODELS = (
    *(f"DiT-{size}/{patch}" for size in DIT_SIZES for patch in DIT_PATCHES),
    *(f"UNet-{size}" for size in UNET_SIZES),
)

# The backbone of LPIPS, a file of resources/weights.lock.
VGG16_WEIGHTS = "vgg16-397923af.pth"
# It halves images four times.
SMALLEST_PERCEPTUAL = 16

# The classifier that a dataset's own labels and attributes are, in results.
LABELS = "labels"
# The vision-language model that tells attributes: its name at the hub, and its folder beside other weights.
PALIGEMMA_REPO = "google/paligemma-3b-mix-224"
PALIGEMMA_FOLDER = "paligemma-3b-mix-224"


def side_multiple(velocity_model: str) -> int:
    """A velocity model accepts latents whose side is a multiple of this: a DiT's patch; a U-Net halves them thrice."""
    return 8 if velocity_model.startswith("UNet-") else int(velocity_model.rpartition("/")[2])


def smallest_judged(discriminator_layers: int) -> int:
    """The side of the smallest images that a PatchGAN of so many layers has a logit for: each halves it, two more
    convolutions take a pixel off, and one has to be left."""
    return 3 * 2**discriminator_layers


def plain_words(text: str) -> str:
    """Words in lower case with single spaces between them: all that matters of an answer, and of what it is held
    against. An apostrophe or a hyphen parts words."""
    return " ".join(re.findall(r"[^\W_]+", text.casefold()))
