"""The share of the mapping from noise to images that a run keeps of another run's.

A run keeps the mapping, breaks it, or keeps a part, by `Bounds.kept` and `Bounds.broken`: no share does two of these.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from steadyflow.claims.bounds import Bounds
from steadyflow.claims.evidence import Evidence, Pair
from steadyflow.claims.trainings import Pairs, mean_over_pairs, variance_of_a_pair
from steadyflow.claims.verdict import NOT_MEASURED, UNDECIDED, Finding, above, all_of, below
from steadyflow.claims.wording import percent
from steadyflow.evaluate.estimate import BetweenRuns, Estimate
from steadyflow.evaluate.share import share_of_mapping
from steadyflow.ground.arm import Arm

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
    """The verdict of `bound` on the share kept by every two arms that `pairs` are of, each the mean over its pairs: all
    have to pass. Undecided where a pair shares a seed; not measured without pairs."""
    if not pairs:
        return Finding(NOT_MEASURED)
    repeated = (of_arms for of_arms in _by_arms(evidence, _all_pairs(evidence)) if len(of_arms) > 1)
    elsewhere = variance_of_a_pair(_shares(evidence, of_arms)[0] for of_arms in repeated)
    verdicts, parts, counts = [], [], []
    for of_arms in _by_arms(evidence, pairs):
        shares, n = _shares(evidence, of_arms)
        mean = mean_over_pairs(shares, elsewhere)
        verdicts.append(bound(mean, evidence.bounds))
        parts.append(f"{_label(evidence, of_arms)} {percent(mean)}")
        counts.append(n)
    words = f"share of the mapping kept: {'; '.join(parts)}{_spread_in_words(elsewhere)}"
    return if_independent(evidence, pairs, Finding(all_of(verdicts), words, min(counts)))


def if_independent(evidence: Evidence, pairs: Sequence[Pair], found: Finding) -> Finding:
    """`found`, or undecided, with the reason in words, where two trainings that were compared share a seed."""
    shared = [evidence.pair_label(pair) for pair in pairs if pair in evidence.shared_seeds]
    if not shared:
        return found
    reason = f"not of independent trainings: {', '.join(shared)} share a seed"
    return replace(found, verdict=UNDECIDED, measured=f"{found.measured}; {reason}")


def _all_pairs(evidence: Evidence) -> list[Pair]:
    """Those of all arms that were compared with each other."""
    compared = set(zip(evidence.similarity["run"], evidence.similarity["reference"], strict=True))
    pairs = [*evidence.pairs_with_reference(evidence.arms), *evidence.inverse_pairs]
    return [pair for pair in pairs if pair in compared]


def _by_arms(evidence: Evidence, pairs: Sequence[Pair]) -> list[list[Pair]]:
    """The pairs of each two arms."""
    found: dict[tuple[Arm, Arm], list[Pair]] = {}
    for run, reference in pairs:
        found.setdefault((evidence.arm_of(run), evidence.arm_of(reference)), []).append((run, reference))
    return list(found.values())


def _shares(evidence: Evidence, pairs: Sequence[Pair]) -> tuple[Pairs, int]:
    """The shares kept by the pairs of two arms, and the smallest number of matched samples."""
    shares, counts = zip(*(share_kept(evidence, *pair) for pair in pairs), strict=True)
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
