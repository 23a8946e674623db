"""The tidy table of metrics, one row per value, written by stages and read by claims, tables and figures."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.similarity import PairSimilarity
from steadyflow.evaluate.trajectories import TrajectoryComparison
from steadyflow.ground.artifacts import UserError

NAN = float("nan")


@dataclass(frozen=True)
class Metric:
    """One value of one metric, with everything that has to be reported with it.

    run: the run, mixture or tokenizer that is measured
    reference: the run or distribution it is compared with, "" for none
    metric, encoder, protocol: the metric's name, the features' encoder, and how the samples were drawn
    n: number of samples or pairs
    ci_low, ci_high, sd: NaN if there is no 95% interval, or no standard deviation
    seed: of the noise, or of the tokenizer's training
    hashes: of the encoder and other inputs
    note: a caveat for readers
    replicates: the values without each group of noises (`estimate.GROUPS` of them), for intervals of differences; ()
        if there are none
    """

    dataset: str
    run: str
    reference: str
    metric: str
    encoder: str
    protocol: str
    value: float
    n: int
    seed: int
    ci_low: float = NAN
    ci_high: float = NAN
    sd: float = NAN
    hashes: str = ""
    note: str = ""
    replicates: tuple[float, ...] = ()

    @property
    def estimate(self) -> Estimate:
        return Estimate(self.value, self.ci_low, self.ci_high, self.replicates)


def metrics_table(metrics: list[Metric]) -> pd.DataFrame:
    """A table with one row per metric."""
    return pd.DataFrame([asdict(metric) for metric in metrics], columns=list(Metric.__dataclass_fields__))


def read_metrics(files: Sequence[Path | str]) -> pd.DataFrame:
    """Reads and concatenates tables of metrics."""
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def find_metric(
    metrics: pd.DataFrame, metric: str, run: str, reference: str = "", encoder: str | None = None
) -> Metric:
    """The only row of `metric` for `run` (against `reference`, in `encoder`; None: any encoder).

    Raises UserError if there is none, or more than one.
    """
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
    found: dict[Any, Any] = rows.iloc[0][[field.name for field in fields(Metric) if field.name in rows]].to_dict()
    return Metric(**{**found, "replicates": tuple(found.get("replicates", ()))})


def metric_or_none(
    metrics: pd.DataFrame, metric: str, run: str, reference: str = "", encoder: str | None = None
) -> Metric:
    """`find_metric`, or `no_metric` if there is no such row. Raises UserError if there are several."""
    of_pair = metrics[(metrics["run"] == run) & (metrics["reference"] == reference) & (metrics["metric"] == metric)]
    if of_pair[(encoder is None) | (of_pair["encoder"] == encoder)].empty:
        return no_metric(metric, run, reference, encoder)
    return find_metric(metrics, metric, run, reference, encoder)


def no_metric(metric: str, run: str, reference: str = "", encoder: str | None = None) -> Metric:
    """A metric with value NaN and n = 0, shown as a dash in tables."""
    return Metric("", run, reference, metric, encoder or "", "", value=NAN, n=0, seed=0)


def describe(metrics: Iterable[Metric]) -> str:
    """Dataset, n, encoder, protocol and seed of the metrics, for a caption."""
    described = list(metrics)

    def joined(field: str) -> str:
        return ", ".join(sorted({str(getattr(m, field)) for m in described} - {""}))

    counts = sorted({m.n for m in described}) or [0]
    n = f"{counts[0]:,}" if len(counts) == 1 else f"{counts[0]:,} to {counts[-1]:,}"
    facts = [
        f"Dataset {joined('dataset')}",
        f"n = {n}",
        f"encoder {joined('encoder')}",
        f"protocol {joined('protocol')}",
        f"seed {joined('seed')}",
    ]
    notes = dict.fromkeys(m.note for m in described if m.note)
    return "; ".join([*(fact for fact in facts if not fact.endswith(" ")), *notes])


def require_one_n(metrics: Iterable[Metric]) -> None:
    """Raises UserError unless all have the same n: the bias of a distance depends on the number of samples."""
    counts: dict[int, str] = {}
    for metric in metrics:
        counts.setdefault(metric.n, metric.run)
    if len(counts) > 1:
        runs = ", ".join(f"'{run}' n = {n:,}" for n, run in counts.items())
        raise UserError(
            f"Fréchet distances at different n cannot stand in one table ({runs}): sample every run alike, and take an "
            "encoder that has features of every image"
        )


def interval(estimate: Estimate) -> dict[str, Any]:
    """value, ci_low, ci_high and replicates of an estimate, as fields of a Metric."""
    return {name: getattr(estimate, name) for name in ("value", "ci_low", "ci_high", "replicates")}


def similarity_fields(found: PairSimilarity, prefix: str) -> dict[str, dict[str, Any]]:
    """Metrics of a comparison, name -> fields of a Metric."""
    return {
        f"{prefix}_matched": {"sd": found.matched_sd, **interval(found.matched)},
        f"{prefix}_unmatched": {"sd": found.unmatched_sd, **interval(found.unmatched)},
        f"{prefix}_difference": interval(found.difference),
        f"{prefix}_auc": {"value": found.auc},
        f"{prefix}_top1": {"value": found.top1},
    }


def trajectory_fields(found: TrajectoryComparison) -> dict[str, dict[str, Any]]:
    """Metrics of a comparison of trajectories, name -> fields of a Metric."""
    return {
        "path_deviation_matched": {**interval(found.matched), "sd": found.matched_sd},
        "path_deviation_median": {"value": found.matched_median},
        "path_deviation_p95": {"value": found.matched_p95},
        "path_deviation_unmatched": {"value": found.unmatched_mean, "sd": found.unmatched_sd},
    }
