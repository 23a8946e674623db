"""The training loop, with checkpoints and the curve of what it logs.

A step is a pure function of (weights, optimiser state, step): the data order and every random draw come from
`steadyflow.ground.noise`. So a checkpoint needs no generator state, and a training that was killed and resumed ends
with the weights of an uninterrupted one, bit for bit on a CPU.
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
from steadyflow.train.checkpoint import TrainingCheckpoint
from steadyflow.train.clock import EVERY_MINUTE, Cadence, Clock, Deadline, no_deadline


@dataclass(frozen=True)
class Schedule:
    """Hyperparameters of a training: AdamW without weight decay, constant learning rate, EMA of the weights.

    `clip_norm` is the maximum L2 norm of the gradient. `precision` is that of the forward pass (autocast); weights and
    optimiser are fp32 in either case.
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

    def is_validated(self, step: int) -> bool:
        """Whether the validation runs at this step: about ten points of the curve, and the last."""
        return step == self.steps or step % (self.log_every * max(1, self.steps // self.log_every // 10)) == 0


class Batch(NamedTuple):
    """This process's shard of the global batch.

    step: counted from 0
    rows: int64 [B], indices of the training samples
    slots: int64 [B], their positions 0..size-1 in the global batch, which with `step` key every random draw
    x: [B, ...], the samples, as `load` returned them
    size: samples in the global batch
    """

    step: int
    rows: Tensor
    slots: Tensor
    x: Tensor
    size: int

    @property
    def share(self) -> float:
        """B / size: the mean over the global batch is the sum over shards of their means times their `share`."""
        return len(self.rows) / self.size

    def pieces(self, most: int | None) -> Iterator["Batch"]:
        """Splits the batch into micro-batches of at most `most` samples; a single one if `most` is None."""
        length = len(self.rows) if most is None else most
        for rows, slots, x in zip(self.rows.split(length), self.slots.split(length), self.x.split(length), strict=True):
            yield self._replace(rows=rows, slots=slots, x=x)


# rows int64 [B] on the CPU -> those training samples [B, ...] on the CPU. Called in a thread, one step ahead.
Load = Callable[[Tensor], Tensor]
# (model, batch) -> the scalar loss, and scalars to be logged by name, the same names at every step.
Objective = Callable[[nn.Module, Batch], tuple[Tensor, dict[str, Tensor]]]
# EMA model -> numbers to be logged by name, at the steps of `Schedule.is_validated`.
Validation = Callable[[nn.Module], Mapping[str, float]]


@dataclass(frozen=True)
class Trained:
    """The result of a training.

    ema: averaged weights, by name
    curve: one row every `Schedule.log_every` steps: step, loss, grad_norm and the objective's scalars (means over the
        steps since the previous row), images_per_second, mfu (NaN if the device's peak or the FLOPs are unknown), and
        the validation's numbers (NaN in rows without validation)
    """

    ema: dict[str, Tensor]
    curve: pd.DataFrame


@dataclass(frozen=True)
class Execution:
    """How a training is carried out, which changes no result.

    checkpoint_path: the checkpoint that it saves and resumes from
    identity: hash of everything that defines the result
    cadence, deadline: when to save and when to stop; `deadline()` is called once, on rank 0
    name: in messages and the progress bar
    """

    checkpoint_path: Path
    identity: str
    device: torch.device
    cadence: Cadence = EVERY_MINUTE
    deadline: Deadline = no_deadline
    name: str = "training"


def train(
    model: nn.Module,
    objective: Objective,
    load: Load,
    samples: int,
    schedule: Schedule,
    execution: Execution,
    *,
    adversary: nn.Module | None = None,
    validation: Validation | None = None,
    micro_batch: int | None = None,
    flops_per_sample: float = float("nan"),
) -> Trained:
    """Trains `model` (freshly initialised) on samples 0..samples-1, or resumes from its checkpoint.

    adversary: a second network, updated by the same steps and saved with the model but not averaged; the objective
        includes its loss as a term whose gradient is zero in `model`
    validation: gives numbers to log for the averaged model, at the steps of `Schedule.is_validated`
    micro_batch: maximum number of samples per forward pass; gradients are accumulated over micro-batches, which for
        objectives that are means over samples changes rounding only
    flops_per_sample: of forward and backward pass, for the logged mfu

    Under torchrun (inside `distributed.process_group`) each process computes its shard of the same global batches, and
    rank 0 saves. The last two checkpoints are kept, in case the last is damaged, and beside them a ledger
    (`steadyflow.ground.ledger`). The caller deletes the checkpoints by `delete_checkpoints` when the results are saved.

    Raises Unfinished after a checkpoint on SIGTERM or near the deadline, and if another process has started the same
    training meanwhile (the last one started owns it); the same call resumes. Raises UserError if the checkpoint has
    another identity, and for a loss, gradient or weight that is not finite, without saving it.
    """
    if schedule.batch_size < distributed.world_size():
        raise UserError(
            f"a batch of {schedule.batch_size} cannot be shared by {distributed.world_size()} processes; ask for fewer"
        )
    checkpoint_path, device, name = execution.checkpoint_path, execution.device, execution.name
    networks = [network.to(device).train() for network in (model, adversary) if network is not None]
    weights: list[list[Tensor]] = [[p for p in network.parameters() if p.requires_grad] for network in networks]
    trained = [parameter for part in weights for parameter in part]
    ema_model = copy.deepcopy(model).requires_grad_(False)
    averages: list[Tensor] = [
        ema for ema, live in zip(ema_model.parameters(), model.parameters(), strict=True) if live.requires_grad
    ]
    optimizer = torch.optim.AdamW(trained, schedule.learning_rate, weight_decay=0.0, fused=_on_gpu(device))
    checkpoint = TrainingCheckpoint(execution.identity, networks, ema_model, optimizer, checkpoint_path)
    start, curve, recent = checkpoint.load()
    keeper = None
    if distributed.rank() == 0:
        keeper = Bookkeeper(
            ledger_file(checkpoint_path), name, schedule.steps, schedule.batch_size, distributed.world_size(), start
        )
    recent = [row.to(device) for row in recent]
    batches = _batches(load, samples, schedule, start, device)
    deadline = execution.deadline() if keeper else no_deadline()
    with Clock(execution.cadence, deadline, device, start) as clock:
        for batch in progress(batches, name, total=schedule.steps, done=start, unit="step"):
            optimizer.zero_grad(set_to_none=True)
            measured = []
            for piece in batch.pieces(micro_batch):
                with torch.autocast(device.type, torch.bfloat16, enabled=schedule.precision == "bf16"):
                    loss, logged = objective(model, piece)
                (loss * piece.share).backward()
                measured.append(torch.stack([loss, *logged.values()]).detach() * piece.share)
            distributed.all_reduce_gradients(trained)
            grad_norm, *others = [nn.utils.clip_grad_norm_(part, schedule.clip_norm) for part in weights]
            # Makes the logged norm NaN or infinite if the adversary's gradient is, so that neither network is saved.
            grad_norm = grad_norm + 0 * sum(others)
            optimizer.step()
            torch._foreach_lerp_(averages, weights[0], 1 - schedule.ema_decay)
            loss_sum, *sums = torch.stack(measured).sum(0)
            recent.append(torch.stack([loss_sum, grad_norm * batch.share, *sums]))
            step = batch.step + 1
            is_point = step % schedule.log_every == 0 or step == schedule.steps
            if not (is_point or clock.agreement_is_due(step)):
                continue
            # The GPU is synchronised only at points of the curve.
            if is_point:
                table = _losses(recent, step, checkpoint_path)
                speed = clock.tick(step, schedule.batch_size, flops_per_sample, schedule.precision)
                validated = validation(ema_model.eval()) if validation and schedule.is_validated(step) else {}
                curve.append({"step": step, **_means(("loss", "grad_norm", *logged), table), **speed, **validated})
                recent = []
            successor = keeper.successor() if keeper else None
            # All processes have to stop at the same step.
            stop, lost = clock.agree(step, successor is not None)
            if lost:
                raise Unfinished(f"{name}: left at step {step} of {schedule.steps} to {successor or 'another process'}")
            if keeper:
                keeper.note(step, curve[-1] if is_point else None)
            ends = stop and step < schedule.steps
            if ends or (is_point and clock.save_is_due()):
                began = time.monotonic()
                # `_losses` first: it raises if a loss since the last point is not finite.
                checkpoint.save(step, curve, list(_losses(recent, step, checkpoint_path)) if recent else [])
                seconds = time.monotonic() - began
                clock.saved(step, seconds)
                if keeper:
                    keeper.saved(seconds, stops=ends)
            if ends:
                where = f"at step {step} of {schedule.steps}, saved in {checkpoint_path}"
                raise Unfinished(f"{name}: stopped {clock.why()} {where}")
    if not all(bool(average.isfinite().all()) for average in averages):
        raise UserError(f"{name}: a weight is not finite after step {schedule.steps - 1}; {_ADVICE}")
    return Trained(ema_model.state_dict(), pd.DataFrame(curve))


def _batches(load: Load, samples: int, schedule: Schedule, start: int, device: torch.device) -> Iterator[Batch]:
    """The batches from step `start` on, each loaded while the previous one is computed."""
    slots = distributed.shard(torch.arange(schedule.batch_size))

    def prepare(step: int) -> Batch:
        rows = distributed.shard(batch_rows(samples, schedule.batch_size, schedule.seed, step))
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


def _losses(recent: list[Tensor], step: int, checkpoint_path: Path) -> Tensor:
    """Loss, gradient norm and logged scalars of the last len(recent) steps before `step`, one row each, summed over all
    processes. Raises UserError if a loss or a gradient is not finite."""
    table = distributed.all_reduce(torch.stack(recent))
    # A gradient that is not finite destroys the weights one step before the loss shows it.
    finite = table[:, :2].isfinite()
    if not bool(finite.all()):
        row = int(finite.all(1).logical_not().nonzero()[0])
        what = "gradient" if bool(finite[row, 0]) else "loss"
        exists = checkpoint_path.exists()
        saved = f"the last good checkpoint is {checkpoint_path}" if exists else "no checkpoint was saved"
        raise UserError(f"the {what} is not finite at step {step - len(recent) + row}; {saved}; {_ADVICE}")
    return table


def _means(names: tuple[str, ...], table: Tensor) -> dict[str, float]:
    # Terms that have not started yet are NaN.
    return dict(zip(names, table.double().nanmean(0).tolist(), strict=True))
