"""How many clusters: how well separated those of a clustering are, and where the gain of more of them bends."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from steadyflow.ground.progress import progress
from steadyflow.prune.directions import Directions, chunks, directions, sums_by_cluster
from steadyflow.prune.kmeans import spherical_kmeans


def silhouette(
    embeddings: np.ndarray, cluster: np.ndarray, *, rows: np.ndarray | None = None, device: torch.device | str = "cpu"
) -> float:
    """The mean silhouette (Rousseeuw, 1987) of all rows by cosine distance, in [-1, 1]: no sample, nor centres.

    `cluster` int64 [n]; `embeddings`, `rows` and `device` as of `spherical_kmeans`. No pairs are visited, since the
    distances of u_i to all of a cluster C sum to |C| - u_i . (sum of C). A row alone in its cluster counts 0, and so do
    all rows of an only one. Products are float32.
    """
    points = directions(embeddings, rows)
    sizes = np.bincount(cluster)
    sums = np.zeros((len(sizes), embeddings.shape[1]))
    for part in chunks(np.arange(len(points))):
        sums += sums_by_cluster(points.read(part), cluster[part], len(sizes))
    occupied = np.flatnonzero(sizes)
    if len(occupied) == 1:
        return 0.0
    # Clusters without members are no neighbours.
    means, sizes = sums[occupied] / sizes[occupied, None], sizes[occupied]
    return _mean_silhouette(points, np.searchsorted(occupied, cluster), means, sizes, torch.device(device))


def _mean_silhouette(
    points: Directions, cluster: np.ndarray, means: np.ndarray, sizes: np.ndarray, device: torch.device
) -> float:
    """`means` [k, d] of the members' unit vectors, of which none is empty, and their `sizes` [k]."""
    centres = torch.from_numpy(means).to(device, torch.float32)
    total = 0.0
    for part in chunks(np.arange(len(points))):
        distance = (1 - torch.from_numpy(points.read(part)).to(device) @ centres.T).cpu().numpy().clip(min=0)
        place, own, size = np.arange(len(part)), cluster[part], sizes[cluster[part]]
        # The row's distance to itself is 0: it adds nothing to the sum, but is no member that counts.
        within = distance[place, own] * (size / np.maximum(size - 1, 1))
        distance[place, own] = np.inf
        nearest = distance.min(axis=1)
        widest = np.maximum(within, nearest)
        value = np.divide(nearest - within, widest, out=np.zeros(len(part)), where=(widest > 0) & (size > 1))
        total += float(value.sum())
    return total / len(points)


def elbow(ks: Sequence[int], inertia: Sequence[float]) -> int | None:
    """The k at which the curve lies furthest below the chord from its first to its last point, axes scaled to 0..1.

    This is the knee of Kneedle (Satopää et al., 2011) without smoothing. `ks` increase, and their range matters. None
    where no point lies below the chord, such as for fewer than three. Of equals the lowest k.
    """
    if len(ks) < 3:
        return None
    x, y = np.asarray(ks, dtype=np.float64), np.asarray(inertia, dtype=np.float64)
    below = (y[0] - y) * (x[-1] - x[0]) - (y[0] - y[-1]) * (x - x[0])
    best = int(below.argmax())
    return int(ks[best]) if below[best] > 1e-9 * abs(y[0]) * (x[-1] - x[0]) else None


def compare_numbers(
    embeddings: np.ndarray,
    own: dict[str, Any],
    others: Sequence[int],
    *,
    rows: np.ndarray,
    seed: int,
    restarts: int,
    device: torch.device | str = "cpu",
) -> dict[str, Any]:
    """`numbers`: k, inertia and silhouette of the clustering `own`, which is known, and of those of `others` clusters,
    in the order of k; `elbow` of the inertia over them. Other arguments as of `spherical_kmeans`; a k above n is left
    out."""
    numbers = [{key: own[key] for key in ("k", "inertia", "silhouette")}]
    for k in progress(sorted(k for k in set(others) - {own["k"]} if k <= len(rows)), "numbers of clusters"):
        found = spherical_kmeans(embeddings, k, seed=seed, rows=rows, restarts=restarts, device=device)
        separation = silhouette(embeddings, found.cluster, rows=rows, device=device)
        numbers.append({"k": k, "inertia": found.inertia, "silhouette": separation})
    numbers.sort(key=lambda number: number["k"])
    bend = elbow([number["k"] for number in numbers], [number["inertia"] for number in numbers])
    return {"numbers": numbers, "elbow": bend}
