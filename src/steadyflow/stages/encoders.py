"""Encoders, and what they make of a dataset's images."""

from steadyflow.stages import cost
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.stage import Artifact, Input, Stage
from steadyflow.stages.weights import pretrained
from steadyflow.study import Study

TRAIN_PROBE = Stage(
    name="train_probe",
    place="{dataset}/encoders/{encoder}",
    outputs={
        "weights": "{dataset}/encoders/{encoder}/weights.safetensors",
        "config": "{dataset}/encoders/{encoder}/config.json",
        "curve": "{dataset}/encoders/{encoder}/curve.parquet",
    },
    inputs=lambda study, names: dataset_artifacts(names["dataset"]),
    identity=lambda study, names: study.encoders[names["encoder"]].identity(),
    cost=cost.train_probe,
    checkpoint="pt",
    on_device=True,
)


def probe_artifacts(study: Study, encoder: str) -> tuple[Artifact, ...]:
    """The weights and the configuration of a probe."""
    job = TRAIN_PROBE.job({"dataset": str(study.probes[encoder].dataset), "encoder": encoder})
    return job["weights"], job["config"]


def encoder_files(study: Study, encoder: str) -> tuple[Input, ...]:
    """All that an encoder of any kind is opened from."""
    return pretrained(study, *study.encoders[encoder].weights) or probe_artifacts(study, encoder)


def encoder_protocol(study: Study, encoder: str) -> list[object]:
    """What its features depend on, beside the images and its files."""
    spec = study.encoders[encoder]
    return [spec.kind, spec.options]


EMBED_IMAGES = Stage(
    name="embed_images",
    place="{dataset}/embeddings/{encoder}",
    outputs={"features": "{dataset}/embeddings/{encoder}.npy", "sidecar": "{dataset}/embeddings/{encoder}.json"},
    inputs=lambda study, names: {
        **dataset_artifacts(names["dataset"]),
        "encoder": encoder_files(study, names["encoder"]),
    },
    identity=lambda study, names: encoder_protocol(study, names["encoder"]),
    cost=cost.embed_images,
    checkpoint="npy",
    on_device=True,
)


def embeddings_artifacts(dataset: str, encoder: str) -> dict[str, Artifact]:
    """`embeddings` of a dataset's images, and `embeddings_sidecar`."""
    job = EMBED_IMAGES.job({"dataset": dataset, "encoder": encoder})
    return {"embeddings": job["features"], "embeddings_sidecar": job["sidecar"]}
