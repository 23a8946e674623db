"""Numbers as a reader sees them: one number of decimals per column, a true minus sign, a dash for nothing."""

import math
from collections.abc import Callable, Iterable
from dataclasses import replace

from steadyflow.evaluate.metrics import Metric

NOTHING = "–"
INTERVALS = "Brackets: 95% confidence interval."
DEVIATIONS = "±: standard deviation over pairs."


def decimals_for(values: Iterable[float]) -> int:
    """Decimals that leave the column's median magnitude three significant digits."""
    magnitudes = sorted(abs(v) for v in values if math.isfinite(v) and v != 0)
    if not magnitudes:
        return 2
    return max(0, 2 - math.floor(math.log10(magnitudes[len(magnitudes) // 2])))


def number(value: float, decimals: int) -> str:
    """A number with a true minus sign; never minus zero."""
    if math.isinf(value):
        return "∞" if value > 0 else "−∞"
    if not math.isfinite(value):
        return NOTHING
    text = f"{value:.{decimals}f}"
    return text.replace("-", "−" if float(text) else "")


def with_interval(measure: Metric, decimals: int) -> str:
    """`0.35 [0.31, 0.40]`, or the number alone when it has no interval."""
    value = number(measure.value, decimals)
    if math.isnan(measure.ci_low) or math.isnan(measure.ci_high):
        return value
    return f"{value} [{number(measure.ci_low, decimals)}, {number(measure.ci_high, decimals)}]"


def with_sd(measure: Metric, decimals: int) -> str:
    """`0.81 ± 0.12`, or the number alone when it has no standard deviation."""
    value = number(measure.value, decimals)
    return f"{value} ± {number(measure.sd, decimals)}" if math.isfinite(measure.sd) else value


def value_alone(measure: Metric, decimals: int) -> str:
    """`0.35`: without its interval, which the CSV has."""
    return number(measure.value, decimals)


def times(factor: float) -> Callable[[Metric, int], str]:
    """Shows a measure times `factor`, with its interval."""

    def show(measure: Metric, decimals: int) -> str:
        scaled = {field: factor * getattr(measure, field) for field in ("value", "ci_low", "ci_high")}
        return with_interval(replace(measure, **scaled), decimals)

    return show
