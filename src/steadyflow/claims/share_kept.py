"""The share of the mapping from noise to images that a run keeps of another run's.

A run keeps the mapping, breaks it, or keeps a part, by `Bounds.kept` and `Bounds.broken`: no share does two of these.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from steadyflow.claims.bounds import Bounds
from steadyflow.claims.evidence import Evidence, Pair
from steadyflow.claims.trainings import Pairs, mean_over_pairs, variance_of_a_pair
from steadyflow.claims.verdict import NOT_MEASURED, UNDECIDED, Finding, above, all_of, below
from steadyflow.claims.wording import percent
from steadyflow.evaluate.estimate import BetweenRuns, Estimate
from steadyflow.evaluate.share import has_pair, share_of_mapping
from steadyflow.ground.arm import Arm

COSINE = "cosine"
"""The measure of similarity that claims on the mapping are about: of features."""
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
    return share_of(evidence, COSINE, run, reference, mode)


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
    """The verdict of `bound` on the share kept by every two arms that `pairs` are of: all have to pass. Undecided where
    two arms have no pair that shares no seed. Not measured without pairs."""
    if not pairs:
        return Finding(NOT_MEASURED)
    shares, elsewhere = shares_of_arms(evidence, COSINE, pairs)
    words = f"share of the mapping kept: {shares_in_words(evidence, shares)}{_spread_in_words(elsewhere)}"
    judged = [pair for share in shares for pair in share.pairs]
    if left_out := [evidence.pair_label(pair) for pair in pairs if pair not in judged]:
        words += f"; not counted, sharing a seed: {', '.join(left_out)}"
    verdict = all_of(bound(share.mean, evidence.bounds) for share in shares)
    return if_independent(evidence, judged, Finding(verdict, words, min(share.n for share in shares)))


@dataclass(frozen=True)
class ShareOfArms:
    """What two arms share: the `mean` over `pairs` of trainings, and the smallest number `n` of matched samples."""

    pairs: Sequence[Pair]
    mean: Estimate
    n: int


def shares_of_arms(
    evidence: Evidence, measure: str, pairs: Sequence[Pair]
) -> tuple[list[ShareOfArms], BetweenRuns | None]:
    """What every two arms that `pairs` are of share, by a `measure` as in `share_of`; and the variance of the share of
    one pair of trainings, pooled over all arms of the study, None without repeats. Pairs that share a seed do not count
    where the two arms have others."""
    repeated = [of_arms for of_arms in _by_arms(evidence, _all_pairs(evidence, measure)) if len(of_arms) > 1]
    elsewhere = variance_of_a_pair(_shares(evidence, measure, of_arms)[0] for of_arms in repeated)
    found = []
    for of_arms in _by_arms(evidence, pairs):
        used = independent(evidence, of_arms) or of_arms
        shares, n = _shares(evidence, measure, used)
        found.append(ShareOfArms(used, mean_over_pairs(shares, elsewhere), n))
    return found, elsewhere


def shares_in_words(evidence: Evidence, shares: Sequence[ShareOfArms]) -> str:
    return "; ".join(f"{_label(evidence, share.pairs)} {percent(share.mean)}" for share in shares)


def independent(evidence: Evidence, pairs: Sequence[Pair]) -> list[Pair]:
    """Those whose trainings share no seed."""
    return [pair for pair in pairs if pair not in evidence.shared_seeds]


def if_independent(evidence: Evidence, pairs: Sequence[Pair], found: Finding) -> Finding:
    """`found`, or undecided, with the reason in words, where two trainings that were compared share a seed."""
    shared = [evidence.pair_label(pair) for pair in pairs if pair in evidence.shared_seeds]
    if not shared:
        return found
    reason = f"not of independent trainings: {', '.join(shared)} share a seed"
    return replace(found, verdict=UNDECIDED, measured=f"{found.measured}; {reason}")


def _all_pairs(evidence: Evidence, measure: str) -> list[Pair]:
    """Those of all arms that were compared by this measure and share no seed."""
    pairs = [*evidence.pairs_with_reference(evidence.arms), *evidence.inverse_pairs]
    return [pair for pair in independent(evidence, pairs) if has_pair(evidence.similarity, measure, *pair)]


def _by_arms(evidence: Evidence, pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs of each two arms."""
    found: dict[tuple[Arm, Arm], list[Pair]] = {}
    for run, reference in pairs:
        found.setdefault((evidence.arm_of(run), evidence.arm_of(reference)), []).append((run, reference))
    return list(found.values())


def _shares(evidence: Evidence, measure: str, pairs: Sequence[Pair]) -> tuple[Pairs, int]:
    """What the pairs of two arms share, and the smallest number of matched samples."""
    shares, counts = zip(*(share_of(evidence, measure, *pair) for pair in pairs), strict=True)
    apart = len({run for pair in pairs for run in pair}) == 2 * len(pairs)
    return Pairs(shares, one_in_common=not apart), min(counts)


def _label(evidence: Evidence, pairs: Sequence[Pair]) -> str:
    """Of two arms, with the number of trainings of each that were compared."""
    label = evidence.pair_label(pairs[0])
    if len(pairs) == 1:
        return label
    runs, references = ({pair[side] for pair in pairs} for side in (0, 1))
    return f"{label} ({len(runs)} trainings against {len(references)})"


def _spread_in_words(between: BetweenRuns | None) -> str:
    if between is None:
        return " (of these trainings alone: none was repeated, so others might differ)"
    return (
        f" (pairs of trainings differ by SD {100 * between.variance**0.5:.2g}%, {between.degrees} degrees of freedom)"
    )
