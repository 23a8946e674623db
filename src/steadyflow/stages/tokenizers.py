"""Tokenizers, and the latents that they make of a dataset."""

from steadyflow.ground.constants import VGG16_WEIGHTS
from steadyflow.stages import cost
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.stage import Artifact, External, Inputs, Stage
from steadyflow.stages.weights import weights_file
from steadyflow.study import Study


def lpips_input(study: Study, *, needed: bool) -> Inputs:
    """The VGG16 that LPIPS sees with, where it is needed; it is downloaded as it is planned."""
    return {"vgg16": External(weights_file(study, VGG16_WEIGHTS))} if needed else {}


TRAIN_TOKENIZER = Stage(
    name="train_tokenizer",
    place="{dataset}/tokenizers/{tokenizer}",
    outputs={
        "weights": "{dataset}/tokenizers/{tokenizer}/weights.safetensors",
        "config": "{dataset}/tokenizers/{tokenizer}/config.json",
        "curve": "{dataset}/tokenizers/{tokenizer}/curve.parquet",
    },
    inputs=lambda study, names: {
        **dataset_artifacts(names["dataset"]),
        **lpips_input(study, needed=study.tokenizers[names["tokenizer"]].perceptual != "none"),
    },
    identity=lambda study, names: study.tokenizers[names["tokenizer"]].identity(),
    cost=cost.train_tokenizer,
    checkpoint="pt",
    on_device=True,
)


def tokenizer_artifacts(study: Study, tokenizer: str, *outputs: str) -> dict[str, Artifact]:
    """`weights`, `config` and `curve`, or those named."""
    names = {"dataset": str(study.tokenizers[tokenizer].dataset), "tokenizer": tokenizer}
    return TRAIN_TOKENIZER.job(names).artifacts(*outputs)


ENCODE_LATENTS = Stage(
    name="encode_latents",
    place="{dataset}/latents/{tokenizer}",
    outputs={"latents": "{dataset}/latents/{tokenizer}.npy", "scale": "{dataset}/latents/{tokenizer}.json"},
    inputs=lambda study, names: {
        **dataset_artifacts(names["dataset"]),
        **tokenizer_artifacts(study, names["tokenizer"], "weights", "config"),
    },
    cost=cost.encode_latents,
    checkpoint="npy",
    on_device=True,
)


def latents_artifacts(dataset: str, tokenizer: str, *outputs: str) -> dict[str, Artifact]:
    """`latents` and `scale`, or those named."""
    return ENCODE_LATENTS.job({"dataset": dataset, "tokenizer": tokenizer}).artifacts(*outputs)
