"""The rule that judges each claim."""

from collections.abc import Callable, Iterable
from dataclasses import replace

from steadyflow.claims import (
    clusters,
    departures,
    fairness,
    mode_removal,
    other_datasets,
    quality,
    stability,
    tradeoff,
)
from steadyflow.claims.claim import Claim
from steadyflow.claims.evidence import Evidence
from steadyflow.claims.verdict import NOT_MEASURED, Finding

Rule = Callable[[Evidence], Finding]

RULES: dict[str, Rule] = {
    "stable_halves": stability.stable_halves,
    "stable_pruned": stability.stable_pruned,
    "stable_inverse": stability.stable_inverse,
    "stable_seed": stability.stable_seed,
    "stable_capacity": stability.stable_capacity,
    "weaker_architecture": departures.weaker_architecture,
    "dataset_swap": departures.dataset_swap,
    "tokenizer_breaks": departures.tokenizer_breaks,
    "flip_first_partial": departures.flip_first_partial,
    "flip_all_breaks": departures.flip_all_breaks,
    "diffusion_breaks": departures.diffusion_breaks,
    "local_mode_removal": mode_removal.local_mode_removal,
    "balanced_helps": quality.balanced_helps,
    "high_loss_hurts": quality.high_loss_hurts,
    "low_grad_hurts": quality.low_grad_hurts,
    "preserved_to_half": quality.preserved_to_half,
    "larger_better": quality.larger_better,
    "two_clusters_best": clusters.two_clusters_best,
    "kernel_within_clusters": clusters.kernel_within_clusters,
    "inverse_clusters_better": clusters.inverse_clusters_better,
    "tradeoff_celebahq": tradeoff.tradeoff_celebahq,
    "no_tradeoff_imagenet": tradeoff.no_tradeoff_imagenet,
    "stable_512": other_datasets.stable_512,
    "stable_ffhq": other_datasets.stable_ffhq,
    "stable_imagenet": other_datasets.stable_imagenet,
    "pruning_speeds_imagenet": quality.pruning_speeds_imagenet,
    "efm_no_worse": quality.efm_no_worse,
    "balanced_fairer": fairness.balanced_fairer,
    "label_aware_fairest": fairness.label_aware_fairest,
}
"""By the ids of claims.csv. A claim without a rule is about a quantity that this project does not measure yet."""


def judge(claims: Iterable[Claim], evidence: Evidence) -> list[tuple[Claim, Finding]]:
    """A finding for each claim, in their order, with the verdicts at half and at twice all bounds.

    Not measured where there is no rule, and where a claim is about another dataset than that of the evidence.
    """
    return [(claim, _find(claim, evidence)) for claim in claims]


def _find(claim: Claim, evidence: Evidence) -> Finding:
    if claim.id not in RULES or claim.dataset not in ("", evidence.reproduces):
        return Finding(NOT_MEASURED)
    rule = RULES[claim.id]
    halved, doubled = (rule(replace(evidence, bounds=evidence.bounds.times(factor))).verdict for factor in (0.5, 2))
    return replace(rule(evidence), halved=halved, doubled=doubled)
