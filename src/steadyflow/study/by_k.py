"""Which runs of a study show what the number of clusters does."""

from collections import defaultdict

from steadyflow.study.specs import Run, Study


def runs_by_k(study: Study, dataset: str) -> dict[str, list[tuple[int, str]]]:
    """Criterion and fraction in words -> (k, run) in the order of k, where the dataset's evaluation has several k.

    Such a run differs from the reference in its seed and its subset alone, and clusters chose that subset.
    """
    evaluation = study.evaluations[dataset]
    lines: dict[tuple[str, float, str], list[tuple[int, str]]] = defaultdict(list)
    for name in evaluation.runs or ():
        run, reference = study.runs[name], study.runs[str(evaluation.reference)]
        subset = study.subsets[run.subset] if run.subset is not None else None
        clusters, fraction = getattr(subset, "clusters", None), getattr(subset, "pruning_fraction", None)
        if subset and clusters and fraction is not None and _all_but_data(run) == _all_but_data(reference):
            clustering = study.clusterings[clusters]
            rule = (subset.criterion, fraction, str(clustering.encoder))
            lines[rule].append((clustering.k, name))
    several = {rule: sorted(points) for rule, points in lines.items() if len({k for k, _ in points}) > 1}
    encoders = {encoder for _, _, encoder in several}
    return {
        f"{criterion}, {fraction:.0%} removed" + (f", {encoder}" if len(encoders) > 1 else ""): points
        for (criterion, fraction, encoder), points in several.items()
    }


def _all_but_data(run: Run) -> dict[str, object]:
    return {key: value for key, value in run.identity().items() if key not in ("subset", "seed")}
