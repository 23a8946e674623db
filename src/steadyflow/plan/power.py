"""What a study can decide, before anything is trained: the smallest change of FD that each claim's verdict would show.

FD is compared on a logarithmic scale, on which trainings differ by about the same at every level. How far trainings of
one recipe lie apart is taken from the papers.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from steadyflow.design.arms import arms
from steadyflow.ground.arm import Arm
from steadyflow.ground.artifacts import UserError
from steadyflow.report.paper import PaperValue
from steadyflow.study import Study

POWER = 0.8


def smallest_effect(sd: float, first: int, second: int, degrees: int) -> float:
    """The smallest difference of two arms' means that a two-sided 95% interval excludes from 0 with a chance of POWER:

        (t_0.975 + t_0.8) sd (1 / first + 1 / second)^(1/2)

    sd: of one training about the mean of its arm
    first, second: trainings of the two arms
    degrees: of freedom of the estimate of sd, from all arms of the study; infinite effect with 0, of no repeats

    The usual approximation to the noncentral t (e.g. Zar, Biostatistical Analysis, eq. 8.26); with 2 degrees of freedom
    its power is 0.77.
    """
    from scipy.special import stdtrit as quantile_of_t

    if not degrees:
        return math.inf
    quantiles = quantile_of_t(degrees, 0.975) + quantile_of_t(degrees, POWER)
    return float(quantiles * sd * math.sqrt(1 / first + 1 / second))


@dataclass(frozen=True)
class Spread:
    """How far trainings of one recipe lie apart: the SD of FD over them, as a fraction of FD, and its source."""

    relative_sd: float
    source: str


def published_spread(values: Sequence[PaperValue]) -> Spread:
    """That of the papers' repeated training (resources/paper/scalars.csv): FID whose `sd` is over seeds. The largest,
    should there be several. Raises UserError if there is none."""
    over_seeds = [v for v in values if v.quantity == "fid" and v.sd and "seeds" in v.note]
    found = [Spread(float(v.sd) / float(v.value), f"{v.variant}, {v.note}: {v.source}") for v in over_seeds]
    if not found:
        raise UserError("resources/paper/scalars.csv: no fid has an sd over seeds, by which trainings would differ")
    return max(found, key=lambda spread: spread.relative_sd)


Compared = Iterator[tuple[Arm, Arm]]
"""The two arms of each comparison of FD."""
Chosen = Callable[[Arm], bool]


def _pruned(*criteria: str, fraction: float | None = 0.5) -> Chosen:
    return lambda arm: arm.kind == "subset" and arm.criterion in criteria and fraction in (None, arm.pruning_fraction)


def _is_reference(arm: Arm) -> bool:
    return arm.kind == "reference"


def _each_with(chosen: Chosen, other: Chosen = _is_reference) -> Callable[[Sequence[Arm]], Compared]:
    """Every chosen arm with the first other one, by default the reference's."""

    def comparisons(found: Sequence[Arm]) -> Compared:
        against = next(filter(other, found), None)
        if against is not None:
            yield from ((arm, against) for arm in found if chosen(arm))

    return comparisons


COMPARISONS: Mapping[str, Callable[[Sequence[Arm]], Compared]] = {
    "balanced_helps": _each_with(_pruned("cluster_b")),
    "high_loss_hurts": _each_with(_pruned("loss", "loss_inv")),
    "low_grad_hurts": _each_with(_pruned("grad", "grad_inv")),
    "kernel_within_clusters": _each_with(_pruned("kernel_b"), _pruned("kernel")),
    "pruning_speeds_imagenet": _each_with(_pruned("cluster_b", fraction=None)),
    "efm_no_worse": _each_with(lambda arm: arm.kind == "explicit_target"),
    "label_aware_fairest": _each_with(_pruned("attribute_balanced")),
}
"""Claim on FD -> the comparisons that its rule (steadyflow.claims) makes of a study's arms."""
OF_CONDITIONAL_RUNS = {"pruning_speeds_imagenet"}
"""Claims on models that are conditional on labels."""


@dataclass(frozen=True)
class Power:
    """Of one claim: `trainings` of the two arms whose comparison is the least certain, and the smallest `change` of FD,
    as a fraction of it, that this comparison would show."""

    dataset: str
    claim: str
    trainings: tuple[int, int]
    change: float


def power_of_claims(study: Study, spread: Spread) -> list[Power]:
    """For each evaluation, of the claims on FD that it has the runs for."""
    found = []
    for dataset in study.evaluations:
        of_study = arms(study, dataset)
        degrees = sum(len(arm.runs) - 1 for arm in of_study)
        conditional = any(study.runs[run].conditional for run in study.evaluations[dataset].runs or ())
        for claim, comparisons in COMPARISONS.items():
            if claim in OF_CONDITIONAL_RUNS and not conditional:
                continue
            compared = {(len(arm.runs), len(other.runs)) for arm, other in comparisons(of_study)}
            if compared:
                effect, trainings = max(
                    (smallest_effect(spread.relative_sd, *trainings, degrees), trainings) for trainings in compared
                )
                found.append(Power(dataset, claim, trainings, math.expm1(effect)))
    return found
