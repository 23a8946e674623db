"""The identity of long work: its spec and those of all that flows into it, and nothing else."""

from collections.abc import Callable
from typing import Any

from steadyflow.artifacts import spec_hash
from steadyflow.study.specs import ProbeEncoder, Study


def subset_identity(study: Study, name: str) -> dict[str, Any]:
    subset = study.subsets[name]
    parts: dict[str, Any] = {"subset": subset.identity(), "dataset": study.datasets[str(subset.dataset)].identity()}
    clusters, scores = getattr(subset, "clusters", None), getattr(subset, "scores", None)
    tokenizer, encoder = getattr(subset, "tokenizer", None), getattr(subset, "encoder", None)
    if clusters is not None:
        clustering = study.clusterings[clusters]
        parts["clusters"] = clustering.identity()
        parts["encoder"] = encoder_identity(study, str(clustering.encoder))
    if scores is not None:
        parts |= scoring_identity(study, scores)
    if tokenizer is not None:
        parts["latents"] = tokenizer_identity(study, tokenizer)
    if encoder is not None:
        parts["embeddings"] = encoder_identity(study, encoder)
    if subset.members:
        parts["of"] = [subset_identity(study, member) for member in subset.members]
    return parts


def scoring_identity(study: Study, name: str) -> dict[str, Any]:
    return {"scores": study.scorings[name].identity(), "surrogate": run_identity(study, name)}


def tokenizer_identity(study: Study, name: str) -> dict[str, Any]:
    tokenizer = study.tokenizers[name]
    return {"tokenizer": tokenizer.identity(), "dataset": study.datasets[str(tokenizer.dataset)].identity()}


def encoder_identity(study: Study, name: str) -> dict[str, Any]:
    encoder = study.encoders[name]
    if not isinstance(encoder, ProbeEncoder):
        return {"encoder": encoder.identity()}
    return {"encoder": encoder.identity(), "dataset": study.datasets[str(encoder.dataset)].identity()}


def run_identity(study: Study, name: str) -> dict[str, Any]:
    run = study.runs[name]
    return {
        "run": run.identity(),
        "dataset": study.datasets[str(run.dataset)].identity(),
        "tokenizer": tokenizer_identity(study, str(run.tokenizer)),
        "subset": subset_identity(study, run.subset) if run.subset else None,
    }


def latents_identity(study: Study, dataset: str, tokenizer: str) -> dict[str, Any]:
    return {"images": study.datasets[dataset].identity(), "tokenizer": tokenizer_identity(study, tokenizer)}


def embeddings_identity(study: Study, dataset: str, encoder: str) -> dict[str, Any]:
    return {"images": study.datasets[dataset].identity(), "encoder": encoder_identity(study, encoder)}


def samples_identity(study: Study, run: str, sampling: str) -> dict[str, Any]:
    return {"run": run_identity(study, run), "sampling": study.sampling_identity(run, sampling)}


def features_identity(study: Study, encoder: str, run: str, sampling: str) -> dict[str, Any]:
    return {"images": samples_identity(study, run, sampling), "encoder": encoder_identity(study, encoder)}


def attributes_identity(study: Study, dataset: str, classifier: str) -> dict[str, Any]:
    return {"images": study.datasets[dataset].identity(), "classifier": study.classifier(classifier).identity()}


def sampled_attributes_identity(study: Study, classifier: str, run: str, sampling: str) -> dict[str, Any]:
    return {
        "images": samples_identity(study, run, sampling),
        "classifier": study.classifier(classifier).identity(),
    }


_IDENTITIES: dict[str, Callable[..., dict[str, Any]]] = {
    "tokenizers": tokenizer_identity,
    "encoders": encoder_identity,
    "runs": run_identity,
    "scorings": scoring_identity,
    "latents": latents_identity,
    "embeddings": embeddings_identity,
    "features": features_identity,
    "attributes": attributes_identity,
    "sampled_attributes": sampled_attributes_identity,
}


def work_hash(study: Study, section: str, *names: str) -> str:
    """The hash of a training ("tokenizers", "encoders", "runs"), of a scoring ("scorings"), or of the rows of "latents"
    (named by dataset and tokenizer), "embeddings" (dataset, encoder), "features" (encoder, run, sampling),
    "attributes" (dataset, classifier) or "sampled_attributes" (classifier, run, sampling)."""
    return spec_hash(_IDENTITIES[section](study, *names))
