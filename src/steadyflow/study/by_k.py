"""Which runs of a study show what the number of clusters does."""

from collections import defaultdict

from steadyflow.study.specs import Run, Study


def runs_by_k(study: Study, dataset: str) -> dict[str, list[tuple[int, str]]]:
    """Criterion and fraction in words -> (k, run) in the order of k, where the dataset's evaluation has several k.

    Such a run differs from the reference in its seed and its subset alone, and clusters chose that subset.
    """
    evaluation = study.evaluations[dataset]
    lines: dict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
    for name in evaluation.runs or ():
        run, reference = study.runs[name], study.runs[str(evaluation.reference)]
        subset = study.subsets[run.subset] if run.subset is not None else None
        clusters, fraction = getattr(subset, "clusters", None), getattr(subset, "pruning_fraction", None)
        if subset and clusters and fraction is not None and _all_but_data(run) == _all_but_data(reference):
            clustering = study.clusterings[clusters]
            # Of kernel herding: the space, and what made it.
            more = [str(value) for key, value in subset.identity().items() if value is not None and key not in _SAID]
            rule = (subset.criterion, f"{100 * fraction:g}% removed", *more, str(clustering.encoder))
            lines[rule].append((clustering.k, name))
    several = {rule: sorted(points) for rule, points in lines.items() if len({k for k, _ in points}) > 1}
    encoders = {encoder for *_, encoder in several}
    return {", ".join(rule if len(encoders) > 1 else rule[:-1]): points for rule, points in several.items()}


_SAID = ("criterion", "pruning_fraction", "clusters", "seed", "dataset")


def _all_but_data(run: Run) -> dict[str, object]:
    return {key: value for key, value in run.identity().items() if key not in ("subset", "seed")}
