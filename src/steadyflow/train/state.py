"""The state of a training on the disk: written whole, checked when it is read, and the one before it kept as well."""

import contextlib
import os
import pickle
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from steadyflow.ground import distributed
from steadyflow.ground.artifacts import Unfinished, UserError, atomic_path, delete_leftovers
from steadyflow.ground.ledger import close_ledger, is_held_here, ledger_file


def previous_state(path: Path) -> Path:
    """The state saved before the one at `path`."""
    return path.with_suffix(f".previous{path.suffix}")


def forget_state(path: Path) -> None:
    """To be called when the results are safe: deletes the states of the training and closes its ledger. Where another
    process has begun to go on with the training meanwhile, they are that one's, and stay."""
    if not is_held_here(ledger_file(path)):
        return
    for state in (path, previous_state(path)):
        state.unlink(missing_ok=True)
    close_ledger(ledger_file(path))


@dataclass
class TrainingState:
    """What a training goes on from: `networks`, the averaged `ema_model` and the `optimizer`, kept in the file `path`.

    `identity` is the hash of all that defines the result. `whole`: a good state lies at `path`, as far as this process
    knows.
    """

    identity: str
    networks: list[nn.Module]
    ema_model: nn.Module
    optimizer: torch.optim.Optimizer
    path: Path
    whole: bool = False

    def load(self) -> tuple[int, list[dict[str, float]], list[Tensor]]:
        """The next step, the curve so far, and what the steps since its last point add to the next one, on this
        process; (0, [], []) when there is no state.

        A damaged state is passed over for the one before it. Rank 0 chooses, and the others open that very file.
        """
        path, saved = self._choose() if distributed.rank() == 0 else (None, None)
        name, step = distributed.shared(str(path or "")), distributed.shared(str(saved["step"]) if saved else "")
        if not name:
            return 0, [], []
        if saved is None:
            saved = _open(Path(name))
        if saved is None or str(saved["step"]) != step:
            raise Unfinished(f"{name}: another process has saved a state of the same training meanwhile")
        self.whole = Path(name) == self.path
        for network, weights in zip(self.networks, saved["networks"], strict=True):
            _fill(network, weights)
        _fill(self.ema_model, saved["ema"])
        self.optimizer.load_state_dict(saved["optimizer"])
        # They were summed over all processes.
        recent = [row if distributed.rank() == 0 else torch.zeros_like(row) for row in saved["recent"]]
        return saved["step"], saved["curve"], recent

    def _choose(self) -> tuple[Path | None, dict[str, Any] | None]:
        """The last good state and what it holds; None where there are none at all."""
        delete_leftovers(self.path)
        found = [path for path in (self.path, previous_state(self.path)) if path.exists()]
        if not found:
            return None, None
        named, them = " and ".join(map(str, found)), "both" if len(found) > 1 else "it"
        path, saved = next(((path, saved) for path in found if (saved := _read(path)) is not None), (None, None))
        if path is None or saved is None:
            raise UserError(f"{named}: unreadable training state; delete {them} to start anew")
        if saved["identity"] != self.identity:
            raise UserError(
                f"{path}: state of another training (identity {saved['identity']}, expected {self.identity}): its spec "
                f"or its inputs have changed; delete {them} to start anew: {named}"
            )
        if path != self.path:
            damage = "unreadable" if self.path.exists() else "missing, as after a kill while it was saved"
            step = saved["step"]
            print(f"{self.path}: {damage}; going on from the state before it, of step {step}", file=sys.stderr)
        return path, saved

    def save(self, step: int, curve: list[dict[str, float]], recent: list[Tensor]) -> None:
        if distributed.rank() > 0:
            return
        content = {
            "identity": self.identity,
            "step": step,
            "curve": curve,
            "recent": recent,
            "networks": [_tensors(network) for network in self.networks],
            "ema": _tensors(self.ema_model),
            "optimizer": self.optimizer.state_dict(),
        }
        with atomic_path(self.path) as temporary:
            # Through Python's own file, whose errors say that a disk is full. On the disk before anything is renamed,
            # since that may take long, and a kill amid it would leave the state before alone.
            with temporary.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            # A damaged state must not take the place of the good one before it.
            if self.whole:
                # Another process that went on with the training may have ended it, and deleted its states.
                with contextlib.suppress(FileNotFoundError):
                    self.path.replace(previous_state(self.path))
        self.whole = True


def _read(path: Path) -> dict[str, Any] | None:
    """What a state holds, None where it is damaged. Errors of the disk or of memory are no damage."""
    try:
        # torch does not look at the checksums.
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
    except (OSError, MemoryError):
        raise
    except Exception:
        # What spoiled headers lead to is of many kinds.
        return None
    return _open(path)


def _open(path: Path) -> dict[str, Any] | None:
    """What a state holds whose checksums are right, None where there is none, or something else."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, pickle.UnpicklingError):
        return None
    return saved if isinstance(saved, dict) and "identity" in saved else None


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and all buffers, those too that are no part of the weights."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


@torch.no_grad()
def _fill(network: nn.Module, saved: dict[str, Tensor]) -> None:
    for name, tensor in _tensors(network).items():
        tensor.copy_(saved[name])
