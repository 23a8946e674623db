"""Precision against recall: whether pruning buys the one with the other.

The replicates of recall are not known, since its errors are those of the held-out images, which all runs share. So the
intervals of its changes are of the trainings alone.
"""

from collections.abc import Callable, Iterable, Sequence

from steadyflow.claims import criteria
from steadyflow.claims.evidence import Evidence
from steadyflow.claims.fd import if_repeated, spread_in_words
from steadyflow.claims.verdict import NOT_MEASURED, Finding, above, all_of, any_of, below
from steadyflow.claims.wording import signed
from steadyflow.evaluate.estimate import GROUPS, Estimate, between_runs, contrast
from steadyflow.evaluate.metrics import find_metric
from steadyflow.ground.arm import Arm

METRICS = ("precision", "recall")

Changes = tuple[Estimate, ...]
"""Of precision and of recall, against the reference."""


def tradeoff_celebahq(evidence: Evidence) -> Finding:
    """On CelebA-HQ pruning trades precision for recall, slightly.

    Source: Exploiting Stability, Fig. 15
    Bound: for one at least of the papers' criteria at 0.5, one of the changes of precision and recall is above 0 and
    the other below 0. Chance would have to do both, so that nine tries go wrong in one of a hundred studies.
    """
    return _judge(evidence, evidence.pruned_by(*criteria.PAPERS), _one_for_the_other, any_of)


def no_tradeoff_imagenet(evidence: Evidence) -> Finding:
    """On ImageNet pruning diminishes neither precision nor recall at a fixed 200k iterations.

    Source: Exploiting Stability, Fig. 10
    Bound: neither falls by `margin` of the reference's, for random subsets and all criteria by clusters, at every
    pruning fraction.
    """

    def neither_falls(changes: Changes) -> str:
        margins = [evidence.bounds.margin * _estimate(evidence, evidence.reference_run, m).value for m in METRICS]
        return all_of(above(change, -margin) for change, margin in zip(changes, margins, strict=True))

    return _judge(evidence, evidence.pruned_by(*criteria.ON_IMAGENET, fraction=None), neither_falls, all_of)


def _one_for_the_other(changes: Changes) -> str:
    return any_of(
        all_of([above(gained, 0.0), below(lost, 0.0)]) for gained, lost in (changes, tuple(reversed(changes)))
    )


def _judge(
    evidence: Evidence,
    arms: Sequence[Arm],
    verdict: Callable[[Changes], str],
    together: Callable[[Iterable[str]], str],
) -> Finding:
    """The verdict on each arm's changes, taken together. Not measured without arms."""
    if not arms or not set(METRICS) <= set(evidence.quality["metric"]):
        return Finding(NOT_MEASURED)
    between = {m: between_runs([_of_arm(evidence, arm, m) for arm in evidence.arms]) for m in METRICS}
    reference = {m: _of_arm(evidence, evidence.reference, m) for m in METRICS}
    changes = [tuple(contrast(_of_arm(evidence, arm, m), reference[m], between[m]) for m in METRICS) for arm in arms]
    parts = [
        f"{evidence.arm_label(arm)} {' and '.join(map(signed, each))}" for arm, each in zip(arms, changes, strict=True)
    ]
    words = f"change of precision and recall: {'; '.join(parts)}{spread_in_words(between['recall'])}"
    n = find_metric(evidence.quality, "recall", evidence.reference_run, encoder=evidence.encoder).n
    return Finding(if_repeated(between["recall"], together(map(verdict, changes))), words, n)


def _of_arm(evidence: Evidence, arm: Arm, metric: str) -> list[Estimate]:
    return [_estimate(evidence, run, metric) for run in arm.runs]


def _estimate(evidence: Evidence, run: str, metric: str) -> Estimate:
    found = find_metric(evidence.quality, metric, run, encoder=evidence.encoder).estimate
    return found if found.replicates else Estimate(found.value, found.value, found.value, (found.value,) * GROUPS)
