"""Fairness: whether a selection brings the attributes of the samples nearer to uniform (KL divergence).

Divergences are compared by their square roots. Near uniform KL(p || uniform) is half the squared chi-square distance of
p from it, so what trainings and noises add to p changes the root alike at every level, and the KL itself the more the
larger it is: on the scale of the root, what is between trainings may be pooled over arms.
"""

import math
from collections.abc import Sequence

from steadyflow.claims.classifiers import ClassifiedAttribute, distrust_in_words, if_trusted
from steadyflow.claims.evidence import Evidence
from steadyflow.claims.fd import if_repeated, judge_fd, not_worse, sample_count, spread_in_words
from steadyflow.claims.verdict import NOT_MEASURED, Finding, all_of, below
from steadyflow.claims.wording import signed
from steadyflow.evaluate.estimate import Estimate, between_runs, contrast, on_scale
from steadyflow.evaluate.metrics import find_metric
from steadyflow.ground.arm import Arm

BALANCING = ("cluster_b", "kernel_b", "attribute", "cluster_oversampled", "random_half")
"""Beginnings of the names of criteria that balance clusters or read labels, and random_half, which is no criterion."""


def balanced_fairer(evidence: Evidence) -> Finding:
    """Balanced clusters give the lowest KL to uniform on all attributes without seeing labels.

    Source: Exploiting Stability, Table 1
    Bound: the KL of criterion cluster_b at 0.5 less that of the reference, and of every criterion at 0.5 that balances
    nothing, is below 0 in every attribute.
    """
    balanced, attributes = evidence.pruned_by("cluster_b"), _measured_attributes(evidence)
    if not (balanced and attributes):
        return Finding(NOT_MEASURED)
    others = [arm for arm in _half_pruned(evidence) if not arm.criterion.startswith(BALANCING)]
    verdict, words = _judge_kl(evidence, balanced[0], [evidence.reference, *others], attributes)
    return Finding(verdict, words, sample_count(evidence))


def label_aware_fairest(evidence: Evidence) -> Finding:
    """Label-aware balancing gives the lowest KL on its attribute at no FID cost.

    Source: Exploiting Stability, Table 1
    Bound: the KL of criterion attribute_balanced at 0.5 in its attribute, less that of the reference and of every other
    criterion at 0.5, is below 0; and its change of FD is below `margin` of the reference's FD.
    """
    attributes = _measured_attributes(evidence)
    measured = {attribute for _, attribute in attributes}
    aware = [arm for arm in evidence.pruned_by("attribute_balanced") if arm.attribute in measured]
    if not aware:
        return Finding(NOT_MEASURED)
    others = [arm for arm in _half_pruned(evidence) if arm.criterion not in ("attribute_balanced", "random_half")]
    of_criterion = [pair for pair in attributes if pair[1] == aware[0].attribute]
    verdict, words = _judge_kl(evidence, aware[0], [evidence.reference, *others], of_criterion)
    cost = judge_fd(evidence, aware[:1], evidence.reference, not_worse(evidence))
    return Finding(all_of([verdict, cost.verdict]), f"{words}; {cost.measured}", cost.n)


def _measured_attributes(evidence: Evidence) -> list[ClassifiedAttribute]:
    """Those whose divergence from uniform was measured of the reference's samples."""
    rows = evidence.fairness
    if rows.empty:
        return []
    of_reference = rows[(rows["run"] == evidence.reference_run) & (rows["reference"] == "uniform")]
    divergences = of_reference[of_reference["metric"].str.startswith("kl_")]
    return list(zip(divergences["encoder"], divergences["metric"].str.removeprefix("kl_"), strict=True))


def _half_pruned(evidence: Evidence) -> list[Arm]:
    return [arm for arm in evidence.of_kind("subset") if arm.pruning_fraction == 0.5]


def _judge_kl(
    evidence: Evidence, fairest: Arm, others: Sequence[Arm], attributes: Sequence[ClassifiedAttribute]
) -> tuple[str, str]:
    """Whether `fairest` is nearer to uniform than each of `others` in each attribute, and the smallest leads in
    words."""
    verdicts, parts, between = [], [], None
    for classifier, attribute in attributes:
        roots = {arm.runs: _root_kl_of_runs(evidence, arm, classifier, attribute) for arm in evidence.arms}
        between = between_runs(list(roots.values()))
        changes = {evidence.arm_label(arm): contrast(roots[fairest.runs], roots[arm.runs], between) for arm in others}
        verdicts += [if_trusted(evidence, (classifier, attribute), below(each, 0.0)) for each in changes.values()]
        nearest = max(others, key=lambda arm: changes[evidence.arm_label(arm)].value)
        lead = signed(changes[evidence.arm_label(nearest)])
        values = " against ".join(f"{_mean(roots[arm.runs]) ** 2:.3f}" for arm in (fairest, nearest))
        label = f"{attribute.replace('_', ' ')} by {classifier}"
        parts.append(f"{label} {values} of {evidence.arm_label(nearest)}, √KL {lead}")
    words = f"KL to uniform in nats, against the nearest other run: {'; '.join(parts)}"
    words += distrust_in_words(evidence, attributes)
    return if_repeated(between, all_of(verdicts)), words if between else words + spread_in_words(None)


def _root_kl_of_runs(evidence: Evidence, arm: Arm, classifier: str, attribute: str) -> list[Estimate]:
    found = (find_metric(evidence.fairness, f"kl_{attribute}", run, "uniform", classifier) for run in arm.runs)
    return [on_scale(lambda kl: math.sqrt(max(kl, 0.0)), each.estimate) for each in found]


def _mean(estimates: Sequence[Estimate]) -> float:
    return sum(each.value for each in estimates) / len(estimates)
