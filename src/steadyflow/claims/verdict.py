"""A verdict on one estimate against a bound, and on several estimates together."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from steadyflow.evaluate.estimate import Estimate

VERDICTS = HOLDS, FAILS, UNDECIDED, NOT_MEASURED = "holds", "fails", "undecided", "not measured"

Bound = Callable[[Estimate], str]
"""The verdict on an estimate."""


@dataclass(frozen=True)
class Finding:
    """`verdict`: one of VERDICTS; `measured`: the numbers that decided it, in words; `n`: samples of each run."""

    verdict: str
    measured: str = ""
    n: int = 0


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
