"""The number of clusters: silhouette, and the elbow of the inertia."""

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
    """The mean silhouette (Rousseeuw, 1987) over all rows, by cosine distance, in [-1, 1]; exact, without subsampling.

    `cluster` int64 [n]; `embeddings`, `rows` and `device` as in `spherical_kmeans`. Linear in n, since the distances of
    u_i to the members of a cluster C sum to |C| - u_i . (sum of C). A row that is alone in its cluster counts as 0, and
    the result is 0 for a single cluster. Products are float32.
    """
    points = directions(embeddings, rows)
    sizes = np.bincount(cluster)
    sums = np.zeros((len(sizes), embeddings.shape[1]))
    for part in chunks(np.arange(len(points))):
        sums += sums_by_cluster(points.read(part), cluster[part], len(sizes))
    occupied = np.flatnonzero(sizes)
    if len(occupied) == 1:
        return 0.0
    # Empty clusters are ignored.
    means, sizes = sums[occupied] / sizes[occupied, None], sizes[occupied]
    return _mean_silhouette(points, np.searchsorted(occupied, cluster), means, sizes, torch.device(device))


def _mean_silhouette(
    points: Directions, cluster: np.ndarray, means: np.ndarray, sizes: np.ndarray, device: torch.device
) -> float:
    """`means` [k, d] of the members' unit vectors and `sizes` [k] of the clusters, none of which is empty."""
    centres = torch.from_numpy(means).to(device, torch.float32)
    total = 0.0
    for part in chunks(np.arange(len(points))):
        distance = (1 - torch.from_numpy(points.read(part)).to(device) @ centres.T).cpu().numpy().clip(min=0)
        place, own, size = np.arange(len(part)), cluster[part], sizes[cluster[part]]
        # The mean is over the other members: the row's distance to itself, 0, is excluded.
        within = distance[place, own] * (size / np.maximum(size - 1, 1))
        distance[place, own] = np.inf
        nearest = distance.min(axis=1)
        widest = np.maximum(within, nearest)
        value = np.divide(nearest - within, widest, out=np.zeros(len(part)), where=(widest > 0) & (size > 1))
        total += float(value.sum())
    return total / len(points)


def elbow(ks: Sequence[int], inertia: Sequence[float]) -> int | None:
    """The k at which the inertia is furthest below the chord between its first and last point, axes scaled to 0..1.

    This is Kneedle (Satopää et al., 2011) without smoothing. `ks` are increasing; the result depends on their range.
    None if no point is below the chord, as for fewer than three; the lowest k if several are equal.
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
    """Compares numbers of clusters: `numbers`, with k, inertia and silhouette of the given clustering `own` and of new
    ones with k in `others`, sorted by k, and the `elbow` of the inertia over them. Each k above n is ignored. Other
    arguments as in `spherical_kmeans`."""
    numbers = [{key: own[key] for key in ("k", "inertia", "silhouette")}]
    for k in progress(sorted(k for k in set(others) - {own["k"]} if k <= len(rows)), "numbers of clusters"):
        found = spherical_kmeans(embeddings, k, seed=seed, rows=rows, restarts=restarts, device=device)
        separation = silhouette(embeddings, found.cluster, rows=rows, device=device)
        numbers.append({"k": k, "inertia": found.inertia, "silhouette": separation})
    numbers.sort(key=lambda number: number["k"])
    bend = elbow([number["k"] for number in numbers], [number["inertia"] for number in numbers])
    return {"numbers": numbers, "elbow": bend}
