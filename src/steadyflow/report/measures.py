"""Names of `steadyflow.evaluate.metrics` for importers that are not moved yet."""

from steadyflow.evaluate.metrics import Metric as Measure
from steadyflow.evaluate.metrics import describe, require_one_n
from steadyflow.evaluate.metrics import find_metric as find_measure

__all__ = ["Measure", "describe", "find_measure", "require_one_n"]
