"""Changes of the Fréchet distance (FD) of an arm's samples against another arm's.

The interval is of the noises and, where any arm of the study was repeated with other seeds, of the trainings: without
such repeats no verdict is given.
"""

from collections.abc import Sequence

from steadyflow.claims.evidence import Evidence
from steadyflow.claims.verdict import NOT_MEASURED, UNDECIDED, Bound, Finding, above, all_of, below
from steadyflow.claims.wording import signed
from steadyflow.evaluate.estimate import BetweenRuns, Estimate, between_runs, contrast
from steadyflow.evaluate.metrics import Metric, find_metric
from steadyflow.ground.arm import Arm


def improves(change: Estimate) -> str:
    """Below 0."""
    return below(change, 0.0)


def worsens(change: Estimate) -> str:
    """Above 0."""
    return above(change, 0.0)


def not_worse(evidence: Evidence) -> Bound:
    """Below `Bounds.margin` of the reference's FD."""
    margin = evidence.bounds.margin * _fd(evidence, evidence.reference_run).value
    return lambda change: below(change, margin)


def judge_fd(evidence: Evidence, arms: Sequence[Arm], other: Arm, bound: Bound) -> Finding:
    """The verdict of `bound` on the FD of every arm less that of `other`: all have to pass. Not measured without
    arms."""
    if not arms:
        return Finding(NOT_MEASURED)
    between = between_runs([_fd_of_runs(evidence, arm) for arm in evidence.arms])
    changes = [contrast(_fd_of_runs(evidence, arm), _fd_of_runs(evidence, other), between) for arm in arms]
    parts = [f"{evidence.arm_label(arm)} {signed(change)}" for arm, change in zip(arms, changes, strict=True)]
    words = f"change of FD against {evidence.arm_label(other)}: {'; '.join(parts)}{spread_in_words(between)}"
    return Finding(if_repeated(between, all_of(map(bound, changes))), words, sample_count(evidence))


def if_repeated(between: BetweenRuns | None, verdict: str) -> str:
    """`verdict`, or undecided where no training was repeated: the spread of trainings may explain any difference."""
    return UNDECIDED if between is None and verdict != NOT_MEASURED else verdict


def spread_in_words(between: BetweenRuns | None) -> str:
    if between is None:
        return " (of these trainings alone: none was repeated with another seed, so another might tell otherwise)"
    return f" (trainings differ by SD {between.variance**0.5:.2g}, {between.degrees} degrees of freedom)"


def sample_count(evidence: Evidence) -> int:
    """Samples of the reference run that its FD is computed from."""
    return _fd(evidence, evidence.reference_run).n


def _fd_of_runs(evidence: Evidence, arm: Arm) -> list[Estimate]:
    return [_fd(evidence, run).estimate for run in arm.runs]


def _fd(evidence: Evidence, run: str) -> Metric:
    return find_metric(evidence.quality, evidence.distance, run, encoder=evidence.encoder)
