"""The tidy rows that every metric ends up in."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import pandas as pd

from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.paths import PathComparison
from steadyflow.evaluate.similarity import PairSimilarity

NAN = float("nan")

# What stands in place of a run where metrics are of real images: the training images by their own labels, and the
# held-out ones.
TRAINING_DATA, VALIDATION_IMAGES = "training_data", "validation_images"


@dataclass(frozen=True)
class Metric:
    """One value. `run`: the run or tokenizer that it is about; `reference`: the run or distribution it is measured
    against, '' for none; `n`: samples or pairs; `seed`: of the noise, or of the tokenizer's training; `hashes`: of
    the encoder and other inputs; `note`: what a reader must know of it; `replicates`: its values without each group of
    noises, from which differences of runs have their intervals."""

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


def metrics_table(metrics: list[Metric]) -> pd.DataFrame:
    """One row each."""
    return pd.DataFrame([asdict(metric) for metric in metrics], columns=list(Metric.__dataclass_fields__))


def read_metrics(files: Sequence[Path | str]) -> pd.DataFrame:
    """Tables of metrics as one."""
    return pd.concat([pd.read_parquet(file) for file in files], ignore_index=True)


def interval(estimate: Estimate) -> dict[str, Any]:
    """value, ci_low, ci_high and replicates, as fields of a Metric."""
    return {field.name: getattr(estimate, field.name) for field in fields(Estimate)}


def similarity_fields(found: PairSimilarity, prefix: str) -> dict[str, dict[str, Any]]:
    """A comparison's metrics by name: fields of a Metric each."""
    return {
        f"{prefix}_matched": {"sd": found.matched_sd, **interval(found.matched)},
        f"{prefix}_unmatched": {"sd": found.unmatched_sd, **interval(found.unmatched)},
        f"{prefix}_difference": interval(found.difference),
        f"{prefix}_auc": {"value": found.auc},
        f"{prefix}_top1": {"value": found.top1},
    }


def path_fields(found: PathComparison) -> dict[str, dict[str, Any]]:
    """The same of a comparison of paths."""
    return {
        "path_deviation_matched": {**interval(found.matched), "sd": found.matched_sd},
        "path_deviation_median": {"value": found.matched_median},
        "path_deviation_p95": {"value": found.matched_p95},
        "path_deviation_unmatched": {"value": found.unmatched_mean, "sd": found.unmatched_sd},
    }
