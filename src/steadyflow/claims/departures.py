"""Departures: what changes the mapping in part, and what breaks it."""

from steadyflow.claims.evidence import Evidence
from steadyflow.claims.share_kept import ShareBound, breaks, judge_shares, keeps_partly, resembles, share_kept
from steadyflow.claims.verdict import Finding, all_of, below
from steadyflow.claims.wording import percent
from steadyflow.evaluate.estimate import difference


def weaker_architecture(evidence: Evidence) -> Finding:
    """DiT -> U-Net keeps coarse attributes only.

    Source: Exploiting Stability, Fig. 4a
    Bound: the share kept is above `broken` and below `kept`, and below that of every run of another capacity where
    there are any.
    """
    pairs = evidence.pairs_with_reference(evidence.of_kind("architecture"))
    found = judge_shares(evidence, pairs, keeps_partly)
    capacity = evidence.pairs_with_reference(evidence.of_kind("capacity"))
    if not (pairs and capacity):
        return found
    differences = [
        difference(share_kept(evidence, *other_network)[0], share_kept(evidence, *other_size)[0])
        for other_network in pairs
        for other_size in capacity
    ]
    verdict = all_of([found.verdict, *(below(each, 0.0) for each in differences)])
    words = "; ".join(map(percent, differences))
    return Finding(verdict, f"{found.measured}; less than a change of capacity leaves by {words}", found.n)


def dataset_swap(evidence: Evidence) -> Finding:
    """Another dataset of the same domain under the same tokenizer keeps resemblance.

    Source: Exploiting Stability, Fig. 4c
    Bound: the share kept is above `broken`.
    """
    return _judge_kind(evidence, "dataset", resembles)


def tokenizer_breaks(evidence: Evidence) -> Finding:
    """A reseeded tokenizer breaks the mapping.

    Source: Exploiting Stability, Fig. 4d
    Bound: the share kept is below `broken`.
    """
    return _judge_kind(evidence, "tokenizer_seed", breaks)


def flip_first_partial(evidence: Evidence) -> Finding:
    """Flipping the sign of the first latent channel keeps perceptual similarity partly.

    Source: Exploiting Stability, Fig. 4d
    Bound: the share kept is above `broken` and below `kept`.
    """
    return _judge_kind(evidence, "flip_first", keeps_partly)


def flip_all_breaks(evidence: Evidence) -> Finding:
    """Flipping the sign of all latent channels breaks the mapping.

    Source: Exploiting Stability, Fig. 4d
    Bound: the share kept is below `broken`.
    """
    return _judge_kind(evidence, "flip_all", breaks)


def diffusion_breaks(evidence: Evidence) -> Finding:
    """Score-based diffusion with the same architecture maps the same noise elsewhere.

    Source: Exploiting Stability, Fig. 4e
    Bound: the share kept is below `broken`.
    """
    return _judge_kind(evidence, "diffusion", breaks)


def _judge_kind(evidence: Evidence, kind: str, bound: ShareBound) -> Finding:
    return judge_shares(evidence, evidence.pairs_with_reference(evidence.of_kind(kind)), bound)
