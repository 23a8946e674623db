"""Frechet distance and k-NN manifold metrics against clean-fid, torch-fidelity and prdc; memory of streamed statistics.

Features like an Inception network's, not negative and of few effective dimensions, lie in .npy files. Each side has a
process of its own, with as many threads, and none of the environment variables that choose OpenBLAS's kernels. Ours
reads memory maps, the others need arrays in memory. prdc asks for 8 jobs, whatever the machine. Where SciPy no longer
takes the arguments that clean-fid calls it with, the same formula stands in for it, and the table says so.
"""

import argparse
import contextlib
import io
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
parser.add_argument("--rows", type=int, default=10_000, help="real ones, and as many generated")
parser.add_argument("--many-rows", type=int, default=100_000, help="of which statistics are streamed too")
parser.add_argument("--dimensions", type=int, default=2048)
parser.add_argument("--threads", type=int, default=2, help="of each side; 1 on a machine with other work")
parser.add_argument("--questions", nargs="+", default=["frechet", "manifold", "statistics"], help="which to ask")
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for metrics.json")
parser.add_argument("--side", help=argparse.SUPPRESS)
parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)

Work = Callable[[], dict[str, float]]


def main() -> None:
    args = parser.parse_args()
    if args.side:
        one_side(args.side, args.folder)
        return
    measured = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        prepare(folder, args)
        print(f"{'':34} {'wall s':>8} {'CPU s':>8} {'MB at peak':>11} {'MB beyond imports':>18}  found")
        for side in (side for side in SIDES if side.split(":")[0] in args.questions):
            found = in_own_process(side, folder, args.threads)
            measured.append({"side": side, **found})
            memory = f"{found['resident'] / 1e6:11,.0f} {found['beyond_imports'] / 1e6:18,.0f}"
            values = "  ".join(f"{name} {value:.6g}" for name, value in found["values"].items())
            print(f"{side:34} {found['wall']:8.2f} {found['cpu']:8.2f} {memory}  {values}", flush=True)
    flags = {"rows": args.rows, "many_rows": args.many_rows, "dimensions": args.dimensions, "threads": args.threads}
    save(args.output / "metrics.json", {"measured": measured, "flags": flags, "ratios": ratios(measured)})


def prepare(folder: Path, args: argparse.Namespace) -> None:
    from steadyflow.evaluate import feature_statistics

    for seed, (name, spread) in enumerate({"real": 1.0, "fake": 0.95}.items()):
        write_features(folder / f"{name}.npy", args.rows, args.dimensions, spread, seed)
        if "frechet" in args.questions:
            statistics = feature_statistics(read_array(folder / f"{name}.npy"))
            write_array(folder / f"{name}_mean.npy", statistics.mean)
            write_array(folder / f"{name}_cov.npy", statistics.cov)
    if "statistics" in args.questions:
        write_features(folder / "many.npy", args.many_rows, args.dimensions, 1.0, 2)


def write_features(path: Path, n: int, d: int, spread: float, seed: int) -> None:
    """float32 [n, d]: 40 normal factors of falling weight, mixed alike in every file, and noise, cut off at 0."""
    mixing = np.random.default_rng(10).normal(size=(40, d)).astype(np.float32) * np.linspace(0.2, 0.02, 40)[:, None]
    rng = np.random.default_rng(seed)
    with atomic_array(path, (n, d), np.float32) as rows:
        for start in range(0, n, 10_000):
            count = min(10_000, n - start)
            factors, noise = rng.normal(size=(count, 40)), rng.standard_normal((count, d), dtype=np.float32)
            rows[start : start + count] = np.maximum(0.4 + spread * (factors @ mixing) + 0.1 * noise, 0)


def in_own_process(side: str, folder: Path, count: int) -> dict[str, object]:
    """Seconds of the work alone, what it found, bytes at its peak, and anonymous bytes beyond what imports took."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(count))
    command = [sys.executable, __file__, "--side", side, "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=kept | threads) as process:
        anonymous, resident = peak_memory(process)
        if process.returncode:
            sys.exit(f"{side} failed")
        took = json.loads(process.stdout.read())
    return {
        **took["seconds"],
        "values": took["values"],
        "resident": resident,
        "beyond_imports": anonymous - took["before"],
    }


def one_side(side: str, folder: Path) -> None:
    work = SIDES[side](folder)
    before, wall, cpu = memory_status(os.getpid())["RssAnon"], time.perf_counter(), time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        values = work()
    seconds = {"wall": time.perf_counter() - wall, "cpu": time.process_time() - cpu}
    print(json.dumps({"seconds": seconds, "values": values, "before": before}))


def ratios(measured: list[dict[str, object]]) -> dict[str, dict[str, float]]:
    """Of each peer to ours in the same question: wall and CPU seconds, and memory beyond imports."""
    by_side = {str(found["side"]): found for found in measured}
    names = ("wall", "cpu", "beyond_imports")
    found = {}
    for side, theirs in by_side.items():
        ours = by_side.get(f"{side.split(':')[0]}: ours")
        if ours and theirs is not ours:
            found[side] = {name: float(theirs[name]) / float(ours[name]) for name in names}
            print(f"{side}: " + ", ".join(f"{name} x{value:.1f}" for name, value in found[side].items()))
    return found


def statistics_of(folder: Path) -> list[np.ndarray]:
    return [np.array(read_array(folder / f"{name}.npy")) for name in ("real_mean", "real_cov", "fake_mean", "fake_cov")]


def our_frechet(folder: Path) -> Work:
    from steadyflow.evaluate import frechet_distance

    statistics = statistics_of(folder)
    return lambda: {"fd": frechet_distance(*statistics)}


def clean_fid(folder: Path) -> Work:
    import inspect

    from scipy.linalg import sqrtm

    mean1, cov1, mean2, cov2 = statistics_of(folder)
    if "disp" in inspect.signature(sqrtm).parameters:
        from cleanfid.fid import frechet_distance

        return lambda: {"fd": float(frechet_distance(mean1, cov1, mean2, cov2))}
    return lambda: {
        "fd_of_the_same_formula": float(
            np.square(mean1 - mean2).sum() + np.trace(cov1 + cov2) - 2 * np.trace(sqrtm(cov1 @ cov2)).real
        )
    }


def our_manifold(folder: Path) -> Work:
    from steadyflow.evaluate import manifold_metrics

    def work() -> dict[str, float]:
        found = manifold_metrics(read_array(folder / "real.npy"), read_array(folder / "fake.npy"), 3, 5)
        return {name: getattr(found, name).value for name in ("precision", "recall", "density", "coverage")}

    return work


def torch_fidelity(folder: Path) -> Work:
    import torch
    from torch_fidelity.metric_prc import prc_features_to_metric

    def work() -> dict[str, float]:
        real, fake = (torch.from_numpy(np.array(read_array(folder / f"{name}.npy"))) for name in ("real", "fake"))
        return prc_features_to_metric(fake, real, prc_neighborhood=3, verbose=False)

    return work


def prdc(folder: Path) -> Work:
    from prdc import compute_prdc

    def work() -> dict[str, float]:
        real, fake = (np.array(read_array(folder / f"{name}.npy")) for name in ("real", "fake"))
        return {name: float(value) for name, value in compute_prdc(real, fake, nearest_k=5).items()}

    return work


def streamed(name: str) -> Callable[[Path], Work]:
    def side(folder: Path) -> Work:
        from steadyflow.evaluate import feature_statistics

        return lambda: {"rows": feature_statistics(read_array(folder / f"{name}.npy")).n}

    return side


SIDES: dict[str, Callable[[Path], Work]] = {
    "frechet: ours": our_frechet,
    "frechet: clean-fid": clean_fid,
    "manifold: ours": our_manifold,
    "manifold: torch-fidelity, k=3": torch_fidelity,
    "manifold: prdc, k=5": prdc,
    "statistics: few rows": streamed("real"),
    "statistics: many rows": streamed("many"),
}

if __name__ == "__main__":
    main()
