"""Tokenizers."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, PositiveFloat, PositiveInt, Tag, field_validator

from steadyflow.ground.constants import downsampling
from steadyflow.study.specs.fields import Name, Refers, Seed, Spec


class Perceptual(Spec):
    """LPIPS, in the features of a network whose weights resources/weights.lock names."""

    network: Literal["lpips_vgg16"] = "lpips_vgg16"
    weight: PositiveFloat = 1.0


class Adversarial(Spec):
    """A PatchGAN with a hinge loss; its gradient is balanced against the reconstruction's at the last layer."""

    start: Annotated[int, Field(ge=0)] = 5000
    """The first step with it."""
    weight: PositiveFloat = 0.5
    width: PositiveInt = 64
    """Filters of the discriminator's first layer."""
    layers: PositiveInt = 3


def _term(value: Any) -> str | None:
    # load._describe leaves parts in such brackets out of a mistake's place.
    return "<none>" if value == "none" else "<term>" if isinstance(value, Mapping | Spec) else None


_one_of = Discriminator(
    _term, custom_error_type="term", custom_error_message="is neither 'none' nor a mapping of its settings"
)


class Tokenizer(Spec):
    """A VQ-VAE. Width of level i: width * multipliers[i]; downsampling 2 ** (len(multipliers) - 1)."""

    label: str = ""
    """Shown in tables and figures; the tokenizer's name when empty."""
    dataset: Annotated[Name | None, Refers("datasets")] = None
    """The dataset it is trained on; may be left out when the study has one."""
    width: PositiveInt = 128
    multipliers: Annotated[tuple[PositiveInt, ...], Field(min_length=2, max_length=4)] = (1, 2, 4, 4)
    blocks: PositiveInt = 2
    """Residual blocks per level of the encoder; the decoder has one more."""
    codebook_size: PositiveInt = 8192
    codebook_init: Literal["uniform", "data"] = "uniform"
    """U(-1/size, 1/size) as in the papers, or codes drawn from the first images' encodings, for short trainings."""
    latent_channels: PositiveInt = 4
    commitment: PositiveFloat = 0.25
    perceptual: Annotated[Annotated[Perceptual, Tag("<term>")] | Annotated[Literal["none"], Tag("<none>")], _one_of] = (
        Perceptual()
    )
    adversarial: Annotated[
        Annotated[Adversarial, Tag("<term>")] | Annotated[Literal["none"], Tag("<none>")], _one_of
    ] = Adversarial()
    revive_codes_every: PositiveInt | None = None
    """Every so many steps the codes not chosen since become encodings of that step's images. Not in the papers."""
    precision: Literal["bf16", "fp32"] = "bf16"
    """Of the networks; codes, losses, weights and optimiser are fp32 in either case."""
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
        """A side of the latents is that of the images over this."""
        return downsampling(self.multipliers)

    @property
    def losses(self) -> str:
        """What its reconstructions are trained on, in a few words."""
        terms = {"LPIPS": self.perceptual, "GAN": self.adversarial}
        return " + ".join(["MSE", *(word for word, term in terms.items() if term != "none")])
