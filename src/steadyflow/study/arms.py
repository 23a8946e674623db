"""Which runs of an evaluation are one experiment, repeated with other seeds, and how each departs from the
reference."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from steadyflow.study.specs import Evaluation, Run, Study


@dataclass(frozen=True)
class Arm:
    """`runs` that differ in their seeds alone, in the order of the evaluation.

    kind: what they differ from the reference run in, one of KINDS; "reference" for itself, "other" for several things
    criterion, pruning_fraction: of their subset, where that is what they differ in
    attribute: that the criterion reads, if it reads one
    """

    runs: tuple[str, ...]
    kind: str
    criterion: str = ""
    pruning_fraction: float | None = None
    attribute: str = ""


Identity = dict[str, Any]

# Of a larger or smaller network one does not ask that it be trained alike.
_TRAINING = {"precision", "label_dropout", "steps", "batch_size", "learning_rate", "ema_decay"}


def arms(study: Study, dataset: str) -> list[Arm]:
    """Every evaluated run is in one of them; the reference's is the first."""
    evaluation = study.evaluations[dataset]
    if not evaluation.runs:
        return []
    together: dict[str, list[str]] = {}
    for run in (str(evaluation.reference), *(run for run in evaluation.runs if run != evaluation.reference)):
        together.setdefault(repr(_but_for_seeds(study, run)), []).append(run)
    return [_arm(study, evaluation, tuple(runs)) for runs in together.values()]


def arms_by_fraction(study: Study, dataset: str) -> dict[str, list[tuple[float, tuple[str, ...]]]]:
    """Criterion -> (fraction removed, runs of that arm), rising, for criteria of which several fractions are trained.

    A line differs in its fraction alone: of several of one criterion (other clusters, another space), the longest.
    """
    lines: dict[tuple[str, str], dict[float, tuple[str, ...]]] = {}
    for arm in arms(study, dataset):
        if arm.kind == "subset" and arm.pruning_fraction is not None:
            subset = study.subsets[str(study.runs[arm.runs[0]].subset)].identity()
            rule = repr({key: value for key, value in subset.items() if key not in ("pruning_fraction", "seed")})
            lines.setdefault((arm.criterion, rule), {}).setdefault(arm.pruning_fraction, arm.runs)
    longest: dict[str, dict[float, tuple[str, ...]]] = {}
    for (criterion, _), points in lines.items():
        if len(points) > max(1, len(longest.get(criterion, {}))):
            longest[criterion] = points
    return {criterion: sorted(points.items()) for criterion, points in longest.items()}


def _arm(study: Study, evaluation: Evaluation, runs: tuple[str, ...]) -> Arm:
    if evaluation.reference in runs:
        return Arm(runs, "reference")
    run, reference = study.runs[runs[0]], study.runs[str(evaluation.reference)]
    changed = {key for key, value in run.identity().items() if value != reference.identity().get(key)} - {"seed"}
    if "model" in changed:
        changed -= _TRAINING
    if run.weights is not None and reference.weights is not None:
        changed -= {"weights"}
    kind = next((name for name, departs in KINDS.items() if departs(study, changed, run, reference)), "other")
    if kind != "subset":
        return Arm(runs, kind)
    subset = study.subsets[str(run.subset)]
    fraction = 0.5 if subset.criterion == "random_half" else getattr(subset, "pruning_fraction", None)
    return Arm(runs, kind, subset.criterion, fraction, getattr(subset, "attribute", ""))


def _changes(*fields: str) -> Callable[[Study, set[str], Run, Run], bool]:
    return lambda study, changed, run, reference: changed == set(fields)


def _tokenizer_seed(study: Study, changed: set[str], run: Run, reference: Run) -> bool:
    a, b = (study.tokenizers[str(each.tokenizer)].identity() for each in (run, reference))
    return changed == {"tokenizer"} and {**a, "seed": 0} == {**b, "seed": 0}


def _network(run: Run) -> str:
    return run.model.partition("-")[0]


KINDS: dict[str, Callable[[Study, set[str], Run, Run], bool]] = {
    "subset": lambda study, changed, run, reference: changed == {"subset"} and run.subset is not None,
    "capacity": lambda study, changed, run, reference: changed == {"model"} and _network(run) == _network(reference),
    "architecture": _changes("model"),
    "dataset": _changes("dataset"),
    "tokenizer_seed": _tokenizer_seed,
    "flip_first": lambda study, changed, run, reference: (
        changed == {"latent_transform"} and run.latent_transform == "flip_first"
    ),
    "flip_all": lambda study, changed, run, reference: (
        changed == {"latent_transform"} and run.latent_transform == "flip_all"
    ),
    "diffusion": lambda study, changed, run, reference: changed == {"objective"} and run.objective.kind == "diffusion",
    "explicit_target": lambda study, changed, run, reference: (
        changed == {"objective"} and run.objective.kind == "explicit_flow_matching"
    ),
    "optimal_transport": lambda study, changed, run, reference: (
        changed == {"objective"} and getattr(run.objective, "coupling", "") == "ot"
    ),
}
"""What a run may differ from the reference in, and nothing else."""


def _but_for_seeds(study: Study, run: str) -> list[Identity]:
    spec = study.runs[run]
    subset = [] if spec.subset is None else _subset_but_for_seeds(study, spec.subset)
    return [{**spec.identity(), "seed": None, "subset": None}, *subset]


def _subset_but_for_seeds(study: Study, name: str) -> list[Identity]:
    subset = study.subsets[name]
    members = [each for member in subset.members for each in _subset_but_for_seeds(study, member)]
    return [{**subset.identity(), "seed": None, "of": None}, *members]
