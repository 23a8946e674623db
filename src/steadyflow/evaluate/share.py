"""The share of the mapping from noise to images that one run keeps of another's.

(matched - unmatched) / (ceiling - unmatched), of mean similarities: 0 where samples of the same noise are no more alike
than samples of different noises, 1 where they are as alike as the reference's own under another solver.
"""

import math

import pandas as pd

from steadyflow.evaluate.estimate import GROUPS, Estimate, jackknifed
from steadyflow.evaluate.metrics import Metric, find_metric


def has_pair(similarity: pd.DataFrame, measure: str, run: str, reference: str) -> bool:
    """Whether a `measure` of similarity, such as "cosine", was taken of two runs."""
    of_pair = similarity[(similarity["run"] == run) & (similarity["reference"] == reference)]
    return f"{measure}_matched" in set(of_pair["metric"])


def share_of_mapping(
    similarity: pd.DataFrame, encoder: str, run: str, reference: str, *, measure: str, ceiling: str, mode: str = ""
) -> tuple[Estimate, int]:
    """The share that `run` keeps of the mapping of `reference`, and the number of matched pairs.

    similarity: tidy table of metrics, in an `encoder`
    measure: "cosine", or another beginning of the names of metrics of similarity
    ceiling: the run that was sampled by another solver too; without such samples the ceiling is 1
    mode: "[kept mode]" or "[removed mode]", the samples of a run that was trained on one mode alone

    Samples of conditional runs resemble each other by their labels, so their unmatched pairs are those of one class.
    Where there are too few samples for replicates, the interval is infinite.
    """

    def found(metric: str, run: str, reference: str) -> Metric:
        return find_metric(similarity, metric, run, reference, encoder)

    matched = found(f"{measure}_matched{mode}", run, reference)
    of_class = similarity[similarity["metric"] == f"{measure}_unmatched_same_class"]
    same_class = not mode and run in set(of_class["run"]) and reference in set(of_class["reference"])
    unmatched = found(f"{measure}_unmatched_same_class" if same_class else f"{measure}_unmatched{mode}", run, reference)
    if has_pair(similarity, measure, ceiling, ceiling):
        highest = found(f"{measure}_matched", ceiling, ceiling).estimate
    else:
        highest = Estimate(1.0, 1.0, 1.0, (1.0,) * GROUPS)
    value = _share(matched.value, unmatched.value, highest.value)
    replicates = (matched.replicates, unmatched.replicates, highest.replicates)
    if not all(replicates):
        return Estimate(value, -math.inf, math.inf), matched.n
    return jackknifed(value, [_share(*each) for each in zip(*replicates, strict=True)]), matched.n


def _share(matched: float, unmatched: float, ceiling: float) -> float:
    return (matched - unmatched) / (ceiling - unmatched)
