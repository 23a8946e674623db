"""Samples of runs from shared noise, their features, and the paths that lead to them."""

from steadyflow.stages import cost
from steadyflow.stages.encoders import embeddings_artifacts, encoder_files, encoder_protocol
from steadyflow.stages.runs import run_artifacts
from steadyflow.stages.stage import Artifact, Inputs, Names, Stage
from steadyflow.stages.tokenizers import latents_artifacts, tokenizer_artifacts
from steadyflow.study import Study


def _run_and_tokenizer(study: Study, names: Names) -> Inputs:
    run = study.runs[names["run"]]
    tokenizer = tokenizer_artifacts(study, str(run.tokenizer))
    return {
        **run_artifacts(study, names["run"], "weights", "description"),
        **latents_artifacts(names["dataset"], str(run.tokenizer), "scale"),
        "tokenizer_weights": tokenizer["weights"],
        "tokenizer_config": tokenizer["config"],
    }


SAMPLE_RUN = Stage(
    name="sample_run",
    place="{dataset}/samples/{run}/{sampling}",
    outputs={
        "images": "{dataset}/samples/{run}/{sampling}/images.npy",
        "latents": "{dataset}/samples/{run}/{sampling}/latents.npy",
        "description": "{dataset}/samples/{run}/{sampling}/sampling.json",
    },
    inputs=_run_and_tokenizer,
    identity=lambda study, names: study.sampling_identity(names["run"], names["sampling"]),
    cost=cost.sample_run,
    on_device=True,
)


def samples_artifacts(study: Study, run: str, sampling: str, *outputs: str) -> dict[str, Artifact]:
    """`images`, `latents` and `description`, or those named."""
    names = {"dataset": str(study.runs[run].dataset), "run": run, "sampling": sampling}
    return SAMPLE_RUN.job(names).artifacts(*outputs)


def _samples_and_encoder(study: Study, names: Names) -> Inputs:
    images = samples_artifacts(study, names["run"], names["sampling"], "images")
    return {**images, "encoder": encoder_files(study, names["encoder"])}


EMBED_SAMPLES = Stage(
    name="embed_samples",
    place="{dataset}/features/{encoder}/{run}/{sampling}",
    outputs={
        "features": "{dataset}/features/{encoder}/{run}/{sampling}.npy",
        "sidecar": "{dataset}/features/{encoder}/{run}/{sampling}.json",
    },
    inputs=_samples_and_encoder,
    identity=lambda study, names: encoder_protocol(study, names["encoder"]),
    cost=cost.embed_samples,
    checkpoint="npy",
    on_device=True,
)


def features_artifact(study: Study, encoder: str, run: str, sampling: str) -> Artifact:
    """Of a run's samples."""
    names = {"dataset": str(study.runs[run].dataset), "encoder": encoder, "run": run, "sampling": sampling}
    return EMBED_SAMPLES.job(names)["features"]


def compared_features(study: Study, dataset: str, encoders: tuple[str, ...], sampled: list[tuple[str, str]]) -> Inputs:
    """What encoders make of some samples, each a (run, sampling), and of the dataset's own images."""
    embedded = [embeddings_artifacts(dataset, encoder) for encoder in encoders]
    return {
        "features": tuple(features_artifact(study, encoder, *each) for encoder in encoders for each in sampled),
        "embeddings": tuple(each["embeddings"] for each in embedded),
        "embeddings_sidecars": tuple(each["embeddings_sidecar"] for each in embedded),
    }


# Beside the sampling, not in it: more paths sample nothing again.
TRACE_PATHS = Stage(
    name="trace_paths",
    place="{dataset}/paths/{run}/{sampling}",
    outputs={
        "paths": "{dataset}/samples/{run}/{sampling}/paths.npy",
        "description": "{dataset}/samples/{run}/{sampling}/paths.json",
    },
    inputs=lambda study, names: run_artifacts(study, names["run"], "weights", "description"),
    identity=lambda study, names: [
        study.trajectory_identity(names["run"], names["sampling"]),
        study.traced_noises(names["run"], names["sampling"]),
    ],
    cost=cost.trace_paths,
    on_device=True,
)


def trace_artifacts(study: Study, run: str, sampling: str) -> dict[str, Artifact]:
    """`paths` of the first noises of a sampling, and their `description`."""
    names = {"dataset": str(study.runs[run].dataset), "run": run, "sampling": sampling}
    return TRACE_PATHS.job(names).artifacts()
