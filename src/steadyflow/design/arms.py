"""The arms of an evaluation, which are runs that differ only in their seeds, and the property in which each arm differs
from the reference."""

from collections.abc import Callable
from typing import Any

from steadyflow.ground.arm import Arm
from steadyflow.study.specs import Evaluation, Run, Study


def arms(study: Study, dataset: str) -> list[Arm]:
    """The arms of the dataset's evaluation, that of the reference first; every evaluated run is in one of them."""
    evaluation = study.evaluations[dataset]
    if not evaluation.runs:
        return []
    grouped: dict[str, list[str]] = {}
    for run in (str(evaluation.reference), *(run for run in evaluation.runs if run != evaluation.reference)):
        grouped.setdefault(repr(_identity_without_seeds(study, run)), []).append(run)
    return [_arm(study, evaluation, tuple(runs)) for runs in grouped.values()]


def _arm(study: Study, evaluation: Evaluation, runs: tuple[str, ...]) -> Arm:
    if evaluation.reference in runs:
        return Arm(runs, "reference")
    run, reference = study.runs[runs[0]], study.runs[str(evaluation.reference)]
    changed = _changed_fields(run, reference)
    kind = next((name for name, matches in KINDS.items() if matches(study, changed, run, reference)), "other")
    if kind != "subset":
        return Arm(runs, kind)
    subset = study.subsets[str(run.subset)]
    fraction = 0.5 if subset.criterion == "random_half" else getattr(subset, "pruning_fraction", None)
    return Arm(runs, kind, subset.criterion, fraction, getattr(subset, "attribute", ""))


# Hyperparameters that may differ between networks of different architecture or size.
_TRAINING = {"precision", "label_dropout", "steps", "batch_size", "learning_rate", "ema_decay"}


def _changed_fields(run: Run, reference: Run) -> set[str]:
    """The fields in which two runs differ, without seeds, and without hyperparameters if the model differs."""
    ours, theirs = run.identity(), reference.identity()
    changed = {key for key, value in ours.items() if value != theirs.get(key)} - {"seed"}
    if "model" in changed:
        changed -= _TRAINING
    if run.weights is not None and reference.weights is not None:
        changed -= {"weights"}
    return changed


Matches = Callable[[Study, set[str], Run, Run], bool]
"""(study, changed fields, run, reference) -> whether the runs differ only in this property."""


def _network(run: Run) -> str:
    return run.model.partition("-")[0]


def _latent_transform(transform: str) -> Matches:
    return lambda study, changed, run, reference: changed == {"latent_transform"} and run.latent_transform == transform


def _objective(kind: str) -> Matches:
    return lambda study, changed, run, reference: changed == {"objective"} and run.objective.kind == kind


def _tokenizer_seed(study: Study, changed: set[str], run: Run, reference: Run) -> bool:
    a, b = (study.tokenizers[str(each.tokenizer)].identity() for each in (run, reference))
    return changed == {"tokenizer"} and {**a, "seed": 0} == {**b, "seed": 0}


KINDS: dict[str, Matches] = {
    "subset": lambda study, changed, run, reference: changed == {"subset"} and run.subset is not None,
    "capacity": lambda study, changed, run, reference: changed == {"model"} and _network(run) == _network(reference),
    "architecture": lambda study, changed, run, reference: changed == {"model"},
    "dataset": lambda study, changed, run, reference: changed == {"dataset"},
    "tokenizer_seed": _tokenizer_seed,
    "flip_first": _latent_transform("flip_first"),
    "flip_all": _latent_transform("flip_all"),
    "diffusion": _objective("diffusion"),
    "explicit_target": _objective("explicit_flow_matching"),
    "optimal_transport": lambda study, changed, run, reference: (
        changed == {"objective"} and getattr(run.objective, "coupling", "") == "ot"
    ),
}
"""The properties in which an arm may differ from the reference; the first that matches is the arm's kind."""


def _identity_without_seeds(study: Study, run: str) -> list[dict[str, Any]]:
    spec = study.runs[run]
    subset = [] if spec.subset is None else _subset_without_seeds(study, spec.subset)
    return [{**spec.identity(), "seed": None, "subset": None}, *subset]


def _subset_without_seeds(study: Study, name: str) -> list[dict[str, Any]]:
    """The identity of the subset, then those of the subsets from which it is derived."""
    subset = study.subsets[name]
    members = [each for member in subset.members for each in _subset_without_seeds(study, member)]
    return [{**subset.identity(), "seed": None, "of": None}, *members]
