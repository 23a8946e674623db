"""Stability on the papers' other datasets: CelebA-HQ at 512x512, FFHQ and ImageNet."""

from steadyflow.claims import criteria
from steadyflow.claims.evidence import Evidence
from steadyflow.claims.null_model import judge_stability
from steadyflow.claims.share_kept import keeps
from steadyflow.claims.stability import stable_inverse
from steadyflow.claims.verdict import Finding, in_turn


def stable_512(evidence: Evidence) -> Finding:
    """Stability extends to 512x512: the model of balanced clusters stays close to the unpruned one.

    Source: Exploiting Stability, App. A.3
    Bound: the share kept is above `kept` for criterion cluster_b at pruning fraction 0.5.
    """
    return judge_stability(evidence, evidence.pairs_with_reference(evidence.pruned_by("cluster_b")), keeps)


def stable_ffhq(evidence: Evidence) -> Finding:
    """Stability holds on FFHQ: for every criterion at pr = 0.25 and 0.5, and between a criterion and its inverse.

    Source: Exploiting Stability, App. A.5
    Bound: the share kept is above `kept` for every run of the papers' criteria at 0.25 and 0.5, and between those of a
    criterion and its inverse as for stable_inverse.
    """
    pruned = [arm for fraction in (0.25, 0.5) for arm in evidence.pruned_by(*criteria.PAPERS, fraction=fraction)]
    shares = judge_stability(evidence, evidence.pairs_with_reference(pruned), keeps)
    return in_turn([shares, stable_inverse(evidence)])


def stable_imagenet(evidence: Evidence) -> Finding:
    """Stability under pruning remains high on ImageNet, in features of DINO.

    Source: Exploiting Stability, Sec. 3.1
    Bound: the share kept is above `kept` for random subsets and all criteria by clusters, at every pruning fraction.
    """
    pruned = evidence.pruned_by(*criteria.ON_IMAGENET, fraction=None)
    return judge_stability(evidence, evidence.pairs_with_reference(pruned), keeps)
