"""The tidy rows that every metric ends up in."""

from dataclasses import asdict, dataclass

import pandas as pd

from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.paths import PathComparison
from steadyflow.evaluate.similarity import PairSimilarity

NAN = float("nan")


@dataclass(frozen=True)
class Metric:
    """One value. `run`: the run or tokenizer that it is about; `reference`: the run or distribution it is measured
    against, '' for none; `n`: samples or pairs; `seed`: of the noise, or of the tokenizer's training; `hashes`: of
    the encoder and other inputs."""

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


def metrics_table(metrics: list[Metric]) -> pd.DataFrame:
    """One row each."""
    return pd.DataFrame([asdict(metric) for metric in metrics], columns=list(Metric.__dataclass_fields__))


def interval(estimate: Estimate) -> dict[str, float]:
    """value, ci_low, ci_high, as fields of a Metric."""
    return {"value": estimate.value, "ci_low": estimate.ci_low, "ci_high": estimate.ci_high}


def similarity_fields(found: PairSimilarity, prefix: str) -> dict[str, dict[str, float]]:
    """A comparison's metrics by name: fields of a Metric each. The interval of the matched mean is 1.96 SE."""
    margin = 1.96 * found.matched_se
    matched = {"ci_low": found.matched_mean - margin, "ci_high": found.matched_mean + margin, "sd": found.matched_sd}
    return {
        f"{prefix}_matched": {"value": found.matched_mean, **matched},
        f"{prefix}_unmatched": {"value": found.unmatched_mean, "sd": found.unmatched_sd},
        f"{prefix}_difference": {
            "value": found.difference,
            "ci_low": found.difference_low,
            "ci_high": found.difference_high,
        },
        f"{prefix}_auc": {"value": found.auc},
        f"{prefix}_top1": {"value": found.top1},
    }


def path_fields(found: PathComparison) -> dict[str, dict[str, float]]:
    """The same of a comparison of paths."""
    return {
        "path_deviation_matched": {**interval(found.matched), "sd": found.matched_sd},
        "path_deviation_median": {"value": found.matched_median},
        "path_deviation_p95": {"value": found.matched_p95},
        "path_deviation_unmatched": {"value": found.unmatched_mean, "sd": found.unmatched_sd},
    }
