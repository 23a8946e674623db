"""Datasets: images from their source, at the study's resolution."""

from pathlib import Path

from steadyflow.data.listing import source_listing
from steadyflow.ground.artifacts import read_json
from steadyflow.stages import cost
from steadyflow.stages.stage import Artifact, External, Inputs, Names, Stage
from steadyflow.study import Study


def downloaded_files(study: Study, dataset: str) -> str:
    """files.json, the list of a dataset's downloaded files, in the folder that holds them."""
    return f"{study.downloads}/datasets/{dataset}/files.json"


def outdated_downloads(study: Study) -> list[str]:
    """The lists of downloaded files that are of another repository, commit or pattern than the study names now."""
    lists = {downloaded_files(study, name): spec for name, spec in study.datasets.items() if spec.downloaded}
    there = {file: spec for file, spec in lists.items() if Path(file).is_file()}
    return [file for file, spec in there.items() if read_json(file).get("origin", spec.origin) != spec.origin]


def _source(study: Study, names: Names) -> Inputs:
    spec = study.datasets[names["dataset"]]
    if spec.downloaded:
        return {"source": External(downloaded_files(study, names["dataset"]))}
    files = spec.files
    if not files:
        return {}
    # The listing is of all of them together.
    arguments = spec.model_dump(mode="json")
    first = External(files[0], listing=lambda detail: source_listing(spec.source, arguments, detail))
    return {"source": (first, *(External(file, listing=lambda detail: "0") for file in files[1:]))}


PREPARE_DATASET = Stage(
    name="prepare_dataset",
    place="{dataset}/dataset",
    outputs={"manifest": "{dataset}/manifest.parquet", "info": "{dataset}/dataset.json", "images": "{dataset}/images/"},
    inputs=_source,
    identity=lambda study, names: study.datasets[names["dataset"]].identity(),
    cost=cost.prepare_dataset,
)


def dataset_artifacts(dataset: str, *outputs: str) -> dict[str, Artifact]:
    """`manifest`, `info` and `images`, or those named."""
    return PREPARE_DATASET.job({"dataset": dataset}).artifacts(*outputs)
