"""When a training is saved, when it stops, and how fast it is."""

import signal
import threading
import time
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Self

import torch

from steadyflow import distributed

# Dense bf16 peak of a device, FLOP/s, by a part of its name (NVIDIA's data sheets). fp32 trainings use TF32: half.
PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "A40": 150e12, "L40": 181e12, "4090": 165e12}
SPARE_SECONDS = 60.0
"""Left before a deadline, beyond what an interval and a save take; of a short allocation no more than SPARE_SHARE."""
SPARE_SHARE = 0.05
SAVING_SHARE = 0.05
"""The most of a training's time that saving its state may take."""


@dataclass(frozen=True)
class Cadence:
    """When a state is saved: at the first point of the curve after `seconds`, or after `steps`, whichever is earlier.

    A state that takes more than SAVING_SHARE of `seconds` to write waits longer, unless so many steps have passed.
    """

    seconds: float = 60.0
    steps: float = float("inf")


EVERY_MINUTE = Cadence()


class Clock:
    """Watches the time between two points of the curve. Nothing here enters a result.

    A context in which SIGTERM does not end the process, but asks to save and stop.
    """

    def __init__(self, cadence: Cadence, deadline: float, device: torch.device) -> None:
        """`deadline` in seconds since the epoch."""
        self._cadence, self._device = cadence, device
        self._stop_at = deadline - min(SPARE_SECONDS, SPARE_SHARE * (deadline - time.time()))
        self._logged = self._saved = time.monotonic()
        self._interval = self._save_took = 0.0
        self._unsaved_steps = 0
        self._term_came = False

    def __enter__(self) -> Self:
        # Elsewhere than in the main thread Python allows no handler, and none is needed.
        if threading.current_thread() is threading.main_thread():
            self._handler = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, self._handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self._term_came = True

    def tick(self, steps: int, batch_size: int, flops_per_sample: float, precision: str) -> dict[str, float]:
        """images_per_second and mfu of the steps since the last tick, over all processes."""
        now = time.monotonic()
        self._interval, self._logged = now - self._logged, now
        self._unsaved_steps += steps
        rate = steps * batch_size / self._interval
        peak = peak_flops(self._device, precision) * distributed.world_size()
        return {"images_per_second": rate, "mfu": rate * flops_per_sample / peak}

    def save_is_due(self) -> bool:
        slowness = max(1.0, self._save_took / SAVING_SHARE / self._cadence.seconds) if self._cadence.seconds else 1.0
        waited = self._logged - self._saved >= slowness * self._cadence.seconds
        return waited or self._unsaved_steps >= self._cadence.steps

    def saved(self) -> float:
        """To be called when a save has ended; the seconds it took."""
        self._saved = time.monotonic()
        self._save_took = self._saved - self._logged
        self._unsaved_steps = 0
        return self._save_took

    def must_stop(self) -> bool:
        """Whether this process was told to stop, or will not reach its next tick and save it before the deadline."""
        return self._term_came or self._deadline_is_near()

    def why(self) -> str:
        """Why it stops, as far as this process knows."""
        if self._term_came:
            return "on SIGTERM"
        return "before its time limit" if self._deadline_is_near() else "with another process"

    def _deadline_is_near(self) -> bool:
        return time.time() + 2 * self._interval + 2 * self._save_took > self._stop_at


def peak_flops(device: torch.device, precision: str) -> float:
    """FLOP/s of the device at its best, NaN where we do not know it."""
    if device.type != "cuda":
        return float("nan")
    name = torch.cuda.get_device_name(device)
    bf16 = next((peak for part, peak in PEAK_BF16.items() if part in name), float("nan"))
    return bf16 if precision == "bf16" else bf16 / 2
