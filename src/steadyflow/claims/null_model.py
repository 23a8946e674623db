"""Whether runs have learned more than their null model, the Gaussian flow of their training latents.

Agreement of two runs is a finding only if both have: the samples of each are better in FD, and its loss on held-out
images is lower, than those of the flow that follows from the mean and covariance of the same latents. Otherwise two
trainings could agree as two untrained networks do, which map every noise alike.
"""

import math
from collections.abc import Iterable
from dataclasses import replace

import pandas as pd

from steadyflow.claims.evidence import Evidence, Pair
from steadyflow.claims.share_kept import ShareBound, independent, judge_shares, shares_in_words, shares_of_arms
from steadyflow.claims.verdict import HOLDS, NOT_MEASURED, UNDECIDED, Finding, above, all_of, below
from steadyflow.evaluate.beyond_null import BEYOND
from steadyflow.evaluate.estimate import Estimate, difference
from steadyflow.evaluate.held_out_loss import HELD_OUT_LOSS
from steadyflow.evaluate.metrics import Metric, find_metric
from steadyflow.evaluate.share import has_pair


def judge_stability(evidence: Evidence, pairs: list[Pair], bound: ShareBound) -> Finding:
    """The verdict of `bound` on the share kept by every two arms, and of `Bounds.beyond` on that beyond their null
    models; undecided, with the reason, where a run has not learned more than its null model."""
    found = judge_shares(evidence, pairs, bound)
    if found.verdict == NOT_MEASURED:
        return found
    if evidence.null_models is None:
        return replace(found, measured=f"{found.measured} (no null model was measured)")
    judged = independent(evidence, pairs) or pairs
    measured = [pair for pair in judged if has_pair(evidence.similarity, BEYOND, *pair)]
    shares, _ = shares_of_arms(evidence, BEYOND, measured)
    without = [evidence.pair_label(pair) for pair in judged if pair not in measured]
    parts = [shares_in_words(evidence, shares), *(f"{label} nothing" for label in without)]
    words = f"{found.measured}; beyond the Gaussian flow: {'; '.join(filter(None, parts))}"
    weak = dict.fromkeys(run for pair in judged for run in pair if not has_learned(evidence, run))
    if weak:
        return replace(found, verdict=UNDECIDED, measured=f"{words}; {_reason(evidence, weak)}")
    if not independent(evidence, pairs):
        return replace(found, measured=words)
    beyond = [above(share.mean, evidence.bounds.beyond) for share in shares]
    undecided = [UNDECIDED] if without else []
    return replace(found, verdict=all_of([found.verdict, *beyond, *undecided]), measured=words)


def has_learned(evidence: Evidence, run: str) -> bool:
    """Whether a run is better than its null model in FD, and in held-out loss where it has one: both significantly.
    What has no null model has not been shown to be better."""
    leads = list(_leads(evidence, run))
    return bool(leads) and all(below(lead, 0.0) == HOLDS for lead in leads)


def _leads(evidence: Evidence, run: str) -> Iterable[Estimate]:
    """The FD of a run less that of its null model, and the same of their losses."""
    null = (evidence.null_models or {}).get(run)
    if null is None:
        return
    yield _lead(*(find_metric(evidence.quality, "fd", each, encoder=evidence.encoder) for each in (run, null)))
    if run in _measured(evidence.loss):
        yield _lead(*(find_metric(evidence.loss, HELD_OUT_LOSS, each) for each in (run, null)))


def _lead(ours: Metric, null: Metric) -> Estimate:
    """With an infinite interval where there are too few images for replicates."""
    if ours.replicates and null.replicates:
        return difference(ours.estimate, null.estimate)
    return Estimate(ours.value - null.value, -math.inf, math.inf)


def _reason(evidence: Evidence, weak: Iterable[str]) -> str:
    parts = []
    for run in weak:
        null = (evidence.null_models or {}).get(run)
        numbers = [] if null is None else [_beside(evidence.quality, "fd", "FD", run, null, evidence.encoder)]
        if null is not None and run in _measured(evidence.loss):
            numbers.append(_beside(evidence.loss, HELD_OUT_LOSS, "held-out loss", run, null))
        parts.append(f"{evidence.labels[run]} ({', '.join(numbers) or 'which has none'})")
    return f"not shown to be better than the Gaussian flow: {'; '.join(parts)}"


def _beside(rows: pd.DataFrame, metric: str, words: str, run: str, null: str, encoder: str | None = None) -> str:
    ours, flow = (find_metric(rows, metric, each, encoder=encoder).value for each in (run, null))
    return f"{words} {ours:.3g} against {flow:.3g}"


def _measured(rows: pd.DataFrame) -> set[str]:
    return set() if rows.empty else set(rows["run"])
