"""A verdict on one estimate against a bound, and on several estimates together.

A claim about one estimate holds, or fails, where the 95% interval lies on one side of the bound: at LEVEL on either
side. A claim about several holds where all hold; each at LEVEL suffices, since the claim is false as soon as one of
them is (an intersection-union test; Berger, 1982). It fails where one of them fails, and among many estimates one does
by chance, so the smallest p-value times their number has to be at most LEVEL: the first step of Holm (1979), which
decides whether any of them fails, whatever their correlations.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from scipy import stats

from steadyflow.evaluate.estimate import Estimate

VERDICTS = HOLDS, FAILS, UNDECIDED, NOT_MEASURED = "holds", "fails", "undecided", "not measured"

LEVEL = 0.025
"""Chance at most of a verdict that holds, and of one that fails, where the truth is at the bound."""


class Verdict(str):
    """One of VERDICTS, with what it takes to combine it with others.

    p_values: for each of the estimates that it rests on, the one-sided p-value of its claim: how likely an estimate at
        least so far on the wrong side of the bound is if the truth is on the right one
    """

    p_values: tuple[float, ...]

    def __new__(cls, verdict: str, p_values: tuple[float, ...]) -> "Verdict":
        found = super().__new__(cls, verdict)
        found.p_values = p_values
        return found


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


def above(estimate: Estimate, bound: float) -> Verdict:
    """Whether the 95% interval lies above `bound`."""
    verdict = HOLDS if estimate.ci_low > bound else FAILS if estimate.ci_high < bound else UNDECIDED
    return Verdict(verdict, (_p_value(bound - estimate.value, estimate.ci_high - estimate.value, estimate.degrees),))


def below(estimate: Estimate, bound: float) -> Verdict:
    """Whether the 95% interval lies below `bound`."""
    verdict = HOLDS if estimate.ci_high < bound else FAILS if estimate.ci_low > bound else UNDECIDED
    return Verdict(verdict, (_p_value(estimate.value - bound, estimate.value - estimate.ci_low, estimate.degrees),))


def all_of(verdicts: Iterable[str]) -> Verdict:
    """The conjunction: holds where all hold, fails where the smallest p-value of all estimates, times their number, is
    at most LEVEL, else undecided; of no verdict, not measured. Conjunctions of conjunctions count every estimate."""
    found = [verdict for verdict in verdicts if verdict != NOT_MEASURED]
    p_values = tuple(p for verdict in found for p in _p_values(verdict))
    if not found:
        return Verdict(NOT_MEASURED, ())
    if p_values and min(p_values) * len(p_values) <= LEVEL:
        return Verdict(FAILS, p_values)
    return Verdict(HOLDS if all(verdict == HOLDS for verdict in found) else UNDECIDED, p_values)


def any_of(verdicts: Iterable[str]) -> str:
    """The disjunction: holds where one holds, else undecided where one is undecided; of no verdict, not measured."""
    found = set(verdicts)
    return next((verdict for verdict in (HOLDS, UNDECIDED, FAILS) if verdict in found), NOT_MEASURED)


def in_turn(findings: Iterable[Finding]) -> Finding:
    """Several findings as one: all have to hold, and their words stand one after the other."""
    found = list(findings)
    measured = [each.measured for each in found if each.measured]
    return Finding(all_of(each.verdict for each in found), "; ".join(measured), min((f.n for f in found), default=0))


def _p_values(verdict: str) -> tuple[float, ...]:
    """Of a word alone, which no estimate stands behind: what it says is certain."""
    return verdict.p_values if isinstance(verdict, Verdict) else (0.0,) if verdict == FAILS else ()


def _p_value(beyond: float, margin: float, degrees: float) -> float:
    """One-sided, of an estimate that is `beyond` its bound on the wrong side, and whose 95% interval reaches `margin`
    to the right one."""
    if not margin > 0:
        return 0.0 if beyond > 0 and margin == 0 else 1.0
    return float(stats.t.sf(beyond / margin * stats.t.ppf(1 - LEVEL, degrees), degrees))
