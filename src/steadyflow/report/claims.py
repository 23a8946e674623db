"""What the papers claim, and what a study's own measurements say to it.

Each claim has a rule here that reads the metrics, finds the arms it speaks of by what they differ from the reference
in, and answers with a verdict and what was measured:

holds, fails: the 95% interval lies on one side of the bound. undecided: it does not, at this n and these trainings.
not measured: the study has no such runs, or measures no such thing.

A claim in words needs a bound in numbers, and these are ours. How far a run keeps the mapping is the share of the way
from unmatched to perfectly matched samples, (matched - unmatched) / (ceiling - unmatched), where the ceiling is the
reference under another solver, or 1: it keeps the mapping from KEPT on, and breaks it below BROKEN. A Fréchet distance
"does not suffer" if it rises by less than MARGIN of the reference's.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pandas as pd

from steadyflow.evaluate.estimate import (
    GROUPS,
    BetweenRuns,
    Estimate,
    between_runs,
    contrast,
    difference,
    jackknifed,
)
from steadyflow.report.measures import Measure, find_measure
from steadyflow.report.paper import read_rows

KEPT, BROKEN, MARGIN = 0.5, 0.25, 0.05
OVERLAP = 0.1  # Jaccard index of subsets that still pass for disjoint

VERDICTS = HOLDS, FAILS, UNDECIDED, NOT_MEASURED = "holds", "fails", "undecided", "not measured"


@dataclass(frozen=True)
class Claim:
    """A row of resources/paper/claims.csv."""

    id: str
    claim: str
    measured_by: str
    source: str


@dataclass(frozen=True)
class Finding:
    """`verdict`: one of the four; `measured`: the numbers it follows from, in words; `n`: samples of each run."""

    verdict: str
    measured: str = ""
    n: int = 0


class Arm(Protocol):
    """Runs that differ in their seeds alone, and what they depart from the reference in (`study.arms`)."""

    @property
    def runs(self) -> tuple[str, ...]: ...
    @property
    def kind(self) -> str: ...
    @property
    def criterion(self) -> str: ...
    @property
    def pruning_fraction(self) -> float | None: ...
    @property
    def attribute(self) -> str: ...


@dataclass(frozen=True)
class Evidence:
    """All that a study has measured on one dataset.

    quality, similarity, fairness: tidy metrics; empty where there are none
    arms: the reference's first
    inverse_pairs: runs of nearly disjoint training images
    encoder, similarity_encoder: the evaluation's first; claims are judged in them
    labels: run -> as tables call it
    conditional: whether the reference run is
    """

    quality: pd.DataFrame
    similarity: pd.DataFrame
    fairness: pd.DataFrame
    arms: Sequence[Arm]
    inverse_pairs: Sequence[tuple[str, str]]
    encoder: str
    similarity_encoder: str
    labels: dict[str, str]
    conditional: bool

    @property
    def reference(self) -> Arm:
        return self.arms[0]

    def of_kind(self, *kinds: str) -> list[Arm]:
        return [arm for arm in self.arms if arm.kind in kinds]

    def pruned_by(self, *criteria: str, fraction: float | None = 0.5) -> list[Arm]:
        """Arms of these criteria, all but the training images alike; `fraction` None: at any."""
        of_subset = [arm for arm in self.of_kind("subset") if arm.criterion in criteria]
        return [arm for arm in of_subset if fraction is None or arm.pruning_fraction == fraction]

    def name(self, arm: Arm) -> str:
        several = f" ({len(arm.runs)} trainings)" if len(arm.runs) > 1 else ""
        return self.labels[arm.runs[0]] + several


def read_claims(path: Path | str) -> list[Claim]:
    """Every row of a claims.csv. Raises UserError when its columns are not the known ones."""
    return read_rows(path, Claim)


def judge(claims: Iterable[Claim], evidence: Evidence) -> list[tuple[Claim, Finding]]:
    """A finding for each claim, in their order."""
    return [(claim, RULES.get(claim.id, _not_measured)(evidence)) for claim in claims]


# A verdict on one number, and on several.


def above(estimate: Estimate, bound: float) -> str:
    """Whether the estimate is above `bound`."""
    return HOLDS if estimate.ci_low > bound else FAILS if estimate.ci_high < bound else UNDECIDED


def below(estimate: Estimate, bound: float) -> str:
    return HOLDS if estimate.ci_high < bound else FAILS if estimate.ci_low > bound else UNDECIDED


def all_of(verdicts: Iterable[str]) -> str:
    """One failure fails the whole, one doubt leaves it undecided."""
    found = set(verdicts)
    return next((verdict for verdict in (FAILS, UNDECIDED, HOLDS) if verdict in found), NOT_MEASURED)


# The mapping from noise to images.


def kept_share(evidence: Evidence, run: str, reference: str, mode: str = "") -> tuple[Estimate, int]:
    """The share of the way from unmatched to perfectly matched, and n.

    `mode`: "[kept mode]" or "[removed mode]" of a run that saw one mode alone. Samples of conditional runs are alike
    for their labels' sake: unmatched are those of one class. Without replicates, of few samples, the interval is
    infinite.
    """
    matched = _cosine(evidence, f"cosine_matched{mode}", run, reference)
    of_class = evidence.similarity[evidence.similarity["metric"] == "cosine_unmatched_same_class"]
    same = not mode and run in set(of_class["run"]) and reference in set(of_class["reference"])
    name = "cosine_unmatched_same_class" if same else f"cosine_unmatched{mode}"
    unmatched, top = _cosine(evidence, name, run, reference).estimate, _ceiling(evidence)

    def share(m: float, u: float, c: float) -> float:
        return (m - u) / (c - u)

    value = share(matched.value, unmatched.value, top.value)
    without = (matched.estimate.replicates, unmatched.replicates, top.replicates)
    if not all(without):
        return Estimate(value, -math.inf, math.inf), matched.n
    return jackknifed(value, [share(*each) for each in zip(*without, strict=True)]), matched.n


def _ceiling(evidence: Evidence) -> Estimate:
    """The matched mean of the reference and itself under another solver; 1 where that was not sampled."""
    run, rows = evidence.reference.runs[0], evidence.similarity
    itself = rows[(rows["run"] == run) & (rows["reference"] == run)]
    if itself.empty:
        return Estimate(1.0, 1.0, 1.0, (1.0,) * GROUPS)
    return _cosine(evidence, "cosine_matched", run, run).estimate


def _cosine(evidence: Evidence, metric: str, run: str, reference: str) -> Measure:
    return find_measure(evidence.similarity, metric, run, reference, evidence.similarity_encoder)


def _pairs_with_reference(evidence: Evidence, arms: Iterable[Arm]) -> list[tuple[str, str]]:
    reference = evidence.reference.runs[0]
    return [(run, reference) for arm in arms for run in arm.runs if run != reference]


Bound = Callable[[Estimate], str]


def _mapping(evidence: Evidence, pairs: Sequence[tuple[str, str]], bound: Bound) -> Finding:
    if not pairs:
        return Finding(NOT_MEASURED)
    found = [kept_share(evidence, *pair) for pair in pairs]
    said = [f"{_pair_name(evidence, pair)} {_percent(share)}" for pair, (share, _) in zip(pairs, found, strict=True)]
    verdict = all_of(bound(share) for share, _ in found)
    return Finding(verdict, f"share of the mapping kept: {'; '.join(said)}", min(n for _, n in found))


def _pair_name(evidence: Evidence, pair: tuple[str, str]) -> str:
    run, reference = pair
    name = evidence.labels[run]
    return name if reference == evidence.reference.runs[0] else f"{name} against {evidence.labels[reference]}"


def keeps(estimate: Estimate) -> str:
    return above(estimate, KEPT)


def breaks(estimate: Estimate) -> str:
    return below(estimate, BROKEN)


def keeps_partly(estimate: Estimate) -> str:
    """More than nothing, and less than what keeps the mapping."""
    return all_of([above(estimate, 0.0), below(estimate, KEPT)])


def resembles(estimate: Estimate) -> str:
    """More than what breaks the mapping."""
    return above(estimate, BROKEN)


def _halves(evidence: Evidence) -> Finding:
    halves = {run for arm in evidence.pruned_by("random_half") for run in arm.runs}
    return _disjoint(evidence, [pair for pair in evidence.inverse_pairs if set(pair) <= halves])


def _inverses(evidence: Evidence) -> Finding:
    criteria = {run: arm.criterion for arm in evidence.of_kind("subset") for run in arm.runs}
    return _disjoint(
        evidence,
        [pair for pair in evidence.inverse_pairs if criteria.get(pair[1]) == f"{criteria.get(pair[0])}_inv"],
    )


def _disjoint(evidence: Evidence, pairs: Sequence[tuple[str, str]]) -> Finding:
    """Of those pairs whose training images have next to nothing in common."""
    rows = evidence.similarity[evidence.similarity["metric"] == "overlap"]
    overlaps = dict(zip(zip(rows["run"], rows["reference"], strict=True), rows["value"], strict=True))
    apart = [pair for pair in pairs if overlaps.get(pair, 1.0) <= OVERLAP]
    found = _mapping(evidence, apart, keeps)
    most = max((overlaps[pair] for pair in apart), default=0.0)
    return replace(found, measured=f"{found.measured} (overlap at most {most:.2f})") if apart else found


def _weaker_architecture(evidence: Evidence) -> Finding:
    """Not broken; and below what a change of capacity leaves, where there is one to compare with."""
    pairs = _pairs_with_reference(evidence, evidence.of_kind("architecture"))
    found = _mapping(evidence, pairs, resembles)
    capacity = _pairs_with_reference(evidence, evidence.of_kind("capacity"))
    if not (pairs and capacity):
        return found
    by = [
        difference(kept_share(evidence, *changed)[0], kept_share(evidence, *resized)[0])
        for changed in pairs
        for resized in capacity
    ]
    verdict = all_of([found.verdict, *(below(each, 0.0) for each in by)])
    words = "; ".join(_percent(each) for each in by)
    return Finding(verdict, f"{found.measured}; less than a change of capacity leaves by {words}", found.n)


def _mode_removal(evidence: Evidence) -> Finding:
    """Where the reference makes the mode that was kept, the mapping is kept, and where it makes another, less so."""
    reference, told = evidence.reference.runs[0], evidence.similarity
    told = told[told["encoder"] == evidence.similarity_encoder]
    modes = ("[kept mode]", "[removed mode]")
    seen = [set(told[told["metric"] == f"cosine_matched{mode}"]["run"]) for mode in modes]
    arms = evidence.pruned_by("attribute_value", fraction=None)
    runs = [run for arm in arms for run in arm.runs if run in seen[0] & seen[1]]
    if not runs:
        return Finding(NOT_MEASURED)
    verdicts, said, n = [], [], []
    for run in runs:
        (kept, n_kept), (removed, n_removed) = (kept_share(evidence, run, reference, mode) for mode in modes)
        few = not (kept.replicates and removed.replicates)
        verdicts.append(UNDECIDED if few else all_of([keeps(kept), above(difference(kept, removed), 0.0)]))
        shares = f"{_percent(kept)} of kept-mode samples, {_percent(removed)} of removed-mode ones"
        said.append(f"{evidence.labels[run]} {shares} (n = {n_kept} and {n_removed})")
        n.append(n_kept + n_removed)
    return Finding(all_of(verdicts), f"share of the mapping kept: {'; '.join(said)}", min(n))


# Quality.


def _fd(evidence: Evidence, arm: Arm) -> list[Estimate]:
    return [_fd_measure(evidence, run).estimate for run in arm.runs]


def _fd_measure(evidence: Evidence, run: str) -> Measure:
    return find_measure(evidence.quality, "fd", run, encoder=evidence.encoder)


def _between_trainings(evidence: Evidence) -> BetweenRuns | None:
    return between_runs([_fd(evidence, arm) for arm in evidence.arms])


def fd_change(evidence: Evidence, arm: Arm, other: Arm) -> Estimate:
    """FD of `arm` less that of `other`, with what is known of the difference between trainings."""
    return contrast(_fd(evidence, arm), _fd(evidence, other), _between_trainings(evidence))


def _fd_changes(evidence: Evidence, arms: Sequence[Arm], other: Arm, bound: Bound) -> Finding:
    if not arms:
        return Finding(NOT_MEASURED)
    found = [fd_change(evidence, arm, other) for arm in arms]
    said = [f"{evidence.name(arm)} {_signed(change)}" for arm, change in zip(arms, found, strict=True)]
    between = _between_trainings(evidence)
    words = f"change of FD against {evidence.name(other)}: {'; '.join(said)}{_of_trainings(between)}"
    return Finding(_if_repeated(between, all_of(map(bound, found))), words, _n(evidence))


def _of_trainings(between: BetweenRuns | None) -> str:
    if between is None:
        return " (of these trainings alone: none was repeated with another seed, so another might tell otherwise)"
    return f" (trainings differ by SD {between.variance**0.5:.2g}, {between.degrees} degrees of freedom)"


def _if_repeated(between: BetweenRuns | None, verdict: str) -> str:
    """No verdict on trainings of which not one was repeated: their own spread may be all that there is to see."""
    return UNDECIDED if between is None and verdict != NOT_MEASURED else verdict


def _n(evidence: Evidence) -> int:
    return _fd_measure(evidence, evidence.reference.runs[0]).n


def improves(change: Estimate) -> str:
    return below(change, 0.0)


def worsens(change: Estimate) -> str:
    return above(change, 0.0)


def _not_worse(evidence: Evidence) -> Bound:
    """By less than MARGIN of the reference's distance."""
    margin = MARGIN * _fd_measure(evidence, evidence.reference.runs[0]).value
    return lambda change: below(change, margin)


def _one_side_hurts(harmful: str, harmless: str) -> Callable[[Evidence], Finding]:
    """One criterion worsens FD, its inverse does not."""

    def rule(evidence: Evidence) -> Finding:
        worse, fine = evidence.pruned_by(harmful), evidence.pruned_by(harmless)
        if not (worse and fine):
            return Finding(NOT_MEASURED)
        first = _fd_changes(evidence, worse, evidence.reference, worsens)
        second = _fd_changes(evidence, fine, evidence.reference, _not_worse(evidence))
        verdict = all_of([first.verdict, second.verdict])
        return Finding(verdict, f"{first.measured}; {second.measured}", first.n)

    return rule


def _improves(*criteria: str) -> Callable[[Evidence], Finding]:
    return lambda evidence: _fd_changes(evidence, evidence.pruned_by(*criteria), evidence.reference, improves)


def _kernel_within_clusters(evidence: Evidence) -> Finding:
    within, whole = evidence.pruned_by("kernel_b"), evidence.pruned_by("kernel")
    return _fd_changes(evidence, within, whole[0], improves) if whole else Finding(NOT_MEASURED)


def _pruning_speeds(evidence: Evidence) -> Finding:
    """Of label-conditional models, as on ImageNet: the balanced subsets at every fraction, trained for as many
    steps."""
    if not evidence.conditional:
        return Finding(NOT_MEASURED)
    return _fd_changes(evidence, evidence.pruned_by("cluster_b", fraction=None), evidence.reference, improves)


def _explicit_target(evidence: Evidence) -> Finding:
    arms = evidence.of_kind("explicit_target")
    return _fd_changes(evidence, arms, evidence.reference, _not_worse(evidence)) if arms else Finding(NOT_MEASURED)


# Fairness.


def _attributes(evidence: Evidence) -> list[tuple[str, str]]:
    """(classifier, attribute) of every divergence from uniform that was measured of the reference."""
    rows = evidence.fairness
    if rows.empty:
        return []
    of_reference = rows[(rows["run"] == evidence.reference.runs[0]) & (rows["reference"] == "uniform")]
    told = of_reference[of_reference["metric"].str.startswith("kl_")]
    return list(zip(told["encoder"], told["metric"].str.removeprefix("kl_"), strict=True))


def _less_biased(
    evidence: Evidence, fairest: Arm, others: Sequence[Arm], attributes: Sequence[tuple[str, str]]
) -> tuple[str, str]:
    """Whether `fairest` is nearer to uniform than each of the others in each attribute, and the changes in words."""
    verdicts, said = [], []
    between = None
    for classifier, attribute in attributes:

        def kl(arm: Arm, by: str = classifier, of: str = attribute) -> list[Estimate]:
            return [find_measure(evidence.fairness, f"kl_{of}", r, "uniform", by).estimate for r in arm.runs]

        between = between_runs([kl(arm) for arm in evidence.arms])
        changes = {evidence.name(arm): contrast(kl(fairest), kl(arm), between) for arm in others}
        verdicts += [below(change, 0.0) for change in changes.values()]
        nearest = max(changes, key=lambda name: changes[name].value)
        said.append(f"{attribute.replace('_', ' ')} by {classifier} {_signed(changes[nearest])} ({nearest})")
    words = f"change of KL to uniform against the nearest other run: {'; '.join(said)}"
    return _if_repeated(between, all_of(verdicts)), words if between else words + _of_trainings(None)


def _balanced_fairer(evidence: Evidence) -> Finding:
    balanced, attributes = evidence.pruned_by("cluster_b"), _attributes(evidence)
    others = [evidence.reference, *(arm for arm in evidence.of_kind("subset") if _blind(arm))]
    if not (balanced and attributes):
        return Finding(NOT_MEASURED)
    verdict, words = _less_biased(evidence, balanced[0], others, attributes)
    return Finding(verdict, words, _n(evidence))


def _blind(arm: Arm) -> bool:
    """Whether a criterion at 0.5 sees neither clusters in balance nor labels."""
    seeing = ("cluster_b", "kernel_b", "attribute", "cluster_oversampled", "random_half")
    return arm.pruning_fraction == 0.5 and not arm.criterion.startswith(seeing)


def _label_aware_fairest(evidence: Evidence) -> Finding:
    attributes = _attributes(evidence)
    told_at_all = {attribute for _, attribute in attributes}
    aware = [arm for arm in evidence.pruned_by("attribute_balanced") if arm.attribute in told_at_all]
    if not aware:
        return Finding(NOT_MEASURED)
    told = [pair for pair in attributes if pair[1] == aware[0].attribute]
    others = [evidence.reference, *(arm for arm in evidence.of_kind("subset") if arm.pruning_fraction == 0.5)]
    others = [arm for arm in others if arm.criterion not in ("attribute_balanced", "random_half")]
    verdict, words = _less_biased(evidence, aware[0], others, told)
    cost = _fd_changes(evidence, aware[:1], evidence.reference, _not_worse(evidence))
    return Finding(all_of([verdict, cost.verdict]), f"{words}; {cost.measured}", cost.n)


def _not_measured(evidence: Evidence) -> Finding:
    return Finding(NOT_MEASURED)


def _mapping_of(*kinds: str, bound: Bound) -> Callable[[Evidence], Finding]:
    return lambda evidence: _mapping(evidence, _pairs_with_reference(evidence, evidence.of_kind(*kinds)), bound)


RULES: dict[str, Callable[[Evidence], Finding]] = {
    "stable_halves": _halves,
    "stable_pruned": lambda evidence: _mapping(
        evidence,
        _pairs_with_reference(evidence, [arm for arm in evidence.of_kind("subset") if arm.pruning_fraction == 0.5]),
        keeps,
    ),
    "stable_inverse": _inverses,
    "stable_seed": _mapping_of("reference", bound=keeps),
    "stable_capacity": _mapping_of("capacity", bound=keeps),
    "weaker_architecture": _weaker_architecture,
    "local_mode_removal": _mode_removal,
    "dataset_swap": _mapping_of("dataset", bound=resembles),
    "tokenizer_breaks": _mapping_of("tokenizer_seed", bound=breaks),
    "flip_first_partial": _mapping_of("flip_first", bound=keeps_partly),
    "flip_all_breaks": _mapping_of("flip_all", bound=breaks),
    "diffusion_breaks": _mapping_of("diffusion", bound=breaks),
    "balanced_helps": _improves("cluster_b"),
    "high_loss_hurts": _one_side_hurts("loss", "loss_inv"),
    "low_grad_hurts": _one_side_hurts("grad_inv", "grad"),
    "balanced_fairer": _balanced_fairer,
    "label_aware_fairest": _label_aware_fairest,
    "pruning_speeds_imagenet": _pruning_speeds,
    "kernel_within_clusters": _kernel_within_clusters,
    "efm_no_worse": _explicit_target,
}
"""By the ids of claims.csv. A claim without one is about what this project does not measure yet."""


def _percent(share: Estimate) -> str:
    return f"{100 * share.value:.0f}% [{100 * share.ci_low:.0f}, {100 * share.ci_high:.0f}]".replace("-", "−")


def _signed(change: Estimate) -> str:
    digits = ".3f" if abs(change.value) < 0.1 else ".2f"
    return f"{change.value:+{digits}} [{change.ci_low:+{digits}}, {change.ci_high:+{digits}}]".replace("-", "−")
