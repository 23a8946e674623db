"""What tables and figures read from the results: which files, and how a value is loaded from them.

Of the stages' modules, this one alone knows where results lie. pandas and the like are imported where a value is
loaded, since every Snakemake job imports this.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steadyflow.artifacts import UserError, read_json
from steadyflow.report.modes import Modes
from steadyflow.stages import evaluated, shown
from steadyflow.study import Study, paths
from steadyflow.study.arms import arms

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from steadyflow.report.claims import Claim, Finding
    from steadyflow.report.images import Images
    from steadyflow.report.paper import PaperValue

RESOURCES = Path(__file__).parents[3] / "resources"
COLUMNS = 12  # images in a row of a figure

Of = Callable[[Study, str], Any]
"""Of the evaluation of a study's dataset."""


def _no_files(study: Study, dataset: str) -> list[str]:
    return []


@dataclass(frozen=True)
class Reading:
    """load: (study, dataset) -> the value that an exhibit is given
    files: (study, dataset) -> the results it is loaded from
    resources: what it is loaded from in the repository, below RESOURCES; there the content counts, not the place
    """

    load: Of
    files: Callable[[Study, str], list[str]] = _no_files
    resources: tuple[str, ...] = ()


def metrics(kind: str) -> Reading:
    def files(study: Study, dataset: str) -> list[str]:
        return paths.metrics_files(study, dataset, kind)

    def load(study: Study, dataset: str) -> "pd.DataFrame":
        from steadyflow.evaluate.metrics import read_metrics

        return read_metrics(files(study, dataset))

    return Reading(load, files)


QUALITY, SIMILARITY, FAIRNESS = map(metrics, ("quality", "similarity", "fairness"))


def judged_files(study: Study, dataset: str) -> list[str]:
    fairness = FAIRNESS.files(study, dataset) if study.evaluations[dataset].classifiers else []
    return [*QUALITY.files(study, dataset), *SIMILARITY.files(study, dataset), *fairness]


def findings(study: Study, dataset: str) -> "list[tuple[Claim, Finding]]":
    """Every claim of the papers, and what the study's own metrics say to it."""
    import pandas as pd

    from steadyflow.report.claims import Evidence, judge, read_claims

    spec = study.evaluations[dataset]
    evidence = Evidence(
        quality=QUALITY.load(study, dataset),
        similarity=SIMILARITY.load(study, dataset),
        fairness=FAIRNESS.load(study, dataset) if spec.classifiers else pd.DataFrame(),
        arms=arms(study, dataset),
        inverse_pairs=spec.inverse_pairs,
        encoder=evaluated.encoders(study, dataset)[0],
        similarity_encoder=evaluated.similarity_encoders(study, dataset)[0],
        labels=evaluated.labels(study, dataset),
        conditional=study.runs[str(spec.reference)].conditional,
    )
    return judge(read_claims(RESOURCES / "paper" / "claims.csv"), evidence)


def paper(study: Study, dataset: str) -> "list[PaperValue]":
    from steadyflow.report.paper import read_paper_values

    return read_paper_values(RESOURCES / "paper" / "scalars.csv")


def run_descriptions(study: Study, dataset: str) -> list[str]:
    info = paths.dataset_files(study, dataset)["info"]
    return [*(paths.run_files(study, run)["description"] for run in evaluated.runs(study, dataset)), info]


def training_sets(study: Study, dataset: str) -> "pd.DataFrame":
    """run, criterion, pruning_fraction (NaN of a run of another dataset), n_train of every evaluated run."""
    import pandas as pd

    n_all = read_json(paths.dataset_files(study, dataset)["info"])["counts"]["train"]
    facts = []
    for run in evaluated.runs(study, dataset):
        subset, n_train = study.runs[run].subset, read_json(paths.run_files(study, run)["description"])["n_train"]
        criterion = study.subsets[subset].criterion if subset else ""
        fraction = round(1 - n_train / n_all, 3) if study.runs[run].dataset == dataset else float("nan")
        facts.append({"run": run, "criterion": criterion, "pruning_fraction": fraction, "n_train": n_train})
    return pd.DataFrame(facts)


def predicted_files(study: Study, dataset: str) -> list[str]:
    """What says which attributes every classifier predicts, and the dataset's own labels and attributes."""
    classifiers = evaluated.classifiers(study, dataset)
    predicted = [paths.sidecar(paths.attributes_file(study, dataset, name)) for name in classifiers]
    return [*predicted, paths.dataset_files(study, dataset)["info"]]


def predicted_values(study: Study, dataset: str) -> dict[str, dict[str, list[str]]]:
    """Classifier -> attribute -> its values."""
    return {
        name: read_json(paths.sidecar(paths.attributes_file(study, dataset, name)))["values"]
        for name in evaluated.classifiers(study, dataset)
    }


def attributes(study: Study, dataset: str) -> dict[str, list[str]]:
    return {name: list(values) for name, values in predicted_values(study, dataset).items()}


def labelled_attributes(study: Study, dataset: str) -> set[tuple[str, str]]:
    """Those (classifier, attribute) whose values are those of the dataset's own labels."""
    from steadyflow.data.images import read_dataset_info

    info = read_dataset_info(paths.dataset_files(study, dataset)["info"])
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
        f"evaluations.{dataset}.classifiers: none tells '{attribute}', by which the study's subsets divide the images"
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

    files = paths.dataset_files(study, dataset)
    return ImageStore(files["images"]).read(train_ids(read_manifest(files["manifest"]))[: 4 * COLUMNS])


def reconstructions(study: Study, dataset: str) -> "Images":
    import numpy as np

    from steadyflow.artifacts import read_array

    return np.array(read_array(paths.reconstructions_file(study, dataset))[:, :COLUMNS])


def _pictured_runs(study: Study, dataset: str) -> list[str]:
    """The reference stands above every group of perturbations."""
    return list(dict.fromkeys([evaluated.reference(study, dataset), *shown.shown_runs(study, dataset)]))


def _samples_file(study: Study, dataset: str, run: str) -> str:
    return paths.samples_files(study, run, str(study.evaluations[dataset].sampling))["images"]


def samples(study: Study, dataset: str) -> "dict[str, Images]":
    import numpy as np

    from steadyflow.artifacts import read_array

    return {
        run: np.array(read_array(_samples_file(study, dataset, run))[:COLUMNS])
        for run in _pictured_runs(study, dataset)
    }


def curves(column: str, names: Callable[[Study, str], Any], files: Callable[..., Any]) -> Reading:
    """The curves of all of `names` under each other, with the name in `column`."""

    def load(study: Study, dataset: str) -> "pd.DataFrame":
        import pandas as pd

        each = {name: pd.read_parquet(files(study, name)["curve"]) for name in names(study, dataset)}
        return pd.concat([curve.assign(**{column: name}) for name, curve in each.items()])

    return Reading(load, lambda study, dataset: [files(study, name)["curve"] for name in names(study, dataset)])


def _clustering(study: Study, dataset: str) -> str:
    return str(study.clustering_of(dataset))


def clusters_files(study: Study, dataset: str) -> list[str]:
    return list(paths.clusters_files(study, _clustering(study, dataset)).values())


def _clusters(study: Study, dataset: str) -> "pd.DataFrame":
    import pandas as pd

    return pd.read_parquet(paths.clusters_files(study, _clustering(study, dataset))["clusters"])


def cluster_sizes(study: Study, dataset: str) -> "np.ndarray":
    import numpy as np

    k = study.clusterings[_clustering(study, dataset)].k
    return np.bincount(_clusters(study, dataset)["cluster"], minlength=k)


def kept_sizes(study: Study, dataset: str) -> "dict[str, np.ndarray]":
    """Images that each evaluated subset keeps of every cluster."""
    import numpy as np
    import pandas as pd

    clusters, k = _clusters(study, dataset), study.clusterings[_clustering(study, dataset)].k
    kept = {name: pd.read_parquet(_subset_file(study, name))["id"] for name in study.evaluated_subsets(dataset)}
    return {
        name: np.bincount(clusters.loc[clusters["id"].isin(ids), "cluster"], minlength=k) for name, ids in kept.items()
    }


def _subset_file(study: Study, subset: str) -> str:
    return paths.subset_files(study, subset)["subset"]


def by_k(value: Callable[[dict[str, Any]], Any]) -> Reading:
    """Of what the dataset's clustering would be with other numbers of clusters."""

    def file(study: Study, dataset: str) -> str:
        return paths.cluster_numbers_file(study, _clustering(study, dataset))

    return Reading(
        lambda study, dataset: value(read_json(file(study, dataset))), lambda study, dataset: [file(study, dataset)]
    )


def cluster_numbers(found: dict[str, Any]) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(found["numbers"])


def samples_files(study: Study, dataset: str) -> list[str]:
    return [_samples_file(study, dataset, run) for run in _pictured_runs(study, dataset)]


def dataset_files(study: Study, dataset: str) -> list[str]:
    return list(paths.dataset_files(study, dataset).values())


def reconstructions_files(study: Study, dataset: str) -> list[str]:
    return [paths.reconstructions_file(study, dataset)]


def kept_files(study: Study, dataset: str) -> list[str]:
    """The clusters, and every evaluated subset."""
    subsets = [_subset_file(study, name) for name in study.evaluated_subsets(dataset)]
    return [*clusters_files(study, dataset), *subsets]


TOKENIZER_CURVES = curves("tokenizer", evaluated.tokenizers, paths.tokenizer_files)
TRAINING_CURVES = curves("run", Study.trained_runs, paths.run_files)
VALIDATION_CURVES = curves("run", Study.watched_runs, paths.run_files)
