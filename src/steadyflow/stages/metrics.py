"""Metrics of samples, of pairs of runs and of tokenizers."""

from collections.abc import Iterable

from steadyflow.design.pairs import pairs_of_repeats
from steadyflow.ground.artifacts import UserError
from steadyflow.stages import cost
from steadyflow.stages.attributes import sample_attributes
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.encoders import embeddings_artifacts, encoder_files, encoder_protocol
from steadyflow.stages.image_attributes import image_attributes
from steadyflow.stages.pruning import subset_artifact
from steadyflow.stages.runs import run_artifacts
from steadyflow.stages.samples import compared_features, samples_artifacts, trace_artifacts
from steadyflow.stages.stage import Artifact, Inputs, Names, Stage
from steadyflow.stages.tokenizers import latents_artifacts, lpips_input, tokenizer_artifacts
from steadyflow.study import Study
from steadyflow.study.specs.pruning import AttributeValueSubset

# Once for each encoder, not in every run's job: in 2048 dimensions that takes longer than the rest.
PREPARE_REFERENCE = Stage(
    name="prepare_reference",
    place="{dataset}/references/{encoder}",
    outputs={"reference": "{dataset}/references/{encoder}.safetensors"},
    inputs=lambda study, names: {
        **dataset_artifacts(names["dataset"], "manifest"),
        **embeddings_artifacts(names["dataset"], names["encoder"]),
    },
    cost=cost.prepare_reference,
    version=2,
)


def reference_artifact(dataset: str, encoder: str) -> Artifact:
    """Statistics of the validation images in an encoder's features, and of the training images."""
    return PREPARE_REFERENCE.job({"dataset": dataset, "encoder": encoder})["reference"]


def _quality_inputs(study: Study, names: Names) -> Inputs:
    dataset, spec = names["dataset"], study.evaluations[names["dataset"]]
    runs = study.measured_quality(dataset)[names["measured"]]
    # Memorisation of a run of another dataset is not measured.
    subsets = dict.fromkeys(study.runs[run].subset for run in runs if study.runs[run].dataset == dataset)
    return {
        **compared_features(study, dataset, spec.encoders or (), [(run, str(spec.sampling)) for run in runs]),
        "references": tuple(reference_artifact(dataset, encoder) for encoder in spec.encoders or ()),
        "subsets": tuple(subset_artifact(study, name) for name in subsets if name is not None),
        **dataset_artifacts(dataset, "manifest", "info"),
    }


def held_out_of(study: Study, run: str) -> dict[str, str] | None:
    """The held-out images of the population that a run was trained on: attribute -> the only value that they have, {}
    for all of them, None where its subset is of no population that held-out images are known to be of."""
    subset = study.subsets.get(str(study.runs[run].subset))
    if subset is None or subset.keeps_population:
        return {}
    return {subset.attribute: subset.value} if isinstance(subset, AttributeValueSubset) else None


def _quality_identity(study: Study, names: Names) -> list[object]:
    """What defines it; other runs do not."""
    spec, runs = study.evaluations[names["dataset"]], study.measured_quality(names["dataset"])[names["measured"]]
    sampled = {run: study.sampling_identity(run, str(spec.sampling)) for run in runs}
    populations = [held_out_of(study, run) for run in runs]
    return [spec.model_dump(mode="json", include={"encoders", "seed"}), sampled, populations]


# A job for each run: one more run measures none of the others again, and a kill loses one.
MEASURE_QUALITY = Stage(
    name="measure_quality",
    place="{dataset}/metrics/quality/{measured}",
    outputs={"metrics": "{dataset}/metrics/quality/{measured}.parquet"},
    inputs=_quality_inputs,
    identity=_quality_identity,
    cost=cost.measure_quality,
    version=2,
)


def quality_artifacts(study: Study, dataset: str) -> tuple[Artifact, ...]:
    """Of every run, mixture and null model."""
    jobs = (MEASURE_QUALITY.job({"dataset": dataset, "measured": name}) for name in study.measured_quality(dataset))
    return tuple(job["metrics"] for job in jobs)


def _loss_inputs(study: Study, names: Names) -> Inputs:
    return {
        **run_artifacts(study, names["run"], "weights", "description"),
        **latents_artifacts(names["dataset"], str(study.runs[names["run"]].tokenizer)),
        **dataset_artifacts(names["dataset"], "manifest", "info"),
    }


MEASURE_LOSS = Stage(
    name="measure_loss",
    place="{dataset}/metrics/loss/{run}",
    outputs={"metrics": "{dataset}/metrics/loss/{run}.parquet"},
    inputs=_loss_inputs,
    cost=cost.measure_loss,
    on_device=True,
)


def loss_artifacts(study: Study, runs: Iterable[str]) -> tuple[Artifact, ...]:
    """Of some velocity fields."""
    jobs = (MEASURE_LOSS.job({"dataset": str(study.runs[run].dataset), "run": run}) for run in runs)
    return tuple(job["metrics"] for job in jobs)


def _reference_attributes(study: Study, dataset: str) -> tuple[Artifact, ...]:
    """Attributes of the reference's samples, each with its sidecar."""
    spec = study.evaluations[dataset]
    if spec.reference is None:
        return ()
    predicted = (sample_attributes(study, name, spec.reference, str(spec.sampling)) for name in spec.classifiers or ())
    return tuple(artifact for of_classifier in predicted for artifact in of_classifier.values())


def _similarity_inputs(study: Study, names: Names) -> Inputs:
    dataset, spec = names["dataset"], study.evaluations[names["dataset"]]
    sampled = study.evaluated_samples(dataset)
    samples = [samples_artifacts(study, *each, "latents", "description") for each in sampled]
    return {
        **compared_features(study, dataset, spec.similarity_encoders or (), sampled),
        "attributes": _reference_attributes(study, dataset),
        "latents": tuple(each["latents"] for each in samples),
        "samplings": tuple(each["description"] for each in samples),
        "subsets": tuple(subset_artifact(study, name) for name in study.evaluated_subsets(dataset)),
        "runs": tuple(run_artifacts(study, run)["description"] for run in dict.fromkeys(run for run, _ in sampled)),
        **dataset_artifacts(dataset, "manifest", "info"),
    }


def _similarity_identity(study: Study, names: Names) -> list[object]:
    """What pairs are compared, in what, and by which classifier's classes."""
    dataset, spec = names["dataset"], study.evaluations[names["dataset"]]
    fields = {"reference", "runs", "inverse_pairs", "similarity_encoders", "sampling", "ceiling", "classifiers"}
    sampled = {" ".join(each): study.sampling_identity(*each) for each in study.evaluated_samples(dataset)}
    compared = spec.model_dump(mode="json", include=fields)
    identity: list[object] = [compared, study.modes(dataset), sampled, study.null_models(dataset)]
    of_repeats = pairs_of_repeats(study, dataset)
    return [*identity, of_repeats] if of_repeats else identity


MEASURE_SIMILARITY = Stage(
    name="measure_similarity",
    place="{dataset}/metrics/similarity",
    outputs={
        "metrics": "{dataset}/metrics/similarity.parquet",
        "histograms": "{dataset}/metrics/similarity_histograms.parquet",
    },
    inputs=_similarity_inputs,
    identity=_similarity_identity,
    cost=cost.measure,
    version=2,
)


def _path_inputs(study: Study, names: Names) -> Inputs:
    sampling = str(study.evaluations[names["dataset"]].sampling)
    traced = [trace_artifacts(study, run, sampling) for run in study.traced_runs(names["dataset"])]
    return {
        "paths": tuple(each["paths"] for each in traced),
        "descriptions": tuple(each["description"] for each in traced),
        **dataset_artifacts(names["dataset"], "info"),
    }


def _path_identity(study: Study, names: Names) -> list[object]:
    """The comparison of paths: an edit of it leaves samples and other metrics as they are."""
    dataset, spec = names["dataset"], study.evaluations[names["dataset"]]
    traced = {run: study.trajectory_identity(run, str(spec.sampling)) for run in study.traced_runs(dataset)}
    return [spec.paths, study.trajectory_pairs(dataset), traced]


MEASURE_PATHS = Stage(
    name="measure_paths",
    place="{dataset}/metrics/paths",
    outputs={
        "metrics": "{dataset}/metrics/paths.parquet",
        "distances": "{dataset}/metrics/path_distances.parquet",
    },
    inputs=_path_inputs,
    identity=_path_identity,
    cost=cost.measure,
    version=2,
)


def _fairness_inputs(study: Study, names: Names) -> Inputs:
    dataset, spec = names["dataset"], study.evaluations[names["dataset"]]
    if not spec.classifiers:
        raise UserError(f"evaluations.{dataset}.classifiers: there are none, so nothing predicts attributes")
    predicted = [image_attributes(dataset, name) for name in spec.classifiers]
    for name in spec.classifiers:
        predicted += [sample_attributes(study, name, run, str(spec.sampling)) for run in spec.runs or ()]
    return {
        "attributes": tuple(artifact for each in predicted for artifact in each.values()),
        **dataset_artifacts(dataset, "manifest", "info"),
    }


def _fairness_identity(study: Study, names: Names) -> list[object]:
    """What fairness is measured of: neither an encoder nor a reference enters it."""
    spec = study.evaluations[names["dataset"]]
    return [
        spec.model_dump(mode="json", include={"classifiers", "runs", "sampling", "seed"}),
        {name: mixture.runs for name, mixture in spec.mixtures.items()},
        {run: study.sampling_identity(run, str(spec.sampling)) for run in spec.runs or ()},
    ]


MEASURE_FAIRNESS = Stage(
    name="measure_fairness",
    place="{dataset}/metrics/fairness",
    outputs={"metrics": "{dataset}/metrics/fairness.parquet"},
    inputs=_fairness_inputs,
    identity=_fairness_identity,
    cost=cost.measure,
    version=2,
)


def _tokenizer_inputs(study: Study, names: Names) -> Inputs:
    spec = study.evaluations[names["dataset"]]
    tokenizers = [tokenizer_artifacts(study, name) for name in spec.tokenizers or ()]
    return {
        **dataset_artifacts(names["dataset"]),
        "encoder": encoder_files(study, (spec.encoders or ())[0]),
        **lpips_input(study, needed=study.uses_lpips),
        "tokenizers": tuple(each["weights"] for each in tokenizers),
        "configs": tuple(each["config"] for each in tokenizers),
    }


def _tokenizer_identity(study: Study, names: Names) -> list[object]:
    spec = study.evaluations[names["dataset"]]
    measured = spec.model_dump(mode="json", include={"encoders", "tokenizers"})
    return [measured, encoder_protocol(study, (spec.encoders or ())[0])]


MEASURE_TOKENIZERS = Stage(
    name="measure_tokenizers",
    place="{dataset}/metrics/tokenizers",
    outputs={
        "metrics": "{dataset}/metrics/tokenizers.parquet",
        "reconstructions": "{dataset}/metrics/reconstructions.npy",
    },
    inputs=_tokenizer_inputs,
    identity=_tokenizer_identity,
    cost=cost.measure_tokenizers,
    on_device=True,
)
