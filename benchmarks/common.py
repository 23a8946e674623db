"""What the benchmarks share: photographs to work on, the machine's name, repeated timings, peaks of memory."""

import os
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from steadyflow.ground.artifacts import provenance, write_json


def write_photographs(folder: Path, count: int, size: tuple[int, int], suffix: str = ".jpg") -> None:
    """Images of `size` (width, height): random crops of scikit-learn's two photographs, enlarged. JPEGs of quality 92.

    Every fourth lies in val/photo, the others in train/photo. The crops are at least half of the smaller side high.
    """
    from sklearn.datasets import load_sample_images

    photographs = [Image.fromarray(image) for image in load_sample_images().images]
    rng, (width, height) = np.random.default_rng(0), size
    for i in range(count):
        photograph = photographs[i % len(photographs)]
        tallest = min(photograph.height, photograph.width * height // width)
        h = int(rng.integers(tallest // 2, tallest + 1))
        w = h * width // height
        x, y = int(rng.integers(0, photograph.width - w + 1)), int(rng.integers(0, photograph.height - h + 1))
        path = folder / ("train" if i % 4 else "val") / "photo" / f"{i:05d}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        photograph.resize(size, Image.Resampling.BICUBIC, (x, y, x + w, y + h)).save(path, quality=92)


def rate(work: Callable[..., int], *arguments: Any, clock: Callable[[], float] = time.process_time) -> float:
    """Items a second, `work` returning how many it did.

    By default a second of processor time, of all threads: other work on the machine hardly changes it.
    """
    start = clock()
    return work(*arguments) / (clock() - start)


def spread(rates: list[float]) -> dict[str, float]:
    return {"median": statistics.median(rates), "low": min(rates), "high": max(rates)}


def shown(rates: dict[str, float]) -> str:
    return f"{rates['median']:,.0f} ({rates['low']:,.0f} to {rates['high']:,.0f})"


def chunks(items: np.ndarray, size: int) -> Iterator[np.ndarray]:
    return (items[start : start + size] for start in range(0, len(items), size))


def drop_from_page_cache(folder: Path) -> None:
    """The files' next read comes from the disk, or as near to it as this machine's layers of caches let one come."""
    for path in (path for path in folder.rglob("*") if path.is_file()):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def peak_memory(process: "subprocess.Popen[Any]") -> tuple[int, int]:
    """Waits for its end. Bytes of anonymous memory, sampled every 20 ms, and of resident memory."""
    anonymous, resident = 0, 0
    while process.poll() is None:
        status = memory_status(process.pid)
        anonymous, resident = max(anonymous, status.get("RssAnon", 0)), max(resident, status.get("VmHWM", 0))
        time.sleep(0.02)
    return anonymous, resident


def memory_status(pid: int) -> dict[str, int]:
    """RssAnon, VmHWM and the like in bytes; nothing once the process has ended."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return {}
    fields = (line.split() for line in lines if line.endswith(" kB"))
    return {name.rstrip(":"): int(kilobytes) * 1024 for name, kilobytes, _ in fields}


def save(path: Path, measured: dict[str, Any]) -> None:
    """What was measured, with the machine and the versions, as JSON."""
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    cpu = models[0].partition(":")[2].strip() if models else platform.processor()
    write_json(path, {**measured, "machine": {"cpu": cpu, "hardware_threads": os.cpu_count()}, **provenance()})
    print(f"\n{path}")
