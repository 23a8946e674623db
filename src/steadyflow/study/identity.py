"""The identity of a training: its spec and those of all that flows into it, and nothing else."""

from typing import Any

from steadyflow.artifacts import spec_hash
from steadyflow.study.specs import ProbeEncoder, Study


def subset_identity(study: Study, name: str) -> dict[str, Any]:
    subset = study.subsets[name]
    parts: dict[str, Any] = {"subset": subset.identity(), "dataset": study.datasets[str(subset.dataset)].identity()}
    clusters, scores = getattr(subset, "clusters", None), getattr(subset, "scores", None)
    if clusters is not None:
        clustering = study.clusterings[clusters]
        parts["clusters"] = clustering.identity()
        parts["encoder"] = encoder_identity(study, str(clustering.encoder))
    if scores is not None:
        parts["scores"] = study.scorings[scores].identity()
        parts["surrogate"] = run_identity(study, scores)
    return parts


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


def training_hash(study: Study, section: str, name: str) -> str:
    """The hash of a training of the section "runs", "tokenizers" or "encoders"."""
    identities = {"runs": run_identity, "tokenizers": tokenizer_identity, "encoders": encoder_identity}
    return spec_hash(identities[section](study, name))
