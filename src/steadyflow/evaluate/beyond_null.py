"""What two runs share beyond the Gaussian flows of their training data.

Two networks that had learned nothing but the mean and covariance of their latents would agree as much as their Gaussian
flows do, on any two halves of the data almost perfectly. So the agreement that the Gaussian flow explains is taken off
first: of each run's features a(i) of the sample of noise i, centred, the part that is proportional to those of the
sample g(i) of the same noise by the Gaussian flow of the run's own training data,

    r(i) = a(i) - beta g(i)    beta = sum_i a(i).g(i) / sum_i |g(i)|^2

and the cosines of two runs' residuals r are compared, matched and unmatched, as those of features are. With beta = 1,
the plain difference, runs that take no notice of the noise would seem to share -g; with beta by least squares they
share nothing.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from steadyflow.evaluate.estimate import groups_of
from steadyflow.evaluate.metrics import Metric, similarity_fields
from steadyflow.evaluate.rows import with_features
from steadyflow.evaluate.sample_similarity import Samples
from steadyflow.evaluate.similarity import pair_similarity, require_shared_noises
from steadyflow.ground.constants import sample_labels

BEYOND = "beyond"
"""Beginning of the names of these metrics, in place of `cosine`."""
_NOTHING = 1e-6
"""A residual shorter than this, relative to the features, is rounding."""


def residuals(features: np.ndarray, null: np.ndarray, groups: np.ndarray | None = None) -> np.ndarray:
    """r of `features` [n, d] beside the `null` model's of the same noises, [n, d] too: float64.

    Both are centred, within each of the `groups` int64 [n] if given: the labels of conditional runs.
    """
    a, g = (_centred(np.asarray(rows, dtype=np.float64), groups) for rows in (features, null))
    square = float(np.square(g).sum())
    return a - (float((a * g).sum()) / square if square else 0.0) * g


def compare_beyond_null(
    a: Samples, b: Samples, null_a: Samples, null_b: Samples, *, dataset: str, num_classes: int = 1
) -> list[Metric]:
    """`beyond_matched`, `beyond_unmatched` and others as of cosines, of the residuals of run `a` and its reference `b`.

    `null_a` and `null_b` are samples of their Gaussian flows; `num_classes` as in `estimate.groups_of`. In an encoder
    in which a run has no residuals, being a Gaussian flow or always the same image, or which has features of fewer than
    two of their samples, there are no such metrics. Raises UserError if the four do not share their noises.
    """
    for other in (b, null_a, null_b):
        require_shared_noises((f"{a.run} {a.sampling}", f"{other.run} {other.sampling}"), (a.noises, other.noises))
    common: dict[str, Any] = {
        "dataset": dataset,
        "run": a.run,
        "reference": b.run,
        "protocol": f"{' against '.join(dict.fromkeys((a.protocol, b.protocol)))} from shared noise, "
        f"less {' and '.join(dict.fromkeys((null_a.run, null_b.run)))}",
        "seed": a.seed,
        "hashes": " ".join(f"{each.run} {each.weights_hash}" for each in (a, b)),
    }
    metrics = []
    for encoder in a.features:
        both = _common_rows([each.features[encoder] for each in (a, b, null_a, null_b)])
        if len(both) < 2:
            continue
        labels = sample_labels(both, a.num_classes) if a.num_classes and a.num_classes == b.num_classes else None
        pairs = ((a, null_a), (b, null_b))
        x, y = (residuals(run.features[encoder][both], null.features[encoder][both], labels) for run, null in pairs)
        scales = (float(np.linalg.norm(run.features[encoder][both])) for run, _ in pairs)
        if all(_is_something(r, scale) for r, scale in zip((x, y), scales, strict=True)):
            found = similarity_fields(pair_similarity(x, y, groups_of(both, num_classes)), BEYOND)
            metrics += [
                Metric(**common, encoder=encoder, n=len(both), metric=name, **each) for name, each in found.items()
            ]
    return metrics


def _centred(rows: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    if groups is None:
        return rows - rows.mean(axis=0)
    _, place = np.unique(groups, return_inverse=True)
    sums = np.zeros((place.max() + 1, rows.shape[1]))
    np.add.at(sums, place, rows)
    return rows - (sums / np.bincount(place)[:, None])[place]


def _common_rows(features: Sequence[np.ndarray]) -> np.ndarray:
    common = with_features(features[0]).rows
    for each in features[1:]:
        common = np.intersect1d(common, with_features(each).rows)
    return common


def _is_something(residual: np.ndarray, scale: float) -> bool:
    return bool(np.linalg.norm(residual, axis=1).min() > 0 and np.linalg.norm(residual) > _NOTHING * scale)
