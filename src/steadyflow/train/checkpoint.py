"""The checkpoint of a training: written atomically, verified when it is read, and the previous one kept as well."""

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


def previous_checkpoint(path: Path) -> Path:
    """The path of the previous checkpoint."""
    return path.with_suffix(f".previous{path.suffix}")


def delete_checkpoints(path: Path) -> None:
    """Deletes a training's checkpoints and closes its ledger; to be called when the results are saved.

    No effect if another process has started the same training meanwhile: the checkpoints are in use.
    """
    if not is_held_here(ledger_file(path)):
        return
    for checkpoint in (path, previous_checkpoint(path)):
        checkpoint.unlink(missing_ok=True)
    close_ledger(ledger_file(path))


@dataclass
class TrainingCheckpoint:
    """Saves and loads what a training resumes from, in the file `path`.

    identity: hash of everything that defines the result
    networks, ema_model, optimizer: saved, and filled in place on loading
    intact: whether the file at `path`, as far as this process knows, is an undamaged checkpoint
    """

    identity: str
    networks: list[nn.Module]
    ema_model: nn.Module
    optimizer: torch.optim.Optimizer
    path: Path
    intact: bool = False

    def load(self) -> tuple[int, list[dict[str, float]], list[Tensor]]:
        """Fills networks and optimiser. Returns the next step, the curve so far, and this process's logged scalars of
        the steps since the curve's last point; (0, [], []) if there is no checkpoint.

        If the last checkpoint is damaged, the previous one is loaded. Rank 0 chooses the file for all processes.
        Raises UserError for a checkpoint of another identity or if all are damaged, Unfinished if another process of
        the same training replaced the file meanwhile.
        """
        path, saved = self._choose() if distributed.rank() == 0 else (None, None)
        name, step = distributed.broadcast(str(path or "")), distributed.broadcast(str(saved["step"]) if saved else "")
        if not name:
            return 0, [], []
        if saved is None:
            saved = _open(Path(name))
        if saved is None or str(saved["step"]) != step:
            raise Unfinished(f"{name}: another process has saved a checkpoint of the same training meanwhile")
        self.intact = Path(name) == self.path
        for network, weights in zip(self.networks, saved["networks"], strict=True):
            _fill(network, weights)
        _fill(self.ema_model, saved["ema"])
        self.optimizer.load_state_dict(saved["optimizer"])
        # They were summed over all processes before they were saved.
        recent = [row if distributed.rank() == 0 else torch.zeros_like(row) for row in saved["recent"]]
        return saved["step"], saved["curve"], recent

    def _choose(self) -> tuple[Path | None, dict[str, Any] | None]:
        """The path and content of the last undamaged checkpoint; (None, None) if there are no checkpoints."""
        delete_leftovers(self.path)
        found = [path for path in (self.path, previous_checkpoint(self.path)) if path.exists()]
        if not found:
            return None, None
        named, them = " and ".join(map(str, found)), "both" if len(found) > 1 else "it"
        path, saved = next(((path, saved) for path in found if (saved := _read(path)) is not None), (None, None))
        if path is None or saved is None:
            raise UserError(f"{named}: unreadable checkpoint; delete {them} to start from the beginning")
        if saved["identity"] != self.identity:
            raise UserError(
                f"{path}: checkpoint of another training (identity {saved['identity']}, expected {self.identity}): its "
                f"spec or its inputs have changed; delete {them} to start from the beginning: {named}"
            )
        if path != self.path:
            damage = "unreadable" if self.path.exists() else "missing, as after a kill during a save"
            step = saved["step"]
            print(f"{self.path}: {damage}; resuming from the checkpoint before it, of step {step}", file=sys.stderr)
        return path, saved

    def save(self, step: int, curve: list[dict[str, float]], recent: list[Tensor]) -> None:
        """Replaces the checkpoint, on rank 0; arguments as `load` returns them, `recent` summed over all processes."""
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
            # Written through Python's file, whose errors mention a full disk. Flushed to the disk before anything is
            # renamed, which may take long: a kill meanwhile leaves both earlier checkpoints in place.
            with temporary.open("wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            # A damaged checkpoint must not replace the good one before it.
            if self.intact:
                # Another process may have finished the same training and deleted its checkpoints.
                with contextlib.suppress(FileNotFoundError):
                    self.path.replace(previous_checkpoint(self.path))
        self.intact = True


def _read(path: Path) -> dict[str, Any] | None:
    """The content of a checkpoint, None if it is damaged. Errors of the disk and of memory are raised."""
    try:
        # torch.load does not verify the zip file's checksums.
        with zipfile.ZipFile(path) as archive:
            if archive.testzip() is not None:
                return None
    except (OSError, MemoryError):
        raise
    except Exception:
        # Damaged headers raise errors of many types.
        return None
    return _open(path)


def _open(path: Path) -> dict[str, Any] | None:
    """The content of a file with valid checksums; None if the file is missing or not a checkpoint."""
    try:
        saved = torch.load(path, map_location="cpu", weights_only=True)
    except (FileNotFoundError, pickle.UnpicklingError):
        return None
    return saved if isinstance(saved, dict) and "identity" in saved else None


def _tensors(network: nn.Module) -> dict[str, Tensor]:
    """Parameters and all buffers, including those that are not in the state dict."""
    return {**dict(network.named_parameters()), **dict(network.named_buffers())}


@torch.no_grad()
def _fill(network: nn.Module, saved: dict[str, Tensor]) -> None:
    for name, tensor in _tensors(network).items():
        tensor.copy_(saved[name])
