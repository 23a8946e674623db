"""Estimates in words: a value and its 95% interval, with true minus signs."""

import math

from steadyflow.evaluate.estimate import Estimate


def percent(share: Estimate) -> str:
    """A share of 1, like `67% [64, 70]`."""
    return f"{100 * share.value:.0f}% [{100 * share.ci_low:.0f}, {100 * share.ci_high:.0f}]".replace("-", "−")


def relative(change: Estimate) -> str:
    """A change of a logarithm as that of the quantity, like `+12% [5, 20]`; one decimal below 10%."""
    value, low, high = (100 * math.expm1(each) for each in (change.value, change.ci_low, change.ci_high))
    digits = ".1f" if abs(value) < 10 else ".0f"
    return f"{value:+{digits}}% [{low:{digits}}, {high:{digits}}]".replace("-", "−")


def signed(change: Estimate) -> str:
    """A difference, like `−0.20 [−0.25, −0.15]`; three decimals below 0.1."""
    digits = ".3f" if abs(change.value) < 0.1 else ".2f"
    return f"{change.value:+{digits}} [{change.ci_low:+{digits}}, {change.ci_high:+{digits}}]".replace("-", "−")
