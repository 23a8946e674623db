"""Clusters, scores, and the subsets chosen by them."""

from collections.abc import Callable
from dataclasses import dataclass

# Each needs the other: a subset may be chosen by the scores of a run, which trains on a subset.
from steadyflow.stages import cost, runs
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.encoders import embeddings_artifacts
from steadyflow.stages.image_attributes import image_attributes
from steadyflow.stages.stage import Artifact, External, Inputs, Job, Names, Stage
from steadyflow.stages.tokenizers import latents_artifacts
from steadyflow.study import Study


def _clustered(study: Study, names: Names) -> Inputs:
    encoder = str(study.clusterings[names["clustering"]].encoder)
    return {
        **dataset_artifacts(names["dataset"], "manifest"),
        **embeddings_artifacts(names["dataset"], encoder),
    }


CLUSTER_EMBEDDINGS = Stage(
    name="cluster_embeddings",
    place="{dataset}/clusters/{clustering}",
    outputs={"clusters": "{dataset}/clusters/{clustering}.parquet", "sidecar": "{dataset}/clusters/{clustering}.json"},
    inputs=_clustered,
    identity=lambda study, names: study.clusterings[names["clustering"]].identity(),
    cost=cost.cluster_embeddings,
    on_device=True,
)


def _clustering(study: Study, clustering: str) -> Job:
    return CLUSTER_EMBEDDINGS.job({"dataset": str(study.clusterings[clustering].dataset), "clustering": clustering})


def clusters_artifacts(study: Study, clustering: str) -> dict[str, Artifact]:
    """`clusters` of the training images, and their `sidecar`."""
    return _clustering(study, clustering).artifacts()


# Beside the clustering, not in it: more numbers to compare change no subset, and a subset need not wait for them.
COMPARE_CLUSTER_NUMBERS = Stage(
    name="compare_cluster_numbers",
    place="{dataset}/clusters/by_k/{clustering}",
    outputs={"numbers": "{dataset}/clusters/by_k/{clustering}.json"},
    inputs=lambda study, names: {
        **_clustered(study, names),
        "clustering": _clustering(study, names["clustering"])["sidecar"],
    },
    identity=lambda study, names: study.clusterings[names["clustering"]].model_dump(mode="json"),
    cost=cost.compare_cluster_numbers,
    on_device=True,
)


def cluster_numbers_artifact(study: Study, clustering: str) -> Artifact:
    """Inertia and silhouette with other numbers of clusters."""
    names = {"dataset": str(study.clusterings[clustering].dataset), "clustering": clustering}
    return COMPARE_CLUSTER_NUMBERS.job(names)["numbers"]


SCORE_SAMPLES = Stage(
    name="score_samples",
    place="{dataset}/scores/{run}",
    outputs={"scores": "{dataset}/scores/{run}.parquet", "sidecar": "{dataset}/scores/{run}.json"},
    inputs=lambda study, names: {
        **runs.run_artifacts(study, names["run"], "weights", "description"),
        **latents_artifacts(names["dataset"], str(study.runs[names["run"]].tokenizer)),
        **dataset_artifacts(names["dataset"], "manifest"),
    },
    identity=lambda study, names: study.scorings[names["run"]].identity(),
    cost=cost.score_samples,
    checkpoint="npy",
    on_device=True,
)


def _scores(study: Study, scoring: str) -> Job:
    return SCORE_SAMPLES.job({"dataset": str(study.runs[scoring].dataset), "run": scoring})


def scores_artifact(study: Study, scoring: str) -> Artifact:
    return _scores(study, scoring)["scores"]


@dataclass(frozen=True)
class Described:
    """An artifact, and the JSON beside it that says what it was made from."""

    data: Artifact
    sidecar: Artifact


def _latents(dataset: str, tokenizer: str) -> Described:
    return Described(*latents_artifacts(dataset, tokenizer, "latents", "scale").values())


def _embeddings(dataset: str, encoder: str) -> Described:
    return Described(*embeddings_artifacts(dataset, encoder).values())


def _of_job(job: Job, data: str, sidecar: str) -> Described:
    return Described(job[data], job[sidecar])


# Section of the study -> what a criterion reads of an entry that its subset refers to, and what it is to the criterion.
_READS: dict[str, tuple[str, Callable[[Study, str, str], Described]]] = {
    "clusterings": ("clusters", lambda study, _, name: _of_job(_clustering(study, name), "clusters", "sidecar")),
    "scorings": ("scores", lambda study, _, name: _of_job(_scores(study, name), "scores", "sidecar")),
    "tokenizers": ("latents", lambda _, dataset, name: _latents(dataset, name)),
    "encoders": ("embeddings", lambda _, dataset, name: _embeddings(dataset, name)),
    "subsets": ("subset {}", lambda study, _, name: _of_job(_selection(study, name), "subset", "rule")),
}


def chosen_by(study: Study, subset: str) -> dict[str, Described]:
    """What the criterion of a subset reads, by what it is to it: "clusters", "latents", "subset NAME", ..."""
    spec = study.subsets[subset]
    dataset = str(spec.dataset)
    found = {
        _READS[reference.section][0].format(name): _READS[reference.section][1](study, dataset, name)
        for reference in spec.references()
        if reference.section in _READS
        for name in reference.names
    }
    if spec.compares_in_clustered_space:
        clustered = found["clusters"].data.job.names["clustering"]
        found["embeddings"] = _embeddings(dataset, str(study.clusterings[clustered].encoder))
    if (classifier := getattr(spec, "classifier", None)) is not None:
        found["attributes"] = Described(*image_attributes(dataset, classifier).values())
    return found


def _read_by_criterion(study: Study, names: Names) -> Inputs:
    spec = study.subsets[names["subset"]]
    inputs: dict[str, Artifact | External] = {**dataset_artifacts(names["dataset"], "manifest", "info")}
    for kind, files in chosen_by(study, names["subset"]).items():
        inputs |= {kind: files.data, f"{kind} sidecar": files.sidecar}
    if spec.listed_in is not None:
        inputs["listed"] = External(spec.listed_in)
    return inputs


SELECT_SUBSET = Stage(
    name="select_subset",
    place="{dataset}/subsets/{subset}",
    outputs={
        "subset": "{dataset}/subsets/{subset}.parquet",
        "rule": "{dataset}/subsets/{subset}.json",
        "kept": "{dataset}/subsets/{subset}.txt",
    },
    inputs=_read_by_criterion,
    identity=lambda study, names: study.subsets[names["subset"]].identity(),
    cost=cost.select_subset,
)


def _selection(study: Study, subset: str) -> Job:
    return SELECT_SUBSET.job({"dataset": str(study.subsets[subset].dataset), "subset": subset})


def subset_artifact(study: Study, subset: str) -> Artifact:
    """The ids of a subset and how often each is drawn."""
    return _selection(study, subset)["subset"]


def kept_list(study: Study, subset: str) -> Artifact:
    """The keys of the images that a subset keeps, one a line."""
    return _selection(study, subset)["kept"]


# Apart from select_subset: a missing list that only people read must not choose again what runs are trained on.
LIST_DROPPED = Stage(
    name="list_dropped",
    place="{dataset}/subsets/dropped/{subset}",
    outputs={"dropped": "{dataset}/subsets/dropped/{subset}.txt"},
    inputs=lambda study, names: {
        **dataset_artifacts(names["dataset"], "manifest"),
        "subset": SELECT_SUBSET.job(names)["subset"],
    },
)


def _dropped(study: Study, subset: str) -> Job:
    return LIST_DROPPED.job({"dataset": str(study.subsets[subset].dataset), "subset": subset})


def dropped_list(study: Study, subset: str) -> Artifact:
    """The keys of the training images that a subset leaves out."""
    return _dropped(study, subset)["dropped"]


# Apart from select_subset: a new subset is compared with the others, and chooses none of them again.
COMPARE_SUBSETS = Stage(
    name="compare_subsets",
    place="{dataset}/subsets",
    outputs={"overlaps": "{dataset}/subsets.json"},
    inputs=lambda study, names: {
        "subsets": tuple(_selection(study, name)["subset"] for name in study.subsets_of(names["dataset"])),
        "rules": tuple(_selection(study, name)["rule"] for name in study.subsets_of(names["dataset"])),
    },
)


def overlaps_artifact(dataset: str) -> Artifact:
    """How much each two of a dataset's subsets have in common."""
    return COMPARE_SUBSETS.job({"dataset": dataset})["overlaps"]


def _page_inputs(study: Study, names: Names) -> Inputs:
    chosen = [files.data for name in study.subsets for files in chosen_by(study, name).values()]
    return {
        "datasets": tuple(a for name in study.pruned_datasets for a in dataset_artifacts(name).values()),
        "subsets": tuple(subset_artifact(study, name) for name in study.subsets),
        "chosen_by": tuple(dict.fromkeys(chosen)),
        "overlaps": tuple(map(overlaps_artifact, study.pruned_datasets)),
    }


WRITE_PRUNE_PAGE = Stage(
    name="write_prune_page",
    place="reports/prune/{study}",
    outputs={"page": "reports/prune/{study}.html"},
    inputs=_page_inputs,
    identity=lambda study, names: {name: [subset.label, subset.identity()] for name, subset in study.subsets.items()},
    checks_all_upstream=True,
)


def prune_jobs(study: Study) -> list[Job]:
    """All that the target `prune` makes."""
    jobs = [_selection(study, name) for name in study.subsets]
    jobs += [_dropped(study, name) for name in study.subsets]
    jobs += [COMPARE_SUBSETS.job({"dataset": dataset}) for dataset in study.pruned_datasets]
    return [*jobs, WRITE_PRUNE_PAGE.job({"study": study.name})] if study.subsets else []
