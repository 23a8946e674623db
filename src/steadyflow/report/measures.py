"""One number out of the tidy metrics table, with everything that must be said beside it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from steadyflow.artifacts import UserError
from steadyflow.evaluate.estimate import Estimate


@dataclass(frozen=True)
class Measure:
    """One row of the metrics. `sd`, `ci_low` and `ci_high` are NaN, and `replicates` empty, where it has none."""

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
    note: str
    replicates: Sequence[float]

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.value, self.ci_low, self.ci_high, tuple(self.replicates))


def find_measure(
    metrics: pd.DataFrame, metric: str, run: str, reference: str = "", encoder: str | None = None
) -> Measure:
    """The one row of `metric` for `run` (against `reference`, in `encoder`). Raises UserError where there is none, or
    more."""
    of_pair = metrics[(metrics["run"] == run) & (metrics["reference"] == reference)]
    rows = of_pair[(of_pair["metric"] == metric) & ((encoder is None) | (of_pair["encoder"] == encoder))]
    against = (f" against '{reference}'" if reference else "") + (f" in '{encoder}'" if encoder else "")
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


def measure_or_none(
    metrics: pd.DataFrame, metric: str, run: str, reference: str = "", encoder: str | None = None
) -> Measure:
    """The same, or `no_measure` where there is no such row. Raises UserError where there are several."""
    of_pair = metrics[(metrics["run"] == run) & (metrics["reference"] == reference) & (metrics["metric"] == metric)]
    if of_pair[(encoder is None) | (of_pair["encoder"] == encoder)].empty:
        return no_measure(metric, run, reference, encoder)
    return find_measure(metrics, metric, run, reference, encoder)


def no_measure(metric: str, run: str, reference: str = "", encoder: str | None = None) -> Measure:
    """One of NaN and no samples: a dash in a table."""
    nan = float("nan")
    return Measure("", run, reference, metric, encoder or "", "", nan, nan, nan, nan, 0, 0, "", ())


def describe(measures: Iterable[Measure]) -> str:
    """What the measures have in common, for a caption: dataset, n, encoder, protocol and seed."""
    all_measures = list(measures)

    def joined(field: str) -> str:
        return ", ".join(sorted({str(getattr(m, field)) for m in all_measures} - {""}))

    counts = sorted({m.n for m in all_measures}) or [0]
    n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    facts = [
        f"Dataset {joined('dataset')}",
        f"n = {n}",
        f"encoder {joined('encoder')}",
        f"protocol {joined('protocol')}",
        f"seed {joined('seed')}",
    ]
    notes = dict.fromkeys(m.note for m in all_measures if m.note)
    return "; ".join([*(fact for fact in facts if not fact.endswith(" ")), *notes])


def require_one_n(measures: Iterable[Measure]) -> None:
    """Raises UserError unless all are of one number of samples: a distance at fewer is larger for that alone."""
    counts: dict[int, str] = {}
    for measure in measures:
        counts.setdefault(measure.n, measure.run)
    if len(counts) > 1:
        runs = ", ".join(f"'{run}' n = {n:,}" for n, run in counts.items())
        raise UserError(
            f"Fréchet distances at different n cannot stand in one table ({runs}): sample every run alike, and take an "
            "encoder that has features of every image"
        )
