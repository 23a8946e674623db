"""When a training saves checkpoints and stops, and its throughput. Nothing here affects a result."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Self

import torch

from steadyflow.ground import distributed

# Dense bf16 peak in FLOP/s by a substring of the device's name (NVIDIA's data sheets). TF32, used for fp32, has half.
PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "A40": 150e12, "L40": 181e12, "4090": 165e12}
SPARE_SECONDS = 60.0
"""Margin before a deadline, in addition to the next points of the curve and a checkpoint; at most SPARE_SHARE of the
time left when the training starts."""
SPARE_SHARE = 0.05
AGREEMENT_SECONDS = 1.0
"""Approximate time between two all_reduces by which several processes agree whether to stop. A single process checks
after every step."""
SAVING_SHARE = 0.05
"""Maximum share of a training's time for saving checkpoints."""


Deadline = Callable[[], float]
"""Gives the time by which a training has to stop, in seconds since the epoch; a function, since it may query SLURM."""


def no_deadline() -> float:
    return float("inf")


@dataclass(frozen=True)
class Cadence:
    """When to save a checkpoint: at the first point of the curve after `seconds` or `steps`, whichever is earlier.

    If a checkpoint takes longer than SAVING_SHARE of `seconds` to write, the interval in seconds grows accordingly.
    """

    seconds: float = 60.0
    steps: float = float("inf")


EVERY_MINUTE = Cadence()


class Clock:
    """Measures the time of steps and checkpoints. As a context manager it handles SIGTERM: the training stops at the
    next agreement instead of at once.

    In all methods `step` is the number of steps of the training that are done.
    """

    def __init__(self, cadence: Cadence, deadline: float, device: torch.device, step: int = 0) -> None:
        """`deadline` in seconds since the epoch."""
        self._cadence, self._device = cadence, device
        self._stop_at = deadline - min(SPARE_SECONDS, SPARE_SHARE * (deadline - time.time()))
        self._logged = self._saved = self._agreed = time.monotonic()
        self._logged_step = self._saved_step = self._agreed_step = step
        self._next_agreement = step + 1
        self._interval = self._save_took = 0.0
        self._got_sigterm = False

    def __enter__(self) -> Self:
        # Python allows signal handlers only in the main thread.
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._got_sigterm = True

    def tick(self, step: int, batch_size: int, flops_per_sample: float, precision: str) -> dict[str, float]:
        """images_per_second and mfu of the steps since the last tick, over all processes."""
        now, steps = time.monotonic(), step - self._logged_step
        self._interval, self._logged, self._logged_step = now - self._logged, now, step
        rate = steps * batch_size / self._interval
        peak = peak_flops(self._device, precision) * distributed.world_size()
        return {"images_per_second": rate, "mfu": rate * flops_per_sample / peak}

    def save_is_due(self) -> bool:
        slowness = max(1.0, self._save_took / SAVING_SHARE / self._cadence.seconds) if self._cadence.seconds else 1.0
        waited = self._logged - self._saved >= slowness * self._cadence.seconds
        return waited or self._logged_step - self._saved_step >= self._cadence.steps

    def saved(self, step: int, seconds: float) -> None:
        """To be called after a checkpoint, which took `seconds`."""
        self._saved, self._saved_step, self._save_took = time.monotonic(), step, seconds

    def agreement_is_due(self, step: int) -> bool:
        """Whether `agree` is due after this step, the same on every process. For a single process: whether it has to
        stop."""
        return self._must_stop() if distributed.world_size() == 1 else step >= self._next_agreement

    def agree(self, step: int, lost: bool) -> tuple[bool, bool]:
        """(whether any process has to stop, whether any has `lost` the training to another), the same on all processes.

        An all_reduce, to be called by all processes after the same step. The next one is due after about
        AGREEMENT_SECONDS, estimated from the mean time of a step: one after each step is costly on a slow network.
        """
        now = time.monotonic()
        seconds = (now - self._agreed) / max(1, step - self._agreed_step)
        flags = torch.tensor([self._must_stop(), lost, seconds], dtype=torch.float32, device=self._device)
        stopping, losing, seconds = distributed.all_reduce(flags).tolist()
        steps = AGREEMENT_SECONDS * distributed.world_size() / max(seconds, 1e-6)
        self._agreed, self._agreed_step, self._next_agreement = now, step, step + max(1, int(steps))
        return stopping > 0, losing > 0

    def why(self) -> str:
        """The reason for stopping, as far as this process knows."""
        if self._got_sigterm:
            return "on SIGTERM"
        return "before its time limit" if self._deadline_is_near() else "with another process"

    def _must_stop(self) -> bool:
        """Whether SIGTERM was received, or the deadline is too near for two more points of the curve and a save."""
        return self._got_sigterm or self._deadline_is_near()

    def _deadline_is_near(self) -> bool:
        return time.time() + 2 * self._interval + 2 * self._save_took > self._stop_at


def peak_flops(device: torch.device, precision: str) -> float:
    """Peak FLOP/s of the device, NaN if unknown. `precision`: "bf16" or "fp32"."""
    if device.type != "cuda":
        return float("nan")
    name = torch.cuda.get_device_name(device)
    bf16 = next((peak for part, peak in PEAK_BF16.items() if part in name), float("nan"))
    return bf16 if precision == "bf16" else bf16 / 2
