"""What tables and figures read from the results: which files, and how a value is loaded from them.

pandas and the like are imported where a value is
loaded, since every Snakemake job imports this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadyflow.ground.artifacts import UserError, read_json
from steadyflow.report.modes import Modes
from steadyflow.stages import evaluated, shown
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.image_attributes import image_attributes
from steadyflow.stages.metrics import (
    MEASURE_FAIRNESS,
    MEASURE_PATHS,
    MEASURE_SIMILARITY,
    MEASURE_TOKENIZERS,
    loss_artifacts,
    quality_artifacts,
)
from steadyflow.stages.pruning import cluster_numbers_artifact, clusters_artifacts, subset_artifact
from steadyflow.stages.runs import run_artifacts
from steadyflow.stages.samples import samples_artifacts
from steadyflow.stages.stage import Artifact, Stage, file_of
from steadyflow.stages.tokenizers import tokenizer_artifacts
from steadyflow.study import Study

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from steadyflow.report.images import Images
    from steadyflow.report.paper import Printed

RESOURCES = Path(__file__).parents[3] / "resources"
COLUMNS = 12  # images in a row of a figure

Of = Callable[[Study, str], Any]
"""Of the evaluation of a study's dataset."""


def _json(study: Study, artifact: Artifact) -> Any:
    return read_json(file_of(study, artifact))


def _table(study: Study, artifact: Artifact) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_parquet(file_of(study, artifact))


def _array(study: Study, artifact: Artifact) -> "np.ndarray":
    from steadyflow.ground.artifacts import read_array

    return read_array(file_of(study, artifact))


def _no_files(study: Study, dataset: str) -> list[Artifact]:
    return []


@dataclass(frozen=True)
class Reading:
    """load: (study, dataset) -> the value that an exhibit is given
    files: (study, dataset) -> the results it is loaded from
    resources: what it is loaded from in the repository, below RESOURCES; there the content counts, not the place
    """

    load: Of
    files: Callable[[Study, str], list[Artifact]] = _no_files
    resources: tuple[str, ...] = ()


def _loaded(files: Callable[[Study, str], list[Artifact]]) -> Reading:
    """Tables of metrics, read as one."""

    def load(study: Study, dataset: str) -> "pd.DataFrame":
        from steadyflow.evaluate.metrics import metrics_table, read_metrics

        found = [file_of(study, file) for file in files(study, dataset)]
        return read_metrics(found) if found else metrics_table([])

    return Reading(load, files)


def _metrics(stage: Stage, output: str = "metrics") -> Reading:
    return _loaded(lambda study, dataset: [stage.job({"dataset": dataset})[output]])


QUALITY = _loaded(lambda study, dataset: list(quality_artifacts(study, dataset)))
LOSS = _loaded(lambda study, dataset: list(loss_artifacts(study, study.velocity_fields(dataset))))
# Of trainings and null models alone: one more pretrained run draws no curve again.
LOSS_OF_TRAININGS = _loaded(
    lambda study, dataset: list(
        loss_artifacts(study, dict.fromkeys([*study.validated_runs(dataset), *study.null_models(dataset).values()]))
    )
)
SIMILARITY, FAIRNESS = _metrics(MEASURE_SIMILARITY), _metrics(MEASURE_FAIRNESS)
SIMILARITY_HISTOGRAMS = _metrics(MEASURE_SIMILARITY, "histograms")
PATHS, PATH_DISTANCES = _metrics(MEASURE_PATHS), _metrics(MEASURE_PATHS, "distances")
TOKENIZERS = _metrics(MEASURE_TOKENIZERS)


def paper(study: Study, dataset: str) -> "Printed":
    """What the papers print of the dataset that the evaluation reproduces."""
    from steadyflow.report.paper import printed_of, read_paper_values

    values = read_paper_values(RESOURCES / "paper" / "scalars.csv")
    return printed_of(values, study.evaluations[dataset].reproduces or "")


def run_descriptions(study: Study, dataset: str) -> list[Artifact]:
    info = dataset_artifacts(dataset)["info"]
    return [*(run_artifacts(study, run)["description"] for run in evaluated.runs(study, dataset)), info]


def training_sets(study: Study, dataset: str) -> "pd.DataFrame":
    """run, criterion, pruning_fraction (NaN of a run of another dataset), n_train of every evaluated run."""
    import pandas as pd

    n_all = _json(study, dataset_artifacts(dataset)["info"])["counts"]["train"]
    facts = []
    for run in evaluated.runs(study, dataset):
        subset, n_train = (
            study.runs[run].subset,
            _json(study, run_artifacts(study, run)["description"])["n_train"],
        )
        criterion = study.subsets[subset].criterion if subset else ""
        fraction = round(1 - n_train / n_all, 3) if study.runs[run].dataset == dataset else float("nan")
        facts.append({"run": run, "criterion": criterion, "pruning_fraction": fraction, "n_train": n_train})
    return pd.DataFrame(facts)


def predicted_files(study: Study, dataset: str) -> list[Artifact]:
    """What says which attributes every classifier predicts, and the dataset's own labels and attributes."""
    classifiers = evaluated.classifiers(study, dataset)
    predicted = [image_attributes(dataset, name)["sidecar"] for name in classifiers]
    return [*predicted, dataset_artifacts(dataset)["info"]]


def predicted_values(study: Study, dataset: str) -> dict[str, dict[str, list[str]]]:
    """Classifier -> attribute -> its values."""
    return {
        name: _json(study, image_attributes(dataset, name)["sidecar"])["values"]
        for name in evaluated.classifiers(study, dataset)
    }


def attributes(study: Study, dataset: str) -> dict[str, list[str]]:
    return {name: list(values) for name, values in predicted_values(study, dataset).items()}


def labelled_attributes(study: Study, dataset: str) -> set[tuple[str, str]]:
    """Those (classifier, attribute) whose values are those of the dataset's own labels."""
    from steadyflow.data.images import read_dataset_info

    info = read_dataset_info(file_of(study, dataset_artifacts(dataset)["info"]))
    own = {**info.attributes, "label": info.classes}
    return {
        (name, attribute)
        for name, attributes in predicted_values(study, dataset).items()
        for attribute, values in attributes.items()
        if sorted(values) == sorted(own.get(attribute) or [])
    }


def _modes_of(study: Study, dataset: str, attribute: str, labels: dict[str, str]) -> Modes:
    """As the first of the evaluation's classifiers that predicts the attribute sees it."""
    for classifier, values in predicted_values(study, dataset).items():
        if attribute in values:
            return Modes(labels, attribute, values[attribute], classifier)
    raise UserError(
        f"evaluations.{dataset}.classifiers: none predicts '{attribute}', by which subsets of the study are chosen"
    )


def modes(study: Study, dataset: str) -> Modes:
    """Of the attribute of the first run that saw one value alone."""
    modes = study.modes(dataset)
    attribute = next(of_run for of_run, _ in modes.values())
    labels = {run: study.label(run) for run, (of_run, _) in modes.items() if of_run == attribute}
    return _modes_of(study, dataset, attribute, labels)


def mixed_modes(study: Study, dataset: str) -> Modes:
    """Those mixtures, the runs that were balanced by their attribute, and the reference."""
    spec, mixtures = study.evaluations[dataset], evaluated.mixtures(study, dataset)
    attribute, _ = study.modes(dataset)[spec.mixtures[mixtures[0]].runs[0]]
    subsets = {
        run: study.subsets[subset] for run in evaluated.runs(study, dataset) if (subset := study.runs[run].subset)
    }
    balanced = [
        run
        for run, subset in subsets.items()
        if subset.criterion in ("attribute_balanced", "attribute_oversampled") and subset.attribute == attribute
    ]
    labels = {name: study.mixture_label(dataset, name) for name in mixtures}
    labels |= {run: study.label(run) for run in (*balanced, str(spec.reference))}
    return _modes_of(study, dataset, attribute, labels)


def dataset_images(study: Study, dataset: str) -> "Images":
    from steadyflow.data.images import ImageStore, read_manifest, train_ids

    files = {name: file_of(study, each) for name, each in dataset_artifacts(dataset).items()}
    return ImageStore(files["images"]).read(train_ids(read_manifest(files["manifest"]))[: 4 * COLUMNS])


def _reconstructions(dataset: str) -> Artifact:
    return MEASURE_TOKENIZERS.job({"dataset": dataset})["reconstructions"]


def reconstructions(study: Study, dataset: str) -> "Images":
    import numpy as np

    return np.array(_array(study, _reconstructions(dataset))[:, :COLUMNS])


def _pictured_runs(study: Study, dataset: str) -> list[str]:
    """The reference stands above every group of perturbations, and its null model under it."""
    pictured = (run for labels in shown.pictured_groups(study, dataset).values() for run in labels)
    return list(dict.fromkeys([evaluated.reference(study, dataset), *pictured]))


def _samples_file(study: Study, dataset: str, run: str) -> Artifact:
    return samples_artifacts(study, run, str(study.evaluations[dataset].sampling))["images"]


def samples(study: Study, dataset: str) -> "dict[str, Images]":
    import numpy as np

    return {
        run: np.array(_array(study, _samples_file(study, dataset, run))[:COLUMNS])
        for run in _pictured_runs(study, dataset)
    }


def curves(column: str, names: Callable[[Study, str], Any], files: Callable[..., Any]) -> Reading:
    """The curves of all of `names` under each other, with the name in `column`."""

    def load(study: Study, dataset: str) -> "pd.DataFrame":
        import pandas as pd

        each = {name: _table(study, files(study, name)["curve"]) for name in names(study, dataset)}
        return pd.concat([curve.assign(**{column: name}) for name, curve in each.items()])

    return Reading(load, lambda study, dataset: [files(study, name)["curve"] for name in names(study, dataset)])


def _clustering(study: Study, dataset: str) -> str:
    return str(study.clustering_of(dataset))


def clusters_files(study: Study, dataset: str) -> list[Artifact]:
    return list(clusters_artifacts(study, _clustering(study, dataset)).values())


def _clusters(study: Study, dataset: str) -> "pd.DataFrame":

    return _table(study, clusters_artifacts(study, _clustering(study, dataset))["clusters"])


def cluster_sizes(study: Study, dataset: str) -> "np.ndarray":
    import numpy as np

    k = study.clusterings[_clustering(study, dataset)].k
    return np.bincount(_clusters(study, dataset)["cluster"], minlength=k)


def kept_sizes(study: Study, dataset: str) -> "dict[str, np.ndarray]":
    """Images that each evaluated subset keeps of every cluster."""
    import numpy as np

    clusters, k = _clusters(study, dataset), study.clusterings[_clustering(study, dataset)].k
    kept = {name: _table(study, subset_artifact(study, name))["id"] for name in study.evaluated_subsets(dataset)}
    return {
        name: np.bincount(clusters.loc[clusters["id"].isin(ids), "cluster"], minlength=k) for name, ids in kept.items()
    }


def by_k(value: Callable[[dict[str, Any]], Any]) -> Reading:
    """Of what the dataset's clustering would be with other numbers of clusters."""

    def file(study: Study, dataset: str) -> Artifact:
        return cluster_numbers_artifact(study, _clustering(study, dataset))

    return Reading(
        lambda study, dataset: value(_json(study, file(study, dataset))),
        lambda study, dataset: [file(study, dataset)],
    )


def cluster_numbers(found: dict[str, Any]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(found["numbers"])


def samples_files(study: Study, dataset: str) -> list[Artifact]:
    return [_samples_file(study, dataset, run) for run in _pictured_runs(study, dataset)]


def dataset_files(study: Study, dataset: str) -> list[Artifact]:
    return list(dataset_artifacts(dataset).values())


def reconstructions_files(study: Study, dataset: str) -> list[Artifact]:
    return [_reconstructions(dataset)]


def kept_files(study: Study, dataset: str) -> list[Artifact]:
    """The clusters, and every evaluated subset."""
    subsets = [subset_artifact(study, name) for name in study.evaluated_subsets(dataset)]
    return [*clusters_files(study, dataset), *subsets]


TOKENIZER_CURVES = curves("tokenizer", evaluated.tokenizers, tokenizer_artifacts)
TRAINING_CURVES = curves("run", Study.trained_runs, run_artifacts)
