"""Distances between the trajectories of two runs, as metrics and over time: the stage measure_paths."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from steadyflow.evaluate.estimate import groups_of
from steadyflow.evaluate.metrics import Metric, trajectory_fields
from steadyflow.evaluate.similarity import Noises, require_shared_noises
from steadyflow.evaluate.trajectories import common_times, compare_trajectories


@dataclass(frozen=True)
class Trace:
    """The trajectories of one run: `points` [times, n, ...] at `times` [times], from noises of `seed`."""

    run: str
    weights_hash: str
    seed: int
    times: list[float]
    points: np.ndarray

    @property
    def noises(self) -> Noises:
        return Noises(self.seed, self.points.shape[1], self.points.shape[2:])


def compare_traces(
    a: Trace, b: Trace, *, dataset: str, protocol: str, num_classes: int = 1
) -> tuple[list[Metric], pd.DataFrame]:
    """Compares `a` with the reference `b`: metrics, and a table of distances at each time with the columns run,
    reference, t, and {matched,unmatched}_{low,median,high}. `protocol` is that of the sampling, `num_classes`
    as in `estimate.groups_of`.

    Raises UserError if the two were not traced from the same noises, or at the same times.
    """
    require_shared_noises((a.run, b.run), (a.noises, b.noises))
    times = common_times(a.times, b.times)
    weights = {each.run: each.weights_hash for each in (a, b)}
    found = compare_trajectories(a.points, b.points, times, groups_of(np.arange(a.noises.count), num_classes))
    common: dict[str, Any] = {
        "dataset": dataset,
        "run": a.run,
        "reference": b.run,
        "encoder": "latent",
        "protocol": f"{protocol} from shared noise, {len(times)} times",
        "n": found.n,
        "seed": a.seed,
        "hashes": " ".join(f"{run} {value}" for run, value in weights.items()),
    }
    columns = {
        f"{kind}_{part}": band[:, place]
        for kind, band in (("matched", found.matched_band), ("unmatched", found.unmatched_band))
        for place, part in enumerate(("low", "median", "high"))
    }
    metrics = [Metric(**common, metric=metric, **fields) for metric, fields in trajectory_fields(found).items()]
    return metrics, pd.DataFrame({"run": a.run, "reference": b.run, "t": times, **columns})
