"""How far apart two runs carry the same noise, as metrics and over time: the stage measure_paths."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from steadyflow.evaluate.metrics import Metric, path_fields
from steadyflow.evaluate.paths import common_times, compare_paths
from steadyflow.evaluate.similarity import Noises, require_shared_noises


@dataclass(frozen=True)
class Trace:
    """The paths of one run: `paths` [points, n, ...] at `times` [points], from noises of `seed`."""

    run: str
    weights_hash: str
    seed: int
    times: list[float]
    paths: np.ndarray

    @property
    def noises(self) -> Noises:
        return Noises(self.seed, self.paths.shape[1], self.paths.shape[2:])


def compare_traces(a: Trace, b: Trace, *, dataset: str, protocol: str) -> tuple[list[Metric], pd.DataFrame]:
    """`a` against the reference `b`, both sampled by `protocol`: metrics, and a table of distances at each time: run,
    reference, t, and {matched,unmatched}_{low,median,high}.

    Raises UserError when the two were not traced from the same noises, at the same times.
    """
    require_shared_noises((a.run, b.run), (a.noises, b.noises))
    times = common_times(a.times, b.times)
    weights = {each.run: each.weights_hash for each in (a, b)}
    found = compare_paths(a.paths, b.paths, times)
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
    metrics = [Metric(**common, metric=metric, **fields) for metric, fields in path_fields(found).items()]
    return metrics, pd.DataFrame({"run": a.run, "reference": b.run, "t": times, **columns})
