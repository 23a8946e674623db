"""Which runs of an evaluation figures show, in which groups, and which comparisons of them."""

from collections.abc import Callable, Collection

from steadyflow.design.arms import arms
from steadyflow.ground.arm import Arm
from steadyflow.study import Study

Groups = dict[str, dict[str, str]]
"""Heading -> run -> label."""
Comparisons = dict[str, dict[tuple[str, str], str]]
"""Heading -> (run, reference) -> label."""


def groups(study: Study, dataset: str) -> Groups:
    """The groups of `show`, or all evaluated runs in one group without a heading."""
    spec = study.evaluations[dataset]
    shown = spec.show or {"": spec.runs or ()}
    return {heading: {run: study.label(run) for run in runs} for heading, runs in shown.items()}


def shown_runs(study: Study, dataset: str) -> list[str]:
    """The runs of all groups, each once."""
    return list(dict.fromkeys(run for labels in groups(study, dataset).values() for run in labels))


def null_labels(study: Study, dataset: str) -> dict[str, str]:
    """The null models that stand beside the reference, with their labels: its Gaussian flow, an untrained network."""
    flow, untrained = (
        study.null_models(dataset).get(str(study.evaluations[dataset].reference)),
        study.untrained(dataset),
    )
    return {name: study.label(name) for name in (flow, untrained) if name is not None}


def pictured_groups(study: Study, dataset: str) -> Groups:
    """The groups, with the reference's Gaussian flow under their first run."""
    flow = study.null_models(dataset).get(str(study.evaluations[dataset].reference))
    nulls = {} if flow is None else {flow: study.label(flow)}
    found = {}
    for heading, labels in groups(study, dataset).items():
        (first, *others) = labels.items()
        found[heading] = {**dict([first]), **nulls, **dict(others)}
    return found


def trained_groups(study: Study, dataset: str) -> Groups:
    """Those that have a training's curve."""
    return _among(groups(study, dataset), study.trained_runs(dataset))


def validated_groups(study: Study, dataset: str) -> Groups:
    """Those whose loss on held-out images is logged."""
    return _among(groups(study, dataset), study.validated_runs(dataset))


def _among(every: Groups, runs: Collection[str]) -> Groups:
    some = {heading: {run: label for run, label in labels.items() if run in runs} for heading, labels in every.items()}
    return {heading: labels for heading, labels in some.items() if labels}


def subset_groups(study: Study, dataset: str) -> dict[str, dict[str, str]]:
    """Heading -> subset -> label of the first run trained on it, of the dataset's own subsets."""
    found: dict[str, dict[str, str]] = {}
    for heading, labels in groups(study, dataset).items():
        for run, label in labels.items():
            subset = study.runs[run].subset
            if subset is not None and study.runs[run].dataset == dataset:
                found.setdefault(heading, {}).setdefault(subset, label)
    return found


def comparisons(study: Study, dataset: str) -> Comparisons:
    """In each group: the inverse pairs of its runs, then every run against the reference, then its null models."""
    spec = study.evaluations[dataset]
    found: Comparisons = {}
    nulls = {(null, str(spec.reference)): label for null, label in null_labels(study, dataset).items()}
    for heading, labels in groups(study, dataset).items():
        pairs = {(a, b): f"{labels[a]} / {labels[b]}" for a, b in spec.inverse_pairs if a in labels and b in labels}
        against = {(run, str(spec.reference)): label for run, label in labels.items() if run != spec.reference}
        if pairs or against:
            found[heading] = pairs | against | nulls
    return found


def path_comparisons(study: Study, dataset: str) -> Comparisons:
    """Those whose paths can be compared."""
    pairs = study.trajectory_pairs(dataset)
    some = {
        heading: {pair: label for pair, label in of_group.items() if pair in pairs}
        for heading, of_group in comparisons(study, dataset).items()
    }
    return {heading: of_group for heading, of_group in some.items() if of_group}


_NULL_MODEL = "no network: the flow of a Gaussian with the latents' mean and covariance"
# Heading -> the arms under it.
_PERTURBATIONS: dict[str, Callable[[Arm], bool]] = {
    "another seed": lambda arm: arm.kind == "reference",
    "disjoint random halves": lambda arm: arm.criterion == "random_half",
    "half of the images, by pruning criterion": lambda arm: (
        arm.kind == "subset" and arm.pruning_fraction == 0.5 and arm.criterion != "random_half"
    ),
    "one mode only, or clusters dropped": lambda arm: arm.criterion in ("attribute_value", "drop_clusters"),
    "another capacity or architecture": lambda arm: arm.kind in ("capacity", "architecture"),
    "another dataset, the same tokenizer": lambda arm: arm.kind == "dataset",
    "another tokenizer, or its latents transformed": lambda arm: (
        arm.kind in ("tokenizer_seed", "flip_first", "flip_all")
    ),
    "another coupling or target": lambda arm: arm.kind in ("optimal_transport", "explicit_target"),
    "diffusion": lambda arm: arm.kind == "diffusion",
}


def perturbations(study: Study, dataset: str) -> Groups:
    """By what was changed: the reference, and under it of runs alike but for their seeds one; `groups` where nothing
    was. Runs that no group shows are left out."""
    reference, shown = str(study.evaluations[dataset].reference), shown_runs(study, dataset)
    flow = study.null_models(dataset).get(reference)
    found = {} if flow is None else {_NULL_MODEL: {run: study.label(run) for run in (reference, flow)}}
    for heading, belongs in _PERTURBATIONS.items():
        members = [arm.runs[-1 if arm.kind == "reference" else 0] for arm in arms(study, dataset) if belongs(arm)]
        runs = dict.fromkeys([reference, *(run for run in members if run in shown)])
        if len(runs) > 1:
            found[heading] = {run: study.label(run) for run in runs}
    return found if found.keys() - {_NULL_MODEL} else pictured_groups(study, dataset)
