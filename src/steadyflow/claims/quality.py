"""Quality: what pruning, and another target, do to the FD of the samples."""

from steadyflow.claims.evidence import Evidence
from steadyflow.claims.fd import improves, judge_fd, not_worse, worsens
from steadyflow.claims.verdict import NOT_MEASURED, Finding, all_of


def balanced_helps(evidence: Evidence) -> Finding:
    """Balanced cluster pruning at 0.5 improves FID over unpruned.

    Source: Amazing Stability, Table 1a; Exploiting Stability, Fig. 3
    Bound: the change of FD is below 0.
    """
    return judge_fd(evidence, evidence.pruned_by("cluster_b"), evidence.reference, improves)


def high_loss_hurts(evidence: Evidence) -> Finding:
    """Keeping the highest-loss half hurts FID; keeping the lowest-loss half does not.

    Source: Amazing Stability, Table 1a
    Bound: the change of FD is above 0 for criterion loss, and below MARGIN of the reference's FD for loss_inv.
    """
    return _one_side_hurts(evidence, harmful="loss", harmless="loss_inv")


def low_grad_hurts(evidence: Evidence) -> Finding:
    """Keeping the lowest-gradient half hurts FID; keeping the highest barely changes it.

    Source: Amazing Stability, Table 1a
    Bound: the change of FD is above 0 for criterion grad_inv, and below MARGIN of the reference's FD for grad.
    """
    return _one_side_hurts(evidence, harmful="grad_inv", harmless="grad")


def kernel_within_clusters(evidence: Evidence) -> Finding:
    """Kernel selection inside clusters beats global kernel selection.

    Source: Exploiting Stability, App. A.1
    Bound: the FD of criterion kernel_b less that of kernel is below 0.
    """
    within, whole = evidence.pruned_by("kernel_b"), evidence.pruned_by("kernel")
    return judge_fd(evidence, within, whole[0], improves) if whole else Finding(NOT_MEASURED)


def pruning_speeds_imagenet(evidence: Evidence) -> Finding:
    """At a fixed 200k iterations every pruned ImageNet subset beats unpruned.

    Source: Exploiting Stability, Fig. 6
    Bound: of label-conditional models trained for equally many steps, the change of FD is below 0 for criterion
    cluster_b at every pruning fraction.
    """
    if not evidence.conditional:
        return Finding(NOT_MEASURED)
    return judge_fd(evidence, evidence.pruned_by("cluster_b", fraction=None), evidence.reference, improves)


def efm_no_worse(evidence: Evidence) -> Finding:
    """Regressing on the closed-form target (EFM-128/256/1000) does not degrade and can improve FD on train and test.

    Source: Closed Form, Fig. 4; Closed Form talk
    Bound: the change of FD is below MARGIN of the reference's FD.
    """
    arms = evidence.of_kind("explicit_target")
    return judge_fd(evidence, arms, evidence.reference, not_worse) if arms else Finding(NOT_MEASURED)


def _one_side_hurts(evidence: Evidence, *, harmful: str, harmless: str) -> Finding:
    """One criterion at 0.5 worsens FD, and its inverse does not."""
    worse, fine = evidence.pruned_by(harmful), evidence.pruned_by(harmless)
    if not (worse and fine):
        return Finding(NOT_MEASURED)
    first = judge_fd(evidence, worse, evidence.reference, worsens)
    second = judge_fd(evidence, fine, evidence.reference, not_worse)
    return Finding(all_of([first.verdict, second.verdict]), f"{first.measured}; {second.measured}", first.n)
