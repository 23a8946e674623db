"""Attributes of samples, as classifiers predict them."""

from steadyflow.stages import cost
from steadyflow.stages.image_attributes import classifier_files, classifier_identity
from steadyflow.stages.samples import features_artifact, samples_artifacts
from steadyflow.stages.stage import Artifact, Inputs, Names, Stage
from steadyflow.study import Study


def _of_samples(study: Study, names: Names) -> Inputs:
    classifier, run, sampling = names["classifier"], names["run"], names["sampling"]
    encoder = study.classified_features(classifier)
    return {
        **samples_artifacts(study, run, sampling, "images"),
        **({} if encoder is None else {"features": features_artifact(study, encoder, run, sampling)}),
        "classifier": classifier_files(study, classifier),
    }


CLASSIFY_SAMPLES = Stage(
    name="classify_samples",
    place="{dataset}/attributes/{classifier}/{run}/{sampling}",
    outputs={
        "attributes": "{dataset}/attributes/{classifier}/{run}/{sampling}.parquet",
        "sidecar": "{dataset}/attributes/{classifier}/{run}/{sampling}.json",
    },
    inputs=_of_samples,
    identity=classifier_identity,
    cost=cost.classify_samples,
    checkpoint="npy",
    on_device=True,
)


def sample_attributes(study: Study, classifier: str, run: str, sampling: str) -> dict[str, Artifact]:
    """`attributes` of a run's samples, and their `sidecar`."""
    dataset = str(study.runs[run].dataset)
    names = {"dataset": dataset, "classifier": classifier, "run": run, "sampling": sampling}
    return CLASSIFY_SAMPLES.job(names).artifacts()
