"""Spherical k-means against scikit-learn's KMeans, on the same unit vectors: seconds, inertia and memory.

The vectors are a mixture on the sphere, written to a .npy file. Each side has a process of its own, and the same k,
restarts and limit of iterations. Ours reads the memory map, scikit-learn's needs the array in memory. The inertia of
either is that of its clusters' best centres by cosine: n - the sum of |sum of members|.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from common import memory_status, peak_memory, save

from steadyflow.ground.artifacts import atomic_array, read_array, write_array

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--cases", nargs="+", default=["200000x24", "20000x1000"], help="rows x clusters")
parser.add_argument("--dimensions", type=int, default=512)
parser.add_argument("--modes", type=int, default=1500, help="of the mixture")
parser.add_argument("--spread", type=float, default=2.0, help="length of the noise around a mode of length 1")
parser.add_argument("--restarts", type=int, default=1)
parser.add_argument("--iterations", type=int, default=100, help="at most, in each restart")
parser.add_argument(
    "--tolerance", type=float, default=1e-4, help="scikit-learn's tol; 0 is until no row moves, as ours"
)
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for kmeans.json")
parser.add_argument("--side", choices=["ours", "scikit-learn"], help=argparse.SUPPRESS)
parser.add_argument("--vectors", type=Path, help=argparse.SUPPRESS)


def main() -> None:
    args = parser.parse_args()
    if args.side:
        one_side(args)
        return
    print(f"{'':24} {'wall s':>8} {'CPU s':>8} {'inertia':>12} {'MB more at peak':>16}")
    measured = []
    for case in args.cases:
        n, k = map(int, case.split("x"))
        with tempfile.TemporaryDirectory() as temporary:
            vectors = Path(temporary) / "vectors.npy"
            write_mixture(vectors, n, args.dimensions, args.modes, args.spread)
            for side in SIDES:
                found = in_own_process(side, vectors, k, args)
                measured.append({"case": case, "side": side, **found})
                seconds = f"{found['wall']:8.1f} {found['cpu']:8.1f}"
                print(
                    f"{case:11} {side:12} {seconds} {found['inertia']:12,.1f} {found['bytes'] / 1e6:16,.0f}", flush=True
                )
    flags = {key: value for key, value in vars(args).items() if key not in ("output", "side", "vectors")}
    save(args.output / "kmeans.json", {"measured": measured, "flags": flags})


def write_mixture(path: Path, n: int, d: int, modes: int, spread: float) -> None:
    """Unit vectors, float32 [n, d], around random directions of unequal weight."""
    rng = np.random.default_rng(0)
    centres = unit(rng.normal(size=(modes, d)))
    mode = rng.choice(modes, n, p=rng.dirichlet(np.ones(modes)))
    with atomic_array(path, (n, d), np.float32) as rows:
        for start in range(0, n, 10_000):
            part = mode[start : start + 10_000]
            rows[start : start + 10_000] = unit(centres[part] + spread * rng.normal(size=(len(part), d)) / np.sqrt(d))


def unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def in_own_process(side: str, vectors: Path, k: int, args: argparse.Namespace) -> dict[str, float]:
    """Seconds of the clustering, its inertia, and its anonymous memory (sampled every 20 ms) beyond the imports."""
    labels = vectors.with_name("labels.npy")
    flags = {"restarts": args.restarts, "iterations": args.iterations, "tolerance": args.tolerance, "cases": f"0x{k}"}
    words = [word for name, value in flags.items() for word in (f"--{name}", str(value))]
    command = [sys.executable, __file__, "--side", side, "--vectors", str(vectors), *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak, _ = peak_memory(process)
        if process.returncode:
            sys.exit(f"{side} failed")
        took = json.loads(process.stdout.read())
    inertia = cosine_inertia(read_array(vectors), read_array(labels), k)
    return {**took["seconds"], "inertia": inertia, "bytes": peak - took["bytes_before"]}


def cosine_inertia(rows: np.ndarray, label: np.ndarray, k: int) -> float:
    sums = [np.linalg.norm(rows[label == c].sum(axis=0, dtype=np.float64)) for c in range(k)]
    return len(rows) - float(np.sum(sums))


def one_side(args: argparse.Namespace) -> None:
    """In its own process: writes the labels, prints what is known in there alone."""
    k, cluster = int(args.cases[0].removeprefix("0x")), SIDES[args.side]()
    before, wall, cpu = memory_status(os.getpid())["RssAnon"], time.perf_counter(), time.process_time()
    labels = cluster(args.vectors, k, args)
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    write_array(args.vectors.with_name("labels.npy"), labels)
    print(json.dumps({"seconds": seconds, "bytes_before": before}))


def ours() -> Callable[..., np.ndarray]:
    import torch

    from steadyflow.prune import spherical_kmeans

    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))

    def cluster(vectors: Path, k: int, args: argparse.Namespace) -> np.ndarray:
        rows = read_array(vectors)
        return spherical_kmeans(rows, k, seed=0, restarts=args.restarts, iterations=args.iterations).cluster

    return cluster


def scikit_learn() -> Callable[..., np.ndarray]:
    from sklearn.cluster import KMeans

    def cluster(vectors: Path, k: int, args: argparse.Namespace) -> np.ndarray:
        rows, most, tolerance = np.array(read_array(vectors)), args.iterations, args.tolerance
        return KMeans(k, n_init=args.restarts, max_iter=most, tol=tolerance, random_state=0).fit(rows).labels_

    return cluster


SIDES = {"ours": ours, "scikit-learn": scikit_learn}

if __name__ == "__main__":
    main()
