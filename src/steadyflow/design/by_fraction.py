"""Series of arms over the pruning fraction."""

from steadyflow.design.arms import arms
from steadyflow.study.specs import Study


def arms_by_fraction(study: Study, dataset: str) -> dict[str, list[tuple[float, tuple[str, ...]]]]:
    """Criterion -> (fraction removed, runs of that arm), sorted by fraction, for criteria with several fractions.

    The subsets of a series differ only in their fraction. If one criterion has several series (with other clusters, or
    in another space), the longest is returned, the first one of equal length.
    """
    series: dict[tuple[str, str], dict[float, tuple[str, ...]]] = {}
    for arm in arms(study, dataset):
        if arm.pruning_fraction is not None:
            subset = study.subsets[str(study.runs[arm.runs[0]].subset)].identity()
            rule = repr({key: value for key, value in subset.items() if key not in ("pruning_fraction", "seed")})
            series.setdefault((arm.criterion, rule), {}).setdefault(arm.pruning_fraction, arm.runs)
    longest: dict[str, dict[float, tuple[str, ...]]] = {}
    for (criterion, _), points in series.items():
        if len(points) > max(1, len(longest.get(criterion, {}))):
            longest[criterion] = points
    return {criterion: sorted(points.items()) for criterion, points in longest.items()}
