"""The training loop, its resumable state, its curve.

A step is a pure function of (weights, optimiser state, step): data order and every random draw come from
`steadyflow.ground.noise`. So the state needs no generator, and a training killed anywhere and restarted ends with the
weights of one that was never killed, bit for bit on a CPU.
"""

import copy
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
import torch
from torch import Tensor, nn

from steadyflow.ground import distributed
from steadyflow.ground.artifacts import Unfinished, UserError
from steadyflow.ground.ledger import Bookkeeper, ledger_file
from steadyflow.ground.noise import batch_rows
from steadyflow.ground.progress import progress
from steadyflow.train.clock import EVERY_MINUTE, Cadence, Clock, Deadline, no_deadline
from steadyflow.train.state import TrainingState


@dataclass(frozen=True)
class Schedule:
    """AdamW without decay, constant learning rate, EMA of the weights. `clip_norm` bounds the gradient's L2 norm.

    `precision` is that of the networks; weights, losses and optimiser are fp32 in either case.
    """

    steps: int
    batch_size: int
    learning_rate: float
    ema_decay: float
    seed: int
    clip_norm: float = float("inf")
    precision: Literal["fp32", "bf16"] = "fp32"

    @property
    def log_every(self) -> int:
        """Steps per point of the curve."""
        return min(100, max(1, self.steps // 200))

    def is_watched(self, step: int) -> bool:
        """Some ten points of the curve, and the last."""
        return step == self.steps or step % (self.log_every * max(1, self.steps // self.log_every // 10)) == 0


class Batch(NamedTuple):
    """This process's part of the global batch of `size` samples: all of it, unless there are several processes.

    `rows` int64 [B]: training samples, as positions among them; `slots` int64 [B]: their places 0..size-1 in the
    global batch, which with `step` key every random draw; `x` [B, ...]: what `load` gave for the rows.
    """

    step: int
    rows: Tensor
    slots: Tensor
    x: Tensor
    size: int

    @property
    def share(self) -> float:
        """A mean over this part, times this, is its part of the mean over the global batch."""
        return len(self.rows) / self.size

    def pieces(self, most: int | None) -> Iterator["Batch"]:
        """The batch in parts of at most `most` samples, whole when that is None."""
        length = len(self.rows) if most is None else most
        for rows, slots, x in zip(self.rows.split(length), self.slots.split(length), self.x.split(length), strict=True):
            yield self._replace(rows=rows, slots=slots, x=x)


# rows int64 [B] on the CPU -> the training samples there, on the CPU. Runs in a thread, a step ahead.
Load = Callable[[Tensor], Tensor]
# (model, batch) -> the scalar loss, and named scalars to be followed in the curve, the same names at every step.
Objective = Callable[[nn.Module, Batch], tuple[Tensor, dict[str, Tensor]]]
# The averaged model -> named numbers for the curve, a few times in a training.
Watch = Callable[[nn.Module], Mapping[str, float]]


@dataclass(frozen=True)
class Trained:
    """`ema`: the averaged weights, by name; `curve`: step, loss, grad_norm, the objective's scalars (means over the
    steps since the last row), images_per_second, mfu (NaN where the device's speed or the FLOPs are not known), and
    what is watched (NaN but at a tenth of the rows or fewer)."""

    ema: dict[str, Tensor]
    curve: pd.DataFrame


def train(
    model: nn.Module,
    objective: Objective,
    load: Load,
    samples: int,
    schedule: Schedule,
    *,
    state_path: Path,
    identity: str,
    device: torch.device,
    adversary: nn.Module | None = None,
    watch: Watch | None = None,
    micro_batch: int | None = None,
    cadence: Cadence = EVERY_MINUTE,
    deadline: Deadline = no_deadline,
    flops_per_sample: float = float("nan"),
    name: str = "training",
) -> Trained:
    """Trains `model` (freshly initialised) on samples 0..samples-1, or goes on from the state at `state_path`.

    `adversary` is a second network that the objective trains against the first: its loss is a term of the objective
    that moves it alone. It is stepped and saved with the model, but not averaged. Under torchrun (inside
    `distributed.joined`) each process works on its part of the same global batches; rank 0 saves. With `micro_batch`
    a process takes its part in pieces, for memory's sake, and adds their gradients: for objectives that are means over
    samples, nothing but rounding changes.

    It is saved at points of the curve at its `cadence`. When SIGTERM has come or the `deadline` is near, it is saved
    after the step that is being computed (several processes agree on the step within seconds): then Unfinished is
    raised, and the same call goes on. `deadline()`, in seconds since the epoch, is called once, on rank 0.

    `identity` is the hash of all that defines the result; a state of another identity is refused. Two states are kept,
    in case the last is damaged, and beside them a ledger (`steadyflow.ground.ledger`). The caller removes the states,
    by `forget_state`, once the results are safe. Where another process has begun to go on with the same training,
    Unfinished is raised too: the last that began has it. Raises UserError for a foreign state or a loss that is not
    finite: the state on disk is then the last good one.
    """
    if schedule.batch_size < distributed.world_size():
        raise UserError(
            f"a batch of {schedule.batch_size} cannot be shared by {distributed.world_size()} processes; ask for fewer"
        )
    networks = [network.to(device).train() for network in (model, adversary) if network is not None]
    weights: list[list[Tensor]] = [[p for p in network.parameters() if p.requires_grad] for network in networks]
    moved = [parameter for part in weights for parameter in part]
    ema_model = copy.deepcopy(model).requires_grad_(False)
    averages: list[Tensor] = [
        ema for ema, live in zip(ema_model.parameters(), model.parameters(), strict=True) if live.requires_grad
    ]
    optimizer = torch.optim.AdamW(moved, schedule.learning_rate, weight_decay=0.0, fused=_on_gpu(device))
    state = TrainingState(identity, networks, ema_model, optimizer, state_path)
    start, curve, recent = state.load()
    keeper = None
    if distributed.rank() == 0:
        keeper = Bookkeeper(
            ledger_file(state_path), name, schedule.steps, schedule.batch_size, distributed.world_size(), start
        )
    recent = [row.to(device) for row in recent]
    batches = _batches(load, samples, schedule, start, device)
    with Clock(cadence, deadline() if keeper else no_deadline(), device, start) as clock:
        for batch in progress(batches, name, total=schedule.steps, done=start, unit="step"):
            optimizer.zero_grad(set_to_none=True)
            measured = []
            for piece in batch.pieces(micro_batch):
                with torch.autocast(device.type, torch.bfloat16, enabled=schedule.precision == "bf16"):
                    loss, followed = objective(model, piece)
                (loss * piece.share).backward()
                measured.append(torch.stack([loss, *followed.values()]).detach() * piece.share)
            distributed.sum_gradients(moved)
            grad_norm, *others = [nn.utils.clip_grad_norm_(part, schedule.clip_norm) for part in weights]
            # Not finite as soon as one of them is not: a spoiled adversary must not be saved either.
            grad_norm = grad_norm + 0 * sum(others)
            optimizer.step()
            torch._foreach_lerp_(averages, weights[0], 1 - schedule.ema_decay)
            loss_sum, *sums = torch.stack(measured).sum(0)
            recent.append(torch.stack([loss_sum, grad_norm * batch.share, *sums]))
            step = batch.step + 1
            is_point = step % schedule.log_every == 0 or step == schedule.steps
            if not (is_point or clock.agreement_is_due(step)):
                continue
            # The only host synchronisation at points of the curve.
            if is_point:
                table = _losses(recent, step, state_path)
                speed = clock.tick(step, schedule.batch_size, flops_per_sample, schedule.precision)
                seen = watch(ema_model.eval()) if watch and schedule.is_watched(step) else {}
                curve.append({"step": step, **_means(("loss", "grad_norm", *followed), table), **speed, **seen})
                recent = []
            successor = keeper.successor() if keeper else None
            # Every process has to stop at the same step.
            stop, lost = clock.agree(step, successor is not None)
            if lost:
                raise Unfinished(f"{name}: left at step {step} of {schedule.steps} to {successor or 'another'}")
            if keeper:
                keeper.note(step, curve[-1] if is_point else None)
            ends = stop and step < schedule.steps
            if ends or (is_point and clock.save_is_due()):
                began = time.monotonic()
                # No state is written before its losses were checked.
                state.save(step, curve, list(_losses(recent, step, state_path)) if recent else [])
                seconds = time.monotonic() - began
                clock.saved(step, seconds)
                if keeper:
                    keeper.saved(seconds, stops=ends)
            if ends:
                where = f"at step {step} of {schedule.steps}, saved in {state_path}"
                raise Unfinished(f"{name}: stopped {clock.why()} {where}")
    if not all(bool(average.isfinite().all()) for average in averages):
        raise UserError(f"{name}: a weight is not finite after step {schedule.steps - 1}; {_ADVICE}")
    return Trained(ema_model.state_dict(), pd.DataFrame(curve))


def _batches(load: Load, samples: int, schedule: Schedule, start: int, device: torch.device) -> Iterator[Batch]:
    """The batches from step `start` on, each loaded while the one before it is worked on."""
    slots = distributed.part(torch.arange(schedule.batch_size))

    def prepare(step: int) -> Batch:
        rows = distributed.part(batch_rows(samples, schedule.batch_size, schedule.seed, step))
        x = load(rows)
        if _on_gpu(device):
            x = x.pin_memory()
        rest = (rows.to(device), slots.to(device), x.to(device, non_blocking=True))
        return Batch(step, *rest, size=schedule.batch_size)

    with ThreadPoolExecutor(1) as ahead:
        following = ahead.submit(prepare, start) if start < schedule.steps else None
        for step in range(start, schedule.steps):
            assert following is not None
            batch = following.result()
            following = ahead.submit(prepare, step + 1) if step + 1 < schedule.steps else None
            yield batch


def _on_gpu(device: torch.device) -> bool:
    return device.type == "cuda"


_ADVICE = "lower learning_rate or set a gradient clip, then rerun"


def _losses(recent: list[Tensor], step: int, state_path: Path) -> Tensor:
    """The losses, gradients' norms and scalars of the last steps before `step`, summed over all processes. Raises
    UserError where a loss or a gradient is not finite."""
    table = distributed.total(torch.stack(recent))
    # The gradient too: it spoils the weights one step before the loss shows it, and they would be saved.
    finite = table[:, :2].isfinite()
    if not bool(finite.all()):
        row = int(finite.all(1).logical_not().nonzero()[0])
        what = "gradient" if bool(finite[row, 0]) else "loss"
        kept = f"the last good state is kept in {state_path}" if state_path.exists() else "no state was saved before it"
        raise UserError(f"the {what} is not finite at step {step - len(recent) + row}; {kept}; {_ADVICE}")
    return table


def _means(names: tuple[str, ...], table: Tensor) -> dict[str, float]:
    # Terms that are not in use yet are NaN.
    return dict(zip(names, table.double().nanmean(0).tolist(), strict=True))
