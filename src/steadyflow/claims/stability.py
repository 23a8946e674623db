"""Stability: other data of the same distribution, another seed or another capacity keep the mapping."""

from collections.abc import Sequence
from dataclasses import replace

from steadyflow.claims import criteria
from steadyflow.claims.evidence import Evidence, Pair
from steadyflow.claims.null_model import judge_stability
from steadyflow.claims.share_kept import keeps
from steadyflow.claims.verdict import NOT_MEASURED, Finding, in_turn


def stable_halves(evidence: Evidence) -> Finding:
    """Models trained on disjoint random halves map the same noise to nearly the same image.

    Source: Amazing Stability, Fig. 1a
    Bound: the share kept between the two halves, of an overlap up to `overlap`, is above `kept`.
    """
    halves = {run for arm in evidence.pruned_by("random_half") for run in arm.runs}
    return _judge_disjoint(evidence, [pair for pair in evidence.inverse_pairs if set(pair) <= halves])


def stable_pruned(evidence: Evidence) -> Finding:
    """A model trained on half the data stays close to the unpruned one for every criterion.

    Source: Amazing Stability, Table 1b; Exploiting Stability, Table 3a
    Bound: the share kept is above `kept` for every run of the papers' nine criteria at pruning fraction 0.5.
    """
    pruned = evidence.pruned_by(*criteria.PAPERS)
    return judge_stability(evidence, evidence.pairs_with_reference(pruned), keeps)


def stable_inverse(evidence: Evidence) -> Finding:
    """A criterion and its inverse, whose subsets are disjoint, still agree.

    Source: Exploiting Stability, Table 3b
    Bound: the share kept between the run of one of the papers' criteria and its inverse's, of an overlap up to
    `overlap`, is above `kept` in every encoder that pairs are compared in.
    """
    of_run = {run: arm.criterion for arm in evidence.of_kind("subset") for run in arm.runs}
    opposite = [
        (run, other)
        for run, other in evidence.inverse_pairs
        if of_run.get(run) in criteria.PAPERS and of_run.get(other) == f"{of_run[run]}_inv"
    ]
    several = len(evidence.similarity_encoders) > 1
    found = {
        encoder: _judge_disjoint(evidence.compared_in(encoder), opposite) for encoder in evidence.similarity_encoders
    }
    return in_turn(
        replace(each, measured=f"{encoder}: {each.measured}") if several and each.measured else each
        for encoder, each in found.items()
    )


def stable_seed(evidence: Evidence) -> Finding:
    """A new initialisation and data order keep the mapping.

    Source: Exploiting Stability, Sec. 3.1
    Bound: the share kept by every other run of the reference's arm is above `kept`.
    """
    return judge_stability(evidence, evidence.pairs_with_reference(evidence.of_kind("reference")), keeps)


def stable_capacity(evidence: Evidence) -> Finding:
    """Changing capacity (S/2 -> XL/2) keeps the mapping.

    Source: Exploiting Stability, Fig. 4a
    Bound: the share kept by every run of another size of the same network is above `kept`.
    """
    return judge_stability(evidence, evidence.pairs_with_reference(evidence.of_kind("capacity")), keeps)


def _judge_disjoint(evidence: Evidence, pairs: Sequence[Pair]) -> Finding:
    """`kept` on those pairs whose training images overlap by `overlap` at most."""
    rows = evidence.similarity[evidence.similarity["metric"] == "overlap"]
    overlaps = dict(zip(zip(rows["run"], rows["reference"], strict=True), rows["value"], strict=True))
    disjoint = [pair for pair in pairs if overlaps.get(pair, 1.0) <= evidence.bounds.overlap]
    if not disjoint:
        return Finding(NOT_MEASURED)
    found, largest = judge_stability(evidence, disjoint, keeps), max(overlaps[pair] for pair in disjoint)
    return replace(found, measured=f"{found.measured} (overlap at most {largest:.2f})")
