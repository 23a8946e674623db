"""The training loop, its resumable state, its curve.

A step is a pure function of (weights, optimiser state, step): data order and every random draw come from
`steadyflow.noise`. So the state needs no generator, and a training killed anywhere and restarted ends with the
weights of one that was never killed, bit for bit on a CPU.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from steadyflow.artifacts import UserError, atomic_path
from steadyflow.noise import batch_rows
from steadyflow.progress import progress


@dataclass(frozen=True)
class Schedule:
    """AdamW without decay, constant learning rate, EMA of the weights. `clip_norm` bounds the gradient's L2 norm."""

    steps: int
    batch_size: int
    learning_rate: float
    ema_decay: float
    seed: int
    clip_norm: float = float("inf")

    @property
    def log_every(self) -> int:
        """Steps per point of the curve, and the fewest between two saved states."""
        return min(100, max(1, self.steps // 200))


class Batch(NamedTuple):
    """`rows` int64 [B]: training samples, as positions among them; `slots` int64 [B]: 0..B-1, the position in the
    global batch, which with `step` keys every random draw."""

    step: int
    rows: Tensor
    slots: Tensor


# (model, batch) -> the scalar loss, and named scalars to be followed in the curve.
Objective = Callable[[nn.Module, Batch], tuple[Tensor, dict[str, Tensor]]]


@dataclass(frozen=True)
class Trained:
    """`ema`: the averaged weights, by name; `curve`: step, loss, grad_norm, the objective's scalars (means over the
    steps since the last row), images_per_second."""

    ema: dict[str, Tensor]
    curve: pd.DataFrame


def train(
    model: nn.Module,
    objective: Objective,
    samples: int,
    schedule: Schedule,
    *,
    state_path: Path,
    identity: str,
    device: torch.device,
    save_seconds: float = 60.0,
    name: str = "training",
) -> Trained:
    """Trains `model` (freshly initialised) on samples 0..samples-1, or goes on from the state at `state_path`.

    `identity` is the hash of all that defines the result; a state of another identity is refused. The state is
    removed by the caller, once the results are safe. Raises UserError for a foreign state or a loss that is not
    finite: the state on disk is then the last good one.
    """
    model.to(device).train()
    weights: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    ema_model = copy.deepcopy(model).requires_grad_(False)
    averages: list[Tensor] = [
        ema for ema, live in zip(ema_model.parameters(), model.parameters(), strict=True) if live.requires_grad
    ]
    optimizer = torch.optim.AdamW(weights, lr=schedule.learning_rate, weight_decay=0.0, fused=device.type == "cuda")
    state = _State(identity, model, ema_model, optimizer, state_path)
    start, curve = state.load()
    recent: list[Tensor] = []
    logged = saved = time.monotonic()
    slots = torch.arange(schedule.batch_size, device=device)
    for step in progress(range(start, schedule.steps), name, total=schedule.steps, done=start, unit="step"):
        rows = batch_rows(samples, schedule.batch_size, schedule.seed, step).to(device)
        loss, followed = objective(model, Batch(step, rows, slots))
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        grad_norm = nn.utils.clip_grad_norm_(weights, schedule.clip_norm)
        optimizer.step()
        torch._foreach_lerp_(averages, weights, 1 - schedule.ema_decay)
        recent.append(torch.stack([loss, grad_norm, *followed.values()]).detach())
        # The only host synchronisation, and the only place where a state is written: after the losses were checked.
        if (step + 1) % schedule.log_every == 0 or step + 1 == schedule.steps:
            now = time.monotonic()
            rate = len(recent) * schedule.batch_size / (now - logged)
            names = ("loss", "grad_norm", *followed)
            curve.append({"step": step + 1, **_means(names, recent, step, state_path), "images_per_second": rate})
            recent, logged = [], now
            if now - saved >= save_seconds:
                state.save(step + 1, curve)
                saved = time.monotonic()
    if not all(bool(average.isfinite().all()) for average in averages):
        raise UserError(f"{name}: a weight is not finite after step {schedule.steps - 1}; {_ADVICE}")
    return Trained(ema_model.state_dict(), pd.DataFrame(curve))


_ADVICE = "lower learning_rate or set a gradient clip, then rerun"


def _means(names: tuple[str, ...], recent: list[Tensor], last_step: int, state_path: Path) -> dict[str, float]:
    table = torch.stack(recent)
    # The gradient too: it spoils the weights one step before the loss shows it, and they would be saved.
    finite = table[:, :2].isfinite()
    if not bool(finite.all()):
        row = int(finite.all(1).logical_not().nonzero()[0])
        what = "gradient" if bool(finite[row, 0]) else "loss"
        kept = f"the last good state is kept in {state_path}" if state_path.exists() else "no state was saved before it"
        raise UserError(f"the {what} is not finite at step {last_step - len(recent) + 1 + row}; {kept}; {_ADVICE}")
    return dict(zip(names, table.double().mean(0).tolist(), strict=True))


@dataclass(frozen=True)
class _State:
    identity: str
    model: nn.Module
    ema_model: nn.Module
    optimizer: torch.optim.Optimizer
    path: Path

    def load(self) -> tuple[int, list[dict[str, float]]]:
        """The next step and the curve so far; (0, []) when there is no state."""
        # What a kill in the middle of a write left behind: each as large as a state.
        for left in self.path.parent.glob(f".{self.path.stem}.*{self.path.suffix}"):
            left.unlink()
        if not self.path.exists():
            return 0, []
        try:
            saved: dict[str, Any] = torch.load(self.path, map_location="cpu", weights_only=True)
            identity = saved["identity"]
        except Exception as error:
            raise UserError(f"{self.path}: unreadable training state; delete it to start anew") from error
        if identity != self.identity:
            raise UserError(
                f"{self.path}: state of another training (identity {identity}, expected {self.identity}): its spec or "
                "its inputs have changed; delete the file to start anew"
            )
        self.model.load_state_dict(saved["model"])
        self.ema_model.load_state_dict(saved["ema"])
        self.optimizer.load_state_dict(saved["optimizer"])
        return saved["step"], saved["curve"]

    def save(self, step: int, curve: list[dict[str, float]]) -> None:
        content = {
            "identity": self.identity,
            "step": step,
            "curve": curve,
            "model": self.model.state_dict(),
            "ema": self.ema_model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
        }
        # Through Python's own file, whose errors say that a disk is full.
        with atomic_path(self.path) as temporary, temporary.open("wb") as file:
            torch.save(content, file)
