"""The share of the mapping from noise to images that a run keeps of another run's.

(matched - unmatched) / (ceiling - unmatched), of mean cosine similarities: 0 where samples of the same noise are no
more alike than samples of different noises, 1 where they are as alike as the reference's own under another solver. A
run keeps the mapping, breaks it, or keeps a part, by `Bounds.kept` and `Bounds.broken`: no share does two of these.
"""

import math
from collections.abc import Callable, Sequence

from steadyflow.claims.bounds import Bounds
from steadyflow.claims.evidence import Evidence, Pair
from steadyflow.claims.verdict import NOT_MEASURED, Finding, above, all_of, below
from steadyflow.claims.wording import percent
from steadyflow.evaluate.estimate import GROUPS, Estimate, jackknifed
from steadyflow.evaluate.metrics import Metric, find_metric

ShareBound = Callable[[Estimate, Bounds], str]
"""The verdict on a share kept."""


def keeps(share: Estimate, bounds: Bounds) -> str:
    """Above `kept`."""
    return above(share, bounds.kept)


def breaks(share: Estimate, bounds: Bounds) -> str:
    """Below `broken`."""
    return below(share, bounds.broken)


def keeps_partly(share: Estimate, bounds: Bounds) -> str:
    """Above `broken` and below `kept`."""
    return all_of([above(share, bounds.broken), below(share, bounds.kept)])


def resembles(share: Estimate, bounds: Bounds) -> str:
    """Above `broken`."""
    return above(share, bounds.broken)


def share_kept(evidence: Evidence, run: str, reference: str, mode: str = "") -> tuple[Estimate, int]:
    """The share that `run` keeps of the mapping of `reference`, and the number of matched pairs.

    `mode`: "[kept mode]" or "[removed mode]", the samples of a run that was trained on one mode alone. Samples of
    conditional runs resemble each other by their labels, so their unmatched pairs are those of one class. Where there
    are too few samples for replicates, the interval is infinite.
    """
    matched = _cosine(evidence, f"cosine_matched{mode}", run, reference)
    of_class = evidence.similarity[evidence.similarity["metric"] == "cosine_unmatched_same_class"]
    same_class = not mode and run in set(of_class["run"]) and reference in set(of_class["reference"])
    name = "cosine_unmatched_same_class" if same_class else f"cosine_unmatched{mode}"
    unmatched, ceiling = _cosine(evidence, name, run, reference).estimate, _ceiling(evidence)
    value = _share(matched.value, unmatched.value, ceiling.value)
    replicates = (matched.estimate.replicates, unmatched.replicates, ceiling.replicates)
    if not all(replicates):
        return Estimate(value, -math.inf, math.inf), matched.n
    return jackknifed(value, [_share(*each) for each in zip(*replicates, strict=True)]), matched.n


def judge_shares(evidence: Evidence, pairs: Sequence[Pair], bound: ShareBound) -> Finding:
    """The verdict of `bound` on the share kept by every pair: all have to pass. Not measured without pairs."""
    if not pairs:
        return Finding(NOT_MEASURED)
    found = [share_kept(evidence, *pair) for pair in pairs]
    parts = [f"{evidence.pair_label(pair)} {percent(share)}" for pair, (share, _) in zip(pairs, found, strict=True)]
    verdict = all_of(bound(share, evidence.bounds) for share, _ in found)
    return Finding(verdict, f"share of the mapping kept: {'; '.join(parts)}", min(n for _, n in found))


def _share(matched: float, unmatched: float, ceiling: float) -> float:
    return (matched - unmatched) / (ceiling - unmatched)


def _ceiling(evidence: Evidence) -> Estimate:
    """Matched similarity of the reference and itself under another solver; 1 where that was not sampled."""
    run, rows = evidence.reference_run, evidence.similarity
    with_itself = rows[(rows["run"] == run) & (rows["reference"] == run)]
    if with_itself.empty:
        return Estimate(1.0, 1.0, 1.0, (1.0,) * GROUPS)
    return _cosine(evidence, "cosine_matched", run, run).estimate


def _cosine(evidence: Evidence, metric: str, run: str, reference: str) -> Metric:
    return find_metric(evidence.similarity, metric, run, reference, evidence.similarity_encoder)
