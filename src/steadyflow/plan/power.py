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


Chosen = Callable[[Arm], bool]


@dataclass(frozen=True)
class Comparisons:
    """Of FD: every `judged` arm with the first of those that are its `other`, a function of the two."""

    judged: Chosen
    other: Callable[[Arm, Arm], bool]

    def among(self, found: Sequence[Arm]) -> Iterator[tuple[Arm, Arm]]:
        for arm in filter(self.judged, found):
            yield from ((arm, other) for other in [each for each in found if self.other(arm, each)][:1])


def _of_kind(kind: str) -> Chosen:
    return lambda arm: arm.kind == kind


def _pruned(*criteria: str, least: float = 0.5, most: float = 0.5) -> Chosen:
    return lambda arm: arm.criterion in criteria and least <= (arm.pruning_fraction or 0) <= most


def _with_reference(judged: Chosen) -> Comparisons:
    return Comparisons(judged, lambda arm, other: other.kind == "reference")


def _is_opposite(arm: Arm, other: Arm) -> bool:
    return f"{other.criterion}_inv" == arm.criterion and other.pruning_fraction == arm.pruning_fraction


_CLUSTERS = ("cluster_p", "cluster_p_inv", "cluster_b", "cluster_b_inv")
_SCORES = ("loss", "loss_inv", "grad", "grad_inv")

COMPARISONS: Mapping[str, Sequence[Comparisons]] = {
    "balanced_helps": [_with_reference(_pruned("cluster_b"))],
    "high_loss_hurts": [_with_reference(_pruned("loss")), _with_reference(_pruned("loss_inv"))],
    "low_grad_hurts": [_with_reference(_pruned("grad")), _with_reference(_pruned("grad_inv"))],
    "preserved_to_half": [
        _with_reference(_pruned("cluster_b", "cluster_p", "grad", "loss_inv", least=0)),
        _with_reference(_pruned("random", *_SCORES, *_CLUSTERS, least=0.5 + 1e-9, most=1)),
    ],
    "larger_better": [_with_reference(_of_kind("capacity"))],
    "kernel_within_clusters": [
        Comparisons(_pruned("kernel_b", "kernel_p"), lambda arm, other: _pruned("kernel")(other))
    ],
    "inverse_clusters_better": [Comparisons(_pruned("cluster_b_inv", "cluster_p_inv", least=0), _is_opposite)],
    "pruning_speeds_imagenet": [_with_reference(_pruned("random", *_CLUSTERS, least=0, most=1))],
    "efm_no_worse": [_with_reference(_of_kind("explicit_target"))],
    "label_aware_fairest": [_with_reference(_pruned("attribute_balanced"))],
}
"""By claim on FD, those that its rule (steadyflow.claims) makes, of each kind one at least. The claim on numbers of
clusters is left out: it is about the features of CLIP, in which the papers print no spread."""
OF_ONE_DATASET = {"pruning_speeds_imagenet": "imagenet", "inverse_clusters_better": "ffhq"}
"""Claims that are about one of the papers' datasets (resources/paper/claims.csv)."""


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
    for dataset, spec in study.evaluations.items():
        of_study = arms(study, dataset)
        degrees = sum(len(arm.runs) - 1 for arm in of_study)
        for claim, comparisons in COMPARISONS.items():
            if OF_ONE_DATASET.get(claim, spec.reproduces) != spec.reproduces:
                continue
            pairs = [list(each.among(of_study)) for each in comparisons]
            if all(pairs):
                compared = {(len(arm.runs), len(other.runs)) for of_kind in pairs for arm, other in of_kind}
                effect, trainings = max(
                    (smallest_effect(spread.relative_sd, *trainings, degrees), trainings) for trainings in compared
                )
                found.append(Power(dataset, claim, trainings, math.expm1(effect)))
    return found
