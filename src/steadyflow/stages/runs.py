"""Runs: one training each, or weights from a file."""

# Each needs the other: a run trains on a subset, which may be chosen by the scores of another run.
from steadyflow.stages import cost, pruning
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.stage import Artifact, External, Inputs, Names, Stage
from steadyflow.stages.tokenizers import latents_artifacts
from steadyflow.study import Study


def _data(study: Study, names: Names) -> Inputs:
    spec, dataset = study.runs[names["run"]], names["dataset"]
    inputs: dict[str, Artifact | External] = {
        **latents_artifacts(dataset, str(spec.tokenizer)),
        **dataset_artifacts(dataset, "manifest", "info"),
    }
    if spec.subset is not None:
        inputs["subset"] = pruning.subset_artifact(study, spec.subset)
    if spec.weights is not None:
        inputs["weights"] = External(spec.weights)
    return inputs


TRAIN_RUN = Stage(
    name="train_run",
    place="{dataset}/runs/{run}",
    outputs={
        "weights": "{dataset}/runs/{run}/weights.safetensors",
        "description": "{dataset}/runs/{run}/run.json",
        "curve": "{dataset}/runs/{run}/curve.parquet",
    },
    inputs=_data,
    identity=lambda study, names: study.runs[names["run"]].identity(),
    cost=cost.train_run,
    checkpoint="pt",
    on_device=True,
)


def run_artifacts(study: Study, run: str, *outputs: str) -> dict[str, Artifact]:
    """`weights`, `description` and `curve`, or those named."""
    return TRAIN_RUN.job({"dataset": str(study.runs[run].dataset), "run": run}).artifacts(*outputs)
