"""The share of the mapping from noise to images that a run keeps of another run's.

A run keeps the mapping from KEPT on, breaks it below BROKEN, and resembles the other in between.
"""

from collections.abc import Sequence

from steadyflow.claims.evidence import Evidence, Pair
from steadyflow.claims.verdict import NOT_MEASURED, Bound, Finding, above, all_of, below
from steadyflow.claims.wording import percent
from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.share import share_of_mapping

KEPT, BROKEN = 0.5, 0.25


def keeps(share: Estimate) -> str:
    """Above KEPT."""
    return above(share, KEPT)


def breaks(share: Estimate) -> str:
    """Below BROKEN."""
    return below(share, BROKEN)


def keeps_partly(share: Estimate) -> str:
    """Above 0 and below KEPT."""
    return all_of([above(share, 0.0), below(share, KEPT)])


def resembles(share: Estimate) -> str:
    """Above BROKEN."""
    return above(share, BROKEN)


def share_kept(evidence: Evidence, run: str, reference: str, mode: str = "") -> tuple[Estimate, int]:
    """The share that `run` keeps of the mapping of `reference`, and the number of matched pairs.

    `mode`: "[kept mode]" or "[removed mode]", as in `share_of_mapping`.
    """
    return share_of(evidence, "cosine", run, reference, mode)


def share_of(evidence: Evidence, measure: str, run: str, reference: str, mode: str = "") -> tuple[Estimate, int]:
    """As `share_kept`, of cosines of features or of another `measure` of similarity."""
    return share_of_mapping(
        evidence.similarity,
        evidence.similarity_encoder,
        run,
        reference,
        measure=measure,
        ceiling=evidence.reference_run,
        mode=mode,
    )


def judge_shares(evidence: Evidence, pairs: Sequence[Pair], bound: Bound) -> Finding:
    """The verdict of `bound` on the share kept by every pair: all have to pass. Not measured without pairs."""
    if not pairs:
        return Finding(NOT_MEASURED)
    found = [share_kept(evidence, *pair) for pair in pairs]
    parts = [f"{evidence.pair_label(pair)} {percent(share)}" for pair, (share, _) in zip(pairs, found, strict=True)]
    verdict = all_of(bound(share) for share, _ in found)
    return Finding(verdict, f"share of the mapping kept: {'; '.join(parts)}", min(n for _, n in found))
