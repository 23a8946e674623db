"""Kernel herding: time per pick and memory, against the n x n kernel matrix held, and against it computed anew.

All pick greedily by the same rule, half of `rows` random features of 512 numbers that lie in a file. The last column
says what the same would take for ImageNet's 1,281,167 images: ours in proportion to n, the others to its square.
"""

import argparse
import tempfile
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import save

from steadyflow.prune import CRITERIA
from steadyflow.prune.inputs import flattened

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--rows", type=int, nargs="+", default=[5_000, 20_000], help="how many, for ours")
parser.add_argument("--peer-rows", type=int, nargs="+", default=[2_500, 5_000], help="how many, for the others")
parser.add_argument("--dimensions", type=int, default=512)
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for selection.json")

IMAGENET = 1_281_167
Pick = Callable[[np.ndarray, int], np.ndarray]


def main() -> None:
    args = parser.parse_args()
    kinds: dict[str, tuple[Pick, list[int], int]] = {
        "ours": (ours, args.rows, 1),
        "matrix held": (matrix_held, args.peer_rows, 2),
        "computed anew": (computed_anew, args.peer_rows, 2),
    }
    measured = []
    print(f"{'':14} {'rows':>9} {'ms a pick':>10} {'seconds':>9} {'MB':>8}   ImageNet: hours, GB")
    for name, (pick, sizes, power) in kinds.items():
        for rows in sizes:
            seconds, megabytes = measure(pick, rows, args.dimensions)
            hours = seconds * (IMAGENET / rows) ** power / 3600
            gigabytes = (IMAGENET**2 * 4e-9) if pick is matrix_held else None
            measured.append({"name": name, "rows": rows, "seconds": seconds, "mb": megabytes, "imagenet_hours": hours})
            shown = f"{hours:14,.2f}" + (f" {gigabytes:10,.0f}" if gigabytes else "")
            print(f"{name:14} {rows:9,} {1000 * seconds / (rows // 2):10.3f} {seconds:9.2f} {megabytes:8.0f} {shown}")
    flags = {key: value for key, value in vars(args).items() if key != "output"}
    save(args.output / "selection.json", {"herding": measured, "flags": flags})


def measure(pick: Pick, rows: int, dimensions: int) -> tuple[float, float]:
    """Seconds, and the peak of numpy's memory in MB, which the memory map of the features is not part of."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "features.npy"
        features = np.lib.format.open_memmap(file, "w+", np.float32, (rows, dimensions))
        for start in range(0, rows, 10_000):
            part = features[start : start + 10_000]
            part[:] = np.random.default_rng(start).standard_normal(part.shape, dtype=np.float32)
        features = np.load(file, mmap_mode="r")
        tracemalloc.start()
        start = time.perf_counter()
        chosen = pick(features, rows // 2)
        seconds, (_, peak) = time.perf_counter() - start, tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(np.unique(chosen)) == rows // 2
    return seconds, peak / 1e6


def ours(features: np.ndarray, keep: int) -> np.ndarray:
    ids = np.arange(len(features))
    return CRITERIA["kernel"].choose(ids, flattened(features, ids), keep, seed=0)


def matrix_held(features: np.ndarray, keep: int) -> np.ndarray:
    points = np.array(features)
    kernel = rbf(points, points)
    return greedy(kernel.mean(axis=1), lambda pick: kernel[pick], keep)


def computed_anew(features: np.ndarray, keep: int) -> np.ndarray:
    points = np.array(features)
    means = np.concatenate([rbf(points[at : at + 256], points).mean(axis=1) for at in range(0, len(points), 256)])
    return greedy(means, lambda pick: rbf(points[pick : pick + 1], points)[0], keep)


def rbf(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The kernel whose bandwidth is the median distance of standard normal numbers, 2 d squared."""
    squares = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1) - 2 * a @ b.T
    return np.exp(squares / np.float32(-4 * a.shape[1]))


def greedy(means: np.ndarray, row: Callable[[int], np.ndarray], keep: int) -> np.ndarray:
    gain, chosen = means.astype(np.float64), np.empty(keep, dtype=np.int64)
    for place in range(keep):
        pick = chosen[place] = gain.argmax()
        gain += means - row(pick)
        gain[pick] = -np.inf
    return chosen


main()
