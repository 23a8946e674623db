"""Training of the probe, a classifier of a dataset's own attributes."""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadyflow.data.records import Picture
from steadyflow.models import Probe, to_model_range
from steadyflow.train.engine import Batch, Execution, Objective, Schedule, Trained, train

# ids int64 [n] -> images uint8 [n,H,W,C]
ReadImages = Callable[[npt.NDArray[np.int64]], Picture]


def classification(codes: Mapping[str, Tensor]) -> Objective:
    """The sum over attributes of the cross-entropy; logs the accuracy of each.

    `codes[name]` is int64 [n], -1 if unknown; `batch.x` is uint8 [B,H,W,C].
    """

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Probe)
        logits = model.classify(model(to_model_range(batch.x)))
        target = {name: values[batch.rows] for name, values in codes.items()}
        losses = [F.cross_entropy(logits[name], target[name], ignore_index=-1) for name in codes]
        accuracy = {
            f"accuracy_{name}": (logits[name].argmax(1) == target[name]).float().sum()
            / (target[name] >= 0).float().sum().clamp(min=1)
            for name in codes
        }
        return torch.stack(losses).sum(), accuracy

    return objective


def train_probe(
    model: Probe,
    read: ReadImages,
    ids: npt.NDArray[np.int64],
    codes: Mapping[str, npt.NDArray[np.int64]],
    schedule: Schedule,
    execution: Execution,
) -> Trained:
    """Trains a probe on the images `ids` [n]; `codes[name]`, int64 [images of the dataset], is -1 if unknown. The other
    arguments are those of `train`."""
    return train(
        model,
        classification({name: torch.from_numpy(column[ids]).to(execution.device) for name, column in codes.items()}),
        lambda rows: torch.from_numpy(read(ids[rows.numpy()])),
        len(ids),
        schedule,
        execution,
    )


@torch.no_grad()
def accuracy(
    model: Probe,
    read: ReadImages,
    ids: npt.NDArray[np.int64],
    codes: Mapping[str, npt.NDArray[np.int64]],
    device: torch.device,
) -> dict[str, float]:
    """Accuracy in 0..1 per attribute over the images `ids` whose value is known; 0 if none is.

    `model` has to be in evaluation mode; `codes` as in `train_probe`.
    """
    correct, known = dict.fromkeys(codes, 0), dict.fromkeys(codes, 0)
    for start in range(0, len(ids), 256):
        part = ids[start : start + 256]
        logits = model.classify(model(to_model_range(torch.from_numpy(read(part)).to(device))))
        for name, column in codes.items():
            correct[name] += int((logits[name].argmax(1).cpu().numpy() == column[part]).sum())
            known[name] += int((column[part] >= 0).sum())
    return {name: correct[name] / max(known[name], 1) for name in codes}
