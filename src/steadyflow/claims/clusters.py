"""Clusters: how many, which of their images, and what that does to the FD of the samples."""

from dataclasses import replace

from steadyflow.claims.evidence import Evidence
from steadyflow.claims.fd import improves, judge_fd
from steadyflow.claims.verdict import NOT_MEASURED, Finding, in_turn


def kernel_within_clusters(evidence: Evidence) -> Finding:
    """Kernel selection inside clusters beats global kernel selection.

    Source: Exploiting Stability, App. A.1
    Bound: the FD of criteria kernel_b and kernel_p, where there are runs of them, less that of kernel is below 0.
    """
    within, whole = evidence.pruned_by("kernel_b", "kernel_p"), evidence.pruned_by("kernel")
    return judge_fd(evidence, within, whole[0], improves) if whole else Finding(NOT_MEASURED)


def two_clusters_best(evidence: Evidence) -> Finding:
    """k = 2 achieves the best FD in CLIP of all numbers of clusters.

    Source: Exploiting Stability, Fig. 7
    Bound: in the features of CLIP, the FD of balanced clusters of k = 2 less that of every other k is below 0.
    """
    balanced = next((dict(line) for name, line in evidence.by_k.items() if name.startswith("cluster_b,")), {})
    two, others = balanced.get(2), [run for k, run in balanced.items() if k != 2]
    if not (evidence.clip_encoder and two and others):
        return Finding(NOT_MEASURED)
    in_clip = replace(evidence, encoder=evidence.clip_encoder)
    return in_turn(judge_fd(in_clip, [in_clip.arm_of(two)], in_clip.arm_of(run), improves) for run in others)


def inverse_clusters_better(evidence: Evidence) -> Finding:
    """On FFHQ the images furthest from their cluster's centre make better models than the nearest.

    Source: Exploiting Stability, App. A.5
    Bound: the FD of criterion cluster_b_inv less that of cluster_b, and of cluster_p_inv less that of cluster_p, is
    below 0 at every pruning fraction up to 0.5.
    """
    opposites = [
        (arm, nearest)
        for criterion in ("cluster_b", "cluster_p")
        for nearest in evidence.pruned_by(criterion, fraction=None)
        if (nearest.pruning_fraction or 0) <= 0.5
        for arm in evidence.pruned_by(f"{criterion}_inv", fraction=nearest.pruning_fraction)
    ]
    return in_turn(judge_fd(evidence, [arm], nearest, improves) for arm, nearest in opposites)
