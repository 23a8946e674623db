"""Spherical k-means: clusters of directions, such as CLIP embeddings (Pruning by clusters)."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array
from sklearn.cluster import kmeans_plusplus

from steadyflow.artifacts import UserError
from steadyflow.prune.keyed import key

_CHUNK = 16384  # rows whose similarities to all centres are held at once


@dataclass(frozen=True)
class Clustering:
    """`centres` float64 [k, d] of unit norm; `cluster` int64 [n] in 0..k-1; `distance` float64 [n] in [0, 2],
    1 - cos to the own centre; `inertia`, the sum of the distances."""

    centres: np.ndarray
    cluster: np.ndarray
    distance: np.ndarray
    inertia: float


def spherical_kmeans(
    embeddings: np.ndarray, k: int, *, seed: int, restarts: int = 4, iterations: int = 100
) -> Clustering:
    """The best of `restarts` runs of Lloyd's algorithm on the unit sphere (Dhillon and Modha, 2001).

    `embeddings` [n, d] are L2-normalised here. Each run starts from k-means++ (on unit vectors the squared distance
    is 2 (1 - cos)) and ends when no sample moves, or after `iterations`.
    Raises UserError when k is outside 1..n, or a row is not finite or zero.
    """
    rows = _unit_rows(embeddings)
    if not 1 <= k <= len(rows):
        raise UserError(f"cannot make {k} clusters of {len(rows)} embeddings; choose k in 1..{len(rows)}")
    runs = [_lloyd(rows, _first_centres(rows, k, seed, restart), iterations) for restart in range(restarts)]
    return min(runs, key=lambda run: run.inertia)


def inertia_curve(
    embeddings: np.ndarray, ks: Sequence[int], *, seed: int, restarts: int = 4, iterations: int = 100
) -> list[tuple[int, float]]:
    """(k, inertia) for each k of `ks`: its elbow is how the paper chose 24 clusters for faces. Errors as above."""
    return [
        (k, spherical_kmeans(embeddings, k, seed=seed, restarts=restarts, iterations=iterations).inertia) for k in ks
    ]


def _unit_rows(embeddings: np.ndarray) -> np.ndarray:
    rows = np.asarray(embeddings, dtype=np.float64)
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    bad = np.flatnonzero(~(np.isfinite(norm) & (norm > 0)))
    if bad.size:
        raise UserError(
            f"{bad.size} embeddings have no direction (NaN, infinite or all zero), the first in row {bad[0]}; "
            "delete the embeddings and encode again"
        )
    return rows / norm


def _first_centres(rows: np.ndarray, k: int, seed: int, restart: int) -> np.ndarray:
    centres, _ = kmeans_plusplus(rows, k, random_state=key(seed, f"k-means {restart}") % 2**32)
    return np.asarray(centres)


def _lloyd(rows: np.ndarray, centres: np.ndarray, iterations: int) -> Clustering:
    cluster, distance = _nearest(rows, centres)
    for _ in range(iterations):
        centres = _mean_directions(rows, cluster, distance, len(centres))
        before = cluster
        cluster, distance = _nearest(rows, centres)
        if np.array_equal(before, cluster):
            break
    return Clustering(centres, cluster, distance, float(distance.sum()))


def _nearest(rows: np.ndarray, centres: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    cluster, cosine = np.empty(len(rows), dtype=np.int64), np.empty(len(rows))
    for start in range(0, len(rows), _CHUNK):
        part = slice(start, start + _CHUNK)
        similarity = rows[part] @ centres.T
        cluster[part], cosine[part] = similarity.argmax(axis=1), similarity.max(axis=1)
    return cluster, 1 - np.clip(cosine, -1, 1)


def _mean_directions(rows: np.ndarray, cluster: np.ndarray, distance: np.ndarray, k: int) -> np.ndarray:
    """The unit vectors nearest to the members. A cluster without any starts anew at a sample far from its centre."""
    n = len(rows)
    members = csr_array((np.ones(n), (cluster, np.arange(n))), shape=(k, n))
    total = np.asarray(members @ rows)
    lost = np.flatnonzero(~total.any(axis=1))
    total[lost] = rows[np.argsort(-distance, kind="stable")[: len(lost)]]
    return total / np.linalg.norm(total, axis=1, keepdims=True)
