"""Quality: what pruning, capacity and another target do to the FD of the samples."""

from dataclasses import replace

from steadyflow.claims import criteria
from steadyflow.claims.evidence import Evidence
from steadyflow.claims.fd import improves, judge_fd, not_worse, worsens
from steadyflow.claims.verdict import NOT_MEASURED, Finding, in_turn


def balanced_helps(evidence: Evidence) -> Finding:
    """Balanced cluster pruning at 0.5 improves FID over unpruned.

    Source: Amazing Stability, Table 1a; Exploiting Stability, Fig. 3
    Bound: the change of FD is below 0.
    """
    return judge_fd(evidence, evidence.pruned_by("cluster_b"), evidence.reference, improves)


def high_loss_hurts(evidence: Evidence) -> Finding:
    """Keeping the highest-loss half hurts FID; keeping the lowest-loss half does not.

    Source: Amazing Stability, Table 1a
    Bound: the change of FD is above 0 for criterion loss, and below `margin` of the reference's FD for loss_inv.
    """
    return _one_side_hurts(evidence, harmful="loss", harmless="loss_inv")


def low_grad_hurts(evidence: Evidence) -> Finding:
    """Keeping the lowest-gradient half hurts FID; keeping the highest barely changes it.

    Source: Amazing Stability, Table 1a
    Bound: the change of FD is above 0 for criterion grad_inv, and below `margin` of the reference's FD for grad.
    """
    return _one_side_hurts(evidence, harmful="grad_inv", harmless="grad")


def preserved_to_half(evidence: Evidence) -> Finding:
    """Clusters, highest gradients and lowest losses preserve FID up to pr = 0.5; beyond it FID deteriorates for all.

    Source: Exploiting Stability, Fig. 3
    Bound: the change of FD is below `margin` of the reference's FD for criteria cluster_b, cluster_p, grad and loss_inv
    up to pruning fraction 0.5, and above 0 for each of the papers' criteria beyond it.
    """
    preserving = evidence.pruned_by(*criteria.PRESERVING, fraction=None)
    every = evidence.pruned_by(*criteria.PAPERS, fraction=None)
    fine = [arm for arm in preserving if (arm.pruning_fraction or 0) <= 0.5]
    worse = [arm for arm in every if (arm.pruning_fraction or 0) > 0.5]
    if not (fine and worse):
        return Finding(NOT_MEASURED)
    preserved = judge_fd(evidence, fine, evidence.reference, not_worse(evidence))
    return in_turn([preserved, judge_fd(evidence, worse, evidence.reference, worsens)])


def larger_better(evidence: Evidence) -> Finding:
    """A larger transformer has a slightly better FID (S/2 -> XL/2).

    Source: Exploiting Stability, Sec. 3.1
    Bound: the change of FD is below 0 for every run of another size of the same network that takes more operations.
    """
    work = evidence.operations
    larger = [arm for arm in evidence.of_kind("capacity") if work[arm.runs[0]] > work[evidence.reference_run]]
    return judge_fd(evidence, larger, evidence.reference, improves)


def pruning_speeds_imagenet(evidence: Evidence) -> Finding:
    """At a fixed 200k iterations every pruned ImageNet subset beats unpruned.

    Source: Exploiting Stability, Fig. 6
    Bound: the change of FD is below 0 for random subsets and all criteria by clusters, at every pruning fraction, of
    models trained for as many steps.
    """
    arms = evidence.pruned_by(*criteria.ON_IMAGENET, fraction=None)
    return judge_fd(evidence, arms, evidence.reference, improves)


def efm_no_worse(evidence: Evidence) -> Finding:
    """Regressing on the closed-form target (EFM-128/256/1000) does not degrade and can improve FD on train and test.

    Source: Closed Form, Fig. 4; Closed Form talk
    Bound: the change of FD is below `margin` of the reference's FD, to held-out images and, where that was measured, to
    training images.
    """
    arms = evidence.of_kind("explicit_target")
    if not arms:
        return Finding(NOT_MEASURED)
    measured = set(evidence.quality["metric"])
    against = {"fd": "held-out images", "fd_train": "training images"}
    found = {
        images: judge_fd(given, arms, given.reference, not_worse(given))
        for metric, images in against.items()
        if metric in measured
        for given in [replace(evidence, distance=metric)]
    }
    return in_turn(replace(each, measured=f"to {images}: {each.measured}") for images, each in found.items())


def _one_side_hurts(evidence: Evidence, *, harmful: str, harmless: str) -> Finding:
    """One criterion at 0.5 worsens FD, and its inverse does not."""
    worse, fine = evidence.pruned_by(harmful), evidence.pruned_by(harmless)
    if not (worse and fine):
        return Finding(NOT_MEASURED)
    hurt = judge_fd(evidence, worse, evidence.reference, worsens)
    return in_turn([hurt, judge_fd(evidence, fine, evidence.reference, not_worse(evidence))])
