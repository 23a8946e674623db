"""Encoders: the probe, which is trained here, and pretrained ones, whose weights are in resources/weights.lock."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, PositiveFloat, PositiveInt

from steadyflow.ground.constants import FEATURE_DIMS, VGG16_WEIGHTS
from steadyflow.study.specs.fields import Name, Refers, Seed, Spec


class ProbeEncoder(Spec):
    """A small classifier trained on the dataset's own label and attributes; its features and its heads are used."""

    weights: ClassVar[tuple[str, ...]] = ()
    """Its files in resources/weights.lock."""
    options: ClassVar[dict[str, str]] = {}
    """Settings of the preprocessing."""

    kind: Literal["probe"] = "probe"
    dataset: Annotated[Name | None, Refers("datasets")] = None
    width: Annotated[int, Field(gt=0, multiple_of=8)] = 32
    feature_dim: PositiveInt = 64
    steps: PositiveInt = 1000
    batch_size: PositiveInt = 64
    learning_rate: PositiveFloat = 1e-3
    ema_decay: Annotated[float, Field(ge=0, lt=1)] = 0.99
    seed: Seed = 0


class _Pretrained(Spec):
    @property
    def options(self) -> dict[str, str]:
        return self.model_dump(mode="json", exclude={"kind"})


class InceptionEncoder(_Pretrained):
    """Inception-v3 of 2015: the features of FID."""

    weights: ClassVar[tuple[str, ...]] = ("weights-inception-2015-12-05-6726825d.pth",)
    feature_dim: ClassVar[int] = FEATURE_DIMS["inception"]

    kind: Literal["inception"]
    resize: Literal["clean", "paper"] = "clean"
    """Resizing as in clean-fid, or as in torch-fidelity, which the papers used."""


class ClipEncoder(_Pretrained):
    """OpenAI's CLIP ViT-B/32."""

    weights: ClassVar[tuple[str, ...]] = ("ViT-B-32.pt",)
    feature_dim: ClassVar[int] = FEATURE_DIMS["clip"]

    kind: Literal["clip"]


class DinoEncoder(_Pretrained):
    """DINOv2."""

    kind: Literal["dinov2"]
    model: Literal["vitb14", "vitl14"] = "vitl14"
    resize: Literal["antialias", "paper"] = "antialias"
    """Bicubic resizing to 224 pixels with antialiasing, or without, as in the papers."""

    @property
    def weights(self) -> tuple[str, ...]:
        return (f"dinov2_{self.model}_pretrain.pth",)

    @property
    def feature_dim(self) -> int:
        return FEATURE_DIMS[self.model]


class ArcFaceEncoder(_Pretrained):
    """InsightFace's ArcFace, for faces. Its weights are for non-commercial research only."""

    feature_dim: ClassVar[int] = FEATURE_DIMS["arcface"]

    kind: Literal["arcface"]
    alignment: Literal["five_points", "whole_frame"] = "five_points"
    """Alignment of the detected face (an image without one has no features), or the whole image."""

    @property
    def weights(self) -> tuple[str, ...]:
        return ("glintr100.onnx", "scrfd_10g_bnkps.onnx")[: 2 if self.alignment == "five_points" else 1]


class Vgg16Encoder(_Pretrained):
    """VGG16 on ImageNet: the features of the papers' precision and recall."""

    weights: ClassVar[tuple[str, ...]] = (VGG16_WEIGHTS,)
    feature_dim: ClassVar[int] = FEATURE_DIMS["vgg16"]

    kind: Literal["vgg16"]


def _probe_by_default(value: Any) -> Any:
    return {"kind": "probe", **value} if isinstance(value, dict) else value


_AnyEncoder = Annotated[
    ProbeEncoder | InceptionEncoder | ClipEncoder | DinoEncoder | ArcFaceEncoder | Vgg16Encoder,
    Field(discriminator="kind"),
]
Encoder = Annotated[_AnyEncoder, BeforeValidator(_probe_by_default, json_schema_input_type=_AnyEncoder)]
"""An encoder, whose kind is `probe` by default."""
