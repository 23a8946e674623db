"""Changes of the Fréchet distance (FD) of an arm's samples against another arm's.

They are differences of log FD, so ratios of FD. The standard deviation of an FD between trainings, and between draws of
noises, grows in proportion to the FD: on a log scale it is one for all arms, so what is between trainings may be pooled
over arms and used for one that has a single training, or a level of its own.

The interval is of the noises and, where any arm of the study was repeated with other seeds, of the trainings: without
such repeats no verdict is given.
"""

import math
import sys
from collections.abc import Sequence

from steadyflow.claims.evidence import Evidence
from steadyflow.claims.verdict import NOT_MEASURED, UNDECIDED, Bound, Finding, above, all_of, below
from steadyflow.claims.wording import relative
from steadyflow.evaluate.estimate import BetweenRuns, Estimate, between_runs, contrast, on_scale
from steadyflow.evaluate.metrics import Metric, find_metric
from steadyflow.ground.arm import Arm


def improves(change: Estimate) -> str:
    """The change of log FD is below 0."""
    return below(change, 0.0)


def worsens(change: Estimate) -> str:
    """The change of log FD is above 0."""
    return above(change, 0.0)


def not_worse(evidence: Evidence) -> Bound:
    """FD rises by less than `Bounds.margin` of itself."""
    return lambda change: below(change, math.log1p(evidence.bounds.margin))


def judge_fd(evidence: Evidence, arms: Sequence[Arm], other: Arm, bound: Bound) -> Finding:
    """The verdict of `bound` on log FD of every arm less that of `other`: all have to pass. Not measured without
    arms."""
    if not arms:
        return Finding(NOT_MEASURED)
    between = between_runs([_log_fd_of_runs(evidence, arm) for arm in evidence.arms])
    changes = [contrast(_log_fd_of_runs(evidence, arm), _log_fd_of_runs(evidence, other), between) for arm in arms]
    parts = [f"{evidence.arm_label(arm)} {relative(change)}" for arm, change in zip(arms, changes, strict=True)]
    words = f"change of FD against {evidence.arm_label(other)}: {'; '.join(parts)}{spread_in_words(between)}"
    return Finding(if_repeated(between, all_of(map(bound, changes))), words, sample_count(evidence))


def if_repeated(between: BetweenRuns | None, verdict: str) -> str:
    """`verdict`, or undecided where no training was repeated: the spread of trainings may explain any difference."""
    return UNDECIDED if between is None and verdict != NOT_MEASURED else verdict


def spread_in_words(between: BetweenRuns | None) -> str:
    if between is None:
        return " (of these trainings alone: none was repeated with another seed, so another might differ)"
    return f" (trainings differ by SD {100 * between.variance**0.5:.2g}%, {between.degrees} degrees of freedom)"


def sample_count(evidence: Evidence) -> int:
    """Samples of the reference run that its FD is computed from."""
    return _fd(evidence, evidence.reference_run).n


def _log_fd_of_runs(evidence: Evidence, arm: Arm) -> list[Estimate]:
    return [on_scale(_log, _fd(evidence, run).estimate) for run in arm.runs]


def _log(fd: float) -> float:
    # An FD of 0, that of copies of the reference images, is below all others.
    return math.log(max(fd, sys.float_info.min))


def _fd(evidence: Evidence, run: str) -> Metric:
    return find_metric(evidence.quality, evidence.distance, run, encoder=evidence.encoder)
