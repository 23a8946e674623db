"""One number out of the tidy metrics table, with everything that must be said beside it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from steadyflow.artifacts import UserError

# The run under which the metrics of the training labels themselves stand.
TRAINING_DATA = "training_data"


@dataclass(frozen=True)
class Measure:
    """One row of the metrics. `sd`, `ci_low` and `ci_high` are NaN where the metric has none."""

    dataset: str
    run: str
    reference: str
    metric: str
    encoder: str
    protocol: str
    value: float
    ci_low: float
    ci_high: float
    sd: float
    n: int
    seed: int


def find_measure(metrics: pd.DataFrame, metric: str, run: str, reference: str = "") -> Measure:
    """The one row of `metric` for `run` (against `reference`). Raises UserError where there is none, or more."""
    of_pair = metrics[(metrics["run"] == run) & (metrics["reference"] == reference)]
    rows = of_pair[of_pair["metric"] == metric]
    against = f" against '{reference}'" if reference else ""
    if rows.empty:
        known = ", ".join(sorted(set(of_pair["metric"]))) or "none"
        raise UserError(f"run '{run}'{against} has no metric '{metric}' (known: {known}); evaluate it first")
    if len(rows) > 1:
        kinds = sorted({f"{row.dataset}/{row.encoder}/{row.protocol}/seed {row.seed}" for row in rows.itertuples()})
        raise UserError(
            f"run '{run}'{against} has {len(rows)} rows of metric '{metric}' ({', '.join(kinds)}); "
            "keep the metrics of one dataset, encoder, protocol and seed"
        )
    fields: dict[Any, Any] = rows.iloc[0][list(Measure.__dataclass_fields__)].to_dict()
    return Measure(**fields)


def describe(measures: Iterable[Measure]) -> str:
    """What the measures have in common, for a caption: dataset, n, encoder, protocol and seed."""
    all_measures = list(measures)

    def joined(field: str) -> str:
        return ", ".join(sorted({str(getattr(m, field)) for m in all_measures} - {""}))

    counts = sorted({m.n for m in all_measures})
    n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    facts = [
        f"Dataset {joined('dataset')}",
        f"n = {n}",
        f"encoder {joined('encoder')}",
        f"protocol {joined('protocol')}",
        f"seed {joined('seed')}",
    ]
    return "; ".join(fact for fact in facts if not fact.endswith(" "))
