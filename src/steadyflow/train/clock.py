"""When a training is saved, when it stops, and how fast it is. Nothing here enters a result."""

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType, TracebackType
from typing import Self

import torch

from steadyflow.ground import distributed

# Dense bf16 peak of a device, FLOP/s, by a part of its name (NVIDIA's data sheets). fp32 trainings use TF32: half.
PEAK_BF16 = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "A40": 150e12, "L40": 181e12, "4090": 165e12}
SPARE_SECONDS = 60.0
"""Left before a deadline, beyond what an interval and a save take; of a short allocation no more than SPARE_SHARE."""
SPARE_SHARE = 0.05
AGREEMENT_SECONDS = 1.0
"""Between two steps after which several processes agree whether to stop, about. One process looks after each step."""
SAVING_SHARE = 0.05
"""The most of a training's time that saving its state may take."""


Deadline = Callable[[], float]
"""When a training has to have stopped, in seconds since the epoch. A function, since SLURM may have to be asked."""


def no_deadline() -> float:
    return float("inf")


@dataclass(frozen=True)
class Cadence:
    """When a state is saved: at the first point of the curve after `seconds`, or after `steps`, whichever is earlier.

    A state that takes more than SAVING_SHARE of `seconds` to write waits longer, unless so many steps have passed.
    """

    seconds: float = 60.0
    steps: float = float("inf")


EVERY_MINUTE = Cadence()


class Clock:
    """Measures the time of steps and saves. As a context, it keeps SIGTERM from ending the process, and notes it.

    Steps are counted as in the training: `step` of them are done.
    """

    def __init__(self, cadence: Cadence, deadline: float, device: torch.device, step: int = 0) -> None:
        """`deadline` in seconds since the epoch."""
        self._cadence, self._device = cadence, device
        self._stop_at = deadline - min(SPARE_SECONDS, SPARE_SHARE * (deadline - time.time()))
        self._logged = self._saved = self._agreed = time.monotonic()
        self._logged_step = self._saved_step = self._agreed_step = step
        self._next_agreement = step + 1
        self._interval = self._save_took = 0.0
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
        """To be called when a save has ended, which took `seconds`."""
        self._saved, self._saved_step, self._save_took = time.monotonic(), step, seconds

    def agreement_is_due(self, step: int) -> bool:
        """Whether the processes have to agree after this step: on each of them the same. A single process has to when
        it must stop."""
        return self._must_stop() if distributed.world_size() == 1 else step >= self._next_agreement

    def agree(self, step: int, lost: bool) -> tuple[bool, bool]:
        """(whether any process must stop, whether any is `lost`): on each of them the same.

        To be called by all processes after the same step. The time of a step, their mean, says when they are to agree
        again: an all_reduce after each step would cost much on a slow network.
        """
        now = time.monotonic()
        seconds = (now - self._agreed) / max(1, step - self._agreed_step)
        flags = torch.tensor([self._must_stop(), lost, seconds], dtype=torch.float32, device=self._device)
        stopping, losing, seconds = distributed.total(flags).tolist()
        steps = AGREEMENT_SECONDS * distributed.world_size() / max(seconds, 1e-6)
        self._agreed, self._agreed_step, self._next_agreement = now, step, step + max(1, int(steps))
        return stopping > 0, losing > 0

    def why(self) -> str:
        """Why it stops, as far as this process knows."""
        if self._term_came:
            return "on SIGTERM"
        return "before its time limit" if self._deadline_is_near() else "with another process"

    def _must_stop(self) -> bool:
        """Whether SIGTERM came, or the deadline is too near for two more points of the curve and a save."""
        return self._term_came or self._deadline_is_near()

    def _deadline_is_near(self) -> bool:
        return time.time() + 2 * self._interval + 2 * self._save_took > self._stop_at


def peak_flops(device: torch.device, precision: str) -> float:
    """FLOP/s of the device at its best, NaN where we do not know it."""
    if device.type != "cuda":
        return float("nan")
    name = torch.cuda.get_device_name(device)
    bf16 = next((peak for part, peak in PEAK_BF16.items() if part in name), float("nan"))
    return bf16 if precision == "bf16" else bf16 / 2
