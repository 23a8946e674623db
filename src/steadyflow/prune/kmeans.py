"""Spherical k-means of embeddings, for pruning by clusters.

Lloyd's algorithm, exact, and accelerated in three ways. By the triangle inequality (Hamerly, SDM 2010) only samples
that may have changed their cluster are read. Clusters' sums are updated by the samples that move. And each restart
begins on a random sample, and uses all rows only for its last iterations.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.directions import Directions, chunks, directions, sums_by_cluster
from steadyflow.prune.keyed import key, keyed_permutation

_SAMPLE, _SAMPLE_PER_CLUSTER = 16_384, 16
# Bounds on the rounding error of a squared chord from a float32 product of unit vectors, and of a centre's shift.
_CHORD_SLACK, _SHIFT_SLACK = 4e-6, 1e-6


@dataclass(frozen=True)
class Clustering:
    """`centres` float64 [k, d] of unit norm; `cluster` int64 [n] in 0..k-1; `distance` float64 [n] in [0, 2], the
    cosine distance to the own centre; `inertia`, the sum of the distances."""

    centres: np.ndarray
    cluster: np.ndarray
    distance: np.ndarray
    inertia: float


def spherical_kmeans(
    embeddings: np.ndarray,
    k: int,
    *,
    seed: int,
    rows: np.ndarray | None = None,
    restarts: int = 4,
    iterations: int = 100,
    tolerance: float = 1e-5,
    device: torch.device | str = "cpu",
) -> Clustering:
    """The best of `restarts` runs of Lloyd's algorithm on the unit sphere (Dhillon and Modha, 2001).

    `embeddings` [N, d] may be a memory map of any float type; its `rows` [n] (None: all) are read in chunks and
    L2-normalised, with some 50 bytes of memory per row. Each run is initialised by greedy k-means++ on a random sample
    of max(16384, 16 k) rows, continued on the sample and then on all rows, each for at most `iterations`, until the
    inertia decreases by less than the fraction `tolerance` (0: until no row moves). Similarities are float32 products
    on `device`; sums and distances are float64.
    Raises UserError if k is outside 1..n, or a row is not finite or zero.
    """
    points = directions(embeddings, rows)
    if not 1 <= k <= len(points):
        raise UserError(f"cannot make {k} clusters of {len(points)} embeddings; choose k in 1..{len(points)}")
    device = torch.device(device)
    runs = (
        _run(points, k, key(seed, f"k-means {restart}"), iterations, tolerance, device) for restart in range(restarts)
    )
    return _clustering(points, min(runs, key=lambda run: run.inertia).centres, device)


@dataclass(frozen=True)
class _Run:
    """`centres` float64 [k, d], and the inertia of the clusters whose mean directions they are."""

    centres: np.ndarray
    inertia: float


def _run(points: Directions, k: int, seed: int, iterations: int, tolerance: float, device: torch.device) -> _Run:
    size = max(_SAMPLE, _SAMPLE_PER_CLUSTER * k)
    sample = points.take(np.sort(keyed_permutation(seed, "sample", len(points))[:size]))
    run = _lloyd(sample, _first_centres(sample, k, seed), iterations, tolerance, device)
    return run if len(sample) == len(points) else _lloyd(points, run.centres, iterations, tolerance, device)


def _first_centres(sample: Directions, k: int, seed: int) -> np.ndarray:
    """Greedy k-means++ (Arthur and Vassilvitskii, 2007), the best of several draws per centre: float32 [k, d]."""
    x = sample.read(np.arange(len(sample)))
    words = np.random.Philox(key=key(seed, "k-means++")).random_raw((k, 2 + int(math.log(k)))) / 2**64
    chosen = [int(words[0, 0] * len(x))]
    gap = _gaps(x, chosen)[0]
    for draws in words[1:]:
        upto = np.cumsum(gap, dtype=np.float64)
        tried = np.searchsorted(upto, draws * upto[-1], side="right").clip(max=len(x) - 1)
        gaps = np.minimum(gap, _gaps(x, tried))
        best = int(gaps.sum(axis=1, dtype=np.float64).argmin())
        chosen.append(int(tried[best]))
        gap = gaps[best]
    return x[chosen]


def _gaps(x: np.ndarray, chosen: np.ndarray | list[int]) -> np.ndarray:
    """Cosine distance of each chosen row to all rows, [chosen, n]; exactly 0 to itself, so it is not drawn again."""
    gaps = np.maximum(1 - x[chosen] @ x.T, 0)
    gaps[np.arange(len(chosen)), chosen] = 0
    return gaps


def _lloyd(points: Directions, centres: np.ndarray, iterations: int, tolerance: float, device: torch.device) -> _Run:
    """Lloyd iterations from `centres` [k, d]. Distances here are chords, |u - v| = sqrt(2 - 2 cos)."""
    (n, k), centres = (len(points), len(centres)), np.asarray(centres, dtype=np.float64)
    cluster = np.full(n, -1)
    # Bounds for each row: at most `near` from its own centre, and at least `far` from every other.
    near, far = np.full(n, np.inf, dtype=np.float32), np.zeros(n, dtype=np.float32)
    sums, inertia = np.zeros_like(centres), float(n)
    for _ in range(iterations):
        moved, before = 0, inertia
        for part in chunks(np.flatnonzero(near >= far)):
            x = points.read(part)
            found, first, second = _two_nearest(x, centres, device)
            near[part] = np.sqrt(np.maximum(2 - 2 * first, 0) + _CHORD_SLACK)
            far[part] = np.sqrt(np.maximum(2 - 2 * second - _CHORD_SLACK, 0))
            moves = np.flatnonzero(found != cluster[part])
            sums += _change(x[moves], cluster[part[moves]], found[moves], k)
            cluster[part] = found
            moved += len(moves)
        inertia = n - float(np.linalg.norm(sums, axis=1).sum())
        if not moved:
            break
        old, centres = centres, _mean_directions(points, sums, np.bincount(cluster, minlength=k), near)
        if 0 <= before - inertia < tolerance * inertia:
            break
        shift = np.linalg.norm(centres - old, axis=1) + _SHIFT_SLACK
        near += shift[cluster]
        far -= _largest_of_others(shift)[cluster]
    return _Run(centres, inertia)


def _clustering(points: Directions, centres: np.ndarray, device: torch.device) -> Clustering:
    cluster, distance = np.empty(len(points), dtype=np.int64), np.empty(len(points))
    for part in chunks(np.arange(len(points))):
        x = points.read(part, np.float64)
        cluster[part] = _two_nearest(x.astype(np.float32), centres, device)[0]
        distance[part] = 1 - np.einsum("nd,nd->n", x, centres[cluster[part]]).clip(-1, 1)
    return Clustering(centres, cluster, distance, float(distance.sum()))


def _two_nearest(x: np.ndarray, centres: np.ndarray, device: torch.device) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For float32 rows [m, d]: the nearest centre, its cosine, and that of the second nearest (-inf for k=1)."""
    cosine = torch.from_numpy(x).to(device) @ torch.from_numpy(centres).to(device, torch.float32).T
    first, found = cosine.max(dim=1)
    second = cosine.scatter_(1, found[:, None], -torch.inf).amax(dim=1)
    return found.cpu().numpy(), first.cpu().numpy(), second.cpu().numpy()


def _change(x: np.ndarray, old: np.ndarray, new: np.ndarray, k: int) -> np.ndarray:
    """The change of the clusters' sums, float64 [k, d], if rows [m, d] move from cluster `old` (-1: none) to `new`."""
    had = old >= 0
    return sums_by_cluster(x, new, k) - sums_by_cluster(x[had], old[had], k)


def _mean_directions(points: Directions, sums: np.ndarray, sizes: np.ndarray, far_off: np.ndarray) -> np.ndarray:
    """The mean directions of the clusters, float64 [k, d]. An empty cluster, or one whose members sum to zero, is moved
    to one of the rows furthest from their centres, by the distances `far_off` [n]."""
    sums[sizes == 0] = 0  # exactly, without rounding errors of former members
    lost = np.flatnonzero(~sums.any(axis=1))
    means = sums.copy()
    if lost.size:
        means[lost] = points.read(np.argsort(-far_off, kind="stable")[: len(lost)], np.float64)
    return means / np.linalg.norm(means, axis=1, keepdims=True)


def _largest_of_others(shift: np.ndarray) -> np.ndarray:
    """For each entry of `shift` [k], the largest of the others; 0 if k is 1."""
    if len(shift) == 1:
        return np.zeros(1)
    second, first = np.sort(shift)[-2:]
    others = np.full(len(shift), first)
    others[shift.argmax()] = second
    return others
