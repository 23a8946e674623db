"""Series of runs over the number of clusters k."""

from collections import defaultdict

from steadyflow.study.specs import Run, Study


def runs_by_k(study: Study, dataset: str) -> dict[str, list[tuple[int, str]]]:
    """Criterion and fraction in words -> (k, run), sorted by k, for criteria with several k in the evaluation.

    The runs of a series differ from the reference only in their seed and their subset, which is selected by clusters.
    The encoder is part of the key if series of several encoders are returned.
    """
    evaluation = study.evaluations[dataset]
    series: dict[tuple[str, ...], list[tuple[int, str]]] = defaultdict(list)
    for name in evaluation.runs or ():
        run, reference = study.runs[name], study.runs[str(evaluation.reference)]
        subset = study.subsets[run.subset] if run.subset is not None else None
        clusters, fraction = getattr(subset, "clusters", None), getattr(subset, "pruning_fraction", None)
        if subset and clusters and fraction is not None and _without_data(run) == _without_data(reference):
            clustering, spec = study.clusterings[clusters], subset.identity()
            # For kernel herding: the space, and the tokenizer or encoder that defines it.
            other = [str(value) for key, value in spec.items() if value is not None and key not in _NOT_IN_KEY]
            rule = (subset.criterion, f"{100 * fraction:g}% removed", *other, str(clustering.encoder))
            series[rule].append((clustering.k, name))
    several = {rule: sorted(points) for rule, points in series.items() if len({k for k, _ in points}) > 1}
    encoders = {encoder for *_, encoder in several}
    return {", ".join(rule if len(encoders) > 1 else rule[:-1]): points for rule, points in several.items()}


# Criterion and fraction are at the start of the key; the others do not distinguish series.
_NOT_IN_KEY = ("criterion", "pruning_fraction", "clusters", "seed", "dataset")


def _without_data(run: Run) -> dict[str, object]:
    return {key: value for key, value in run.identity().items() if key not in ("subset", "seed")}
