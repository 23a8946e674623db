"""The share of the mapping from noise to images that a run keeps of another run's.

A run keeps the mapping, breaks it, or keeps a part, by `Bounds.kept` and `Bounds.broken`: no share does two of these.
"""

from collections.abc import Callable, Sequence

from steadyflow.claims.bounds import Bounds
from steadyflow.claims.evidence import Evidence, Pair
from steadyflow.claims.verdict import NOT_MEASURED, Finding, above, all_of, below
from steadyflow.claims.wording import percent
from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.share import share_of_mapping

ShareBound = Callable[[Estimate, Bounds], str]
"""The verdict on a share kept."""


def keeps(share: Estimate, bounds: Bounds) -> str:
    """Above `kept`."""
    return above(share, bounds.kept)


def breaks(share: Estimate, bounds: Bounds) -> str:
    """Below `broken`."""
    return below(share, bounds.broken)


def keeps_partly(share: Estimate, bounds: Bounds) -> str:
    """Above `broken` and below `kept`."""
    return all_of([above(share, bounds.broken), below(share, bounds.kept)])


def resembles(share: Estimate, bounds: Bounds) -> str:
    """Above `broken`."""
    return above(share, bounds.broken)


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


def judge_shares(evidence: Evidence, pairs: Sequence[Pair], bound: ShareBound) -> Finding:
    """The verdict of `bound` on the share kept by every pair: all have to pass. Not measured without pairs."""
    if not pairs:
        return Finding(NOT_MEASURED)
    found = [share_kept(evidence, *pair) for pair in pairs]
    parts = [f"{evidence.pair_label(pair)} {percent(share)}" for pair, (share, _) in zip(pairs, found, strict=True)]
    verdict = all_of(bound(share, evidence.bounds) for share, _ in found)
    return Finding(verdict, f"share of the mapping kept: {'; '.join(parts)}", min(n for _, n in found))
