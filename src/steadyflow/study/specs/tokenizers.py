"""Tokenizers."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, field_validator

from steadyflow.ground.constants import downsampling
from steadyflow.study.specs.fields import Name, Refers, Seed, Spec


class Perceptual(Spec):
    """LPIPS, with weights in resources/weights.lock."""

    network: Literal["lpips_vgg16"] = "lpips_vgg16"
    weight: PositiveFloat = 1.0


class Adversarial(Spec):
    """A PatchGAN with a hinge loss and the adaptive weight of VQ-GAN."""

    start: Annotated[int, Field(ge=0)] = 5000
    """The first step of adversarial training."""
    weight: PositiveFloat = 0.5
    width: PositiveInt = 64
    """Filters of the discriminator's first layer."""
    layers: PositiveInt = 3


def _term(value: Any) -> str | None:
    # load._describe omits tags in angle brackets from the location of an error.
    return "<none>" if value == "none" else "<term>" if isinstance(value, Mapping | Spec) else None


_one_of = Discriminator(
    _term, custom_error_type="term", custom_error_message="is neither 'none' nor a mapping of its settings"
)


class Tokenizer(Spec):
    """A VQ-VAE. Width of level i: width * multipliers[i]; downsampling 2 ** (len(multipliers) - 1)."""

    label: str = ""
    """Name in tables and figures; by default the tokenizer's key."""
    dataset: Annotated[Name | None, Refers("datasets")] = None
    """The dataset it is trained on; by default the study's only one."""
    width: PositiveInt = 128
    multipliers: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=4)] = (1, 2, 4, 4)
    blocks: PositiveInt = 2
    """Residual blocks per level of the encoder; the decoder has one more."""
    codebook_size: PositiveInt = 8192
    codebook_init: Literal["uniform", "data"] = "uniform"
    """U(-1/size, 1/size) as in the papers, or random encodings of the first images, for short trainings."""
    latent_channels: PositiveInt = 4
    commitment: PositiveFloat = 0.25
    perceptual: Annotated[Annotated[Perceptual, Tag("<term>")] | Annotated[Literal["none"], Tag("<none>")], _one_of] = (
        Perceptual()
    )
    adversarial: Annotated[
        Annotated[Adversarial, Tag("<term>")] | Annotated[Literal["none"], Tag("<none>")], _one_of
    ] = Adversarial()
    revive_codes_every: PositiveInt | None = None
    """Interval in steps at which unused codes are replaced by encodings of that step's images. Not in the papers."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Precision of the networks; codes, losses, weights and optimiser are fp32 in any case."""
    steps: PositiveInt = 100_000
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-4
    clip_norm: PositiveFloat = 2.0
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.999
    seed: Seed = 0

    @field_validator("width")
    @classmethod
    def _width_in_fours(cls, value: int) -> int:
        if value % 4:
            raise ValueError(f"{value} is not a multiple of 4 (group normalisation needs that)")
        return value

    @property
    def downsampling(self) -> int:
        """The ratio of the sides of images and latents."""
        return downsampling(self.multipliers)

    @property
    def losses(self) -> str:
        """Short description of the losses on its reconstructions."""
        terms = {"LPIPS": self.perceptual, "GAN": self.adversarial}
        return " + ".join(["MSE", *(word for word, term in terms.items() if term != "none")])
