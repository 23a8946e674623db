"""A verdict on one estimate against a bound, and on several estimates together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from steadyflow.evaluate.estimate import Estimate

VERDICTS = HOLDS, FAILS, UNDECIDED, NOT_MEASURED = "holds", "fails", "undecided", "not measured"

Bound = Callable[[Estimate], str]
"""The verdict on an estimate."""


@dataclass(frozen=True)
class Finding:
    """`verdict`: one of VERDICTS; `measured`: the numbers that decided it, in words; `n`: samples of each run.

    `halved`, `doubled`: the verdicts with all bounds at half and at twice their value.
    """

    verdict: str
    measured: str = ""
    n: int = 0
    halved: str = ""
    doubled: str = ""


def above(estimate: Estimate, bound: float) -> str:
    """Whether the 95% interval lies above `bound`."""
    return HOLDS if estimate.ci_low > bound else FAILS if estimate.ci_high < bound else UNDECIDED


def below(estimate: Estimate, bound: float) -> str:
    """Whether the 95% interval lies below `bound`."""
    return HOLDS if estimate.ci_high < bound else FAILS if estimate.ci_low > bound else UNDECIDED


def all_of(verdicts: Iterable[str]) -> str:
    """The conjunction: fails where one fails, else undecided where one is undecided; of no verdict, not measured."""
    found = set(verdicts)
    return next((verdict for verdict in (FAILS, UNDECIDED, HOLDS) if verdict in found), NOT_MEASURED)


def any_of(verdicts: Iterable[str]) -> str:
    """The disjunction: holds where one holds, else undecided where one is undecided; of no verdict, not measured."""
    found = set(verdicts)
    return next((verdict for verdict in (HOLDS, UNDECIDED, FAILS) if verdict in found), NOT_MEASURED)


def in_turn(findings: Iterable[Finding]) -> Finding:
    """Several findings as one: all have to hold, and their words stand one after the other."""
    found = list(findings)
    measured = [each.measured for each in found if each.measured]
    return Finding(all_of(each.verdict for each in found), "; ".join(measured), min((f.n for f in found), default=0))
