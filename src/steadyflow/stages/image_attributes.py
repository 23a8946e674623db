"""Attributes of a dataset's images, as classifiers predict them. Subsets may be chosen by these."""

from steadyflow.stages import cost
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.encoders import embeddings_artifacts, encoder_files, probe_artifacts
from steadyflow.stages.stage import Artifact, Input, Inputs, Names, Stage
from steadyflow.stages.weights import paligemma
from steadyflow.study import Study


def classifier_files(study: Study, classifier: str) -> tuple[Input, ...]:
    """All that a classifier is opened from."""
    if classifier in study.probes:
        return probe_artifacts(study, classifier)
    encoder = study.classified_features(classifier)
    return paligemma(study, classifier) if encoder is None else encoder_files(study, encoder)


def classifier_identity(study: Study, names: Names) -> object:
    spec = study.classifiers.get(names["classifier"])
    return "heads of a probe" if spec is None else spec.identity()


def _of_images(study: Study, names: Names) -> Inputs:
    classifier, encoder = names["classifier"], study.classified_features(names["classifier"])
    features = {} if encoder is None else {"features": embeddings_artifacts(names["dataset"], encoder)["embeddings"]}
    return {
        **dataset_artifacts(names["dataset"]),
        **features,
        "classifier": classifier_files(study, classifier),
    }


CLASSIFY_IMAGES = Stage(
    name="classify_images",
    place="{dataset}/attributes/{classifier}/dataset",
    outputs={
        "attributes": "{dataset}/attributes/{classifier}/dataset.parquet",
        "sidecar": "{dataset}/attributes/{classifier}/dataset.json",
    },
    inputs=_of_images,
    identity=classifier_identity,
    cost=cost.classify_images,
    checkpoint="npy",
    on_device=True,
)


def image_attributes(dataset: str, classifier: str) -> dict[str, Artifact]:
    """`attributes` of the dataset's images, and their `sidecar`."""
    return CLASSIFY_IMAGES.job({"dataset": dataset, "classifier": classifier}).artifacts()
