"""The rule that judges each claim."""

from collections.abc import Callable, Iterable

from steadyflow.claims import departures, fairness, mode_removal, quality, stability
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
    "kernel_within_clusters": quality.kernel_within_clusters,
    "pruning_speeds_imagenet": quality.pruning_speeds_imagenet,
    "efm_no_worse": quality.efm_no_worse,
    "balanced_fairer": fairness.balanced_fairer,
    "label_aware_fairest": fairness.label_aware_fairest,
}
"""By the ids of claims.csv. A claim without a rule is about a quantity that this project does not measure yet."""


def judge(claims: Iterable[Claim], evidence: Evidence) -> list[tuple[Claim, Finding]]:
    """A finding for each claim, in their order; not measured where there is no rule."""
    return [(claim, RULES[claim.id](evidence) if claim.id in RULES else Finding(NOT_MEASURED)) for claim in claims]
