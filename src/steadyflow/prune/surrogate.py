"""Difficulty scores of training samples under a surrogate velocity model."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from steadyflow.ground import distributed
from steadyflow.ground.resumable import missing_batches, resumable_table
from steadyflow.prune.gradients import losses_and_gradient_norms
from steadyflow.prune.scores import measure_samples, normalise, sample_losses, shared_points
from steadyflow.train import Samples


def surrogate_scores(
    model: nn.Module,
    samples: Samples,
    measures: Sequence[str],
    *,
    seed: int,
    timesteps: int,
    noises: int,
    batch_size: int,
    checkpoint_path: Path,
    identity: str,
    device: torch.device,
    save_seconds: float = 10.0,
) -> dict[str, npt.NDArray[np.float64]]:
    """The score s_i of every sample, float64 [n], by measure: "loss", "grad" (`prune.scores`).

    `model` is in evaluation mode on the `device`. Each sample is measured at `timesteps` times and `noises` noises of
    this `seed`; `batch_size` counts triples of sample, time and noise. `identity` is the hash of everything that
    defines the scores. A killed call resumes from the table at `checkpoint_path`, which the caller deletes
    (`resumable.delete_table`) when the scores are saved. Under torchrun the processes share the work, and each returns
    all scores.
    """
    t, x0 = shared_points(seed, timesteps, noises, samples.shape)

    def load(rows: Tensor) -> Tensor:
        return samples.load(rows).to(device)

    def measure(x1: Tensor, x0: Tensor, t: Tensor, y: Tensor | None) -> list[Tensor]:
        if "grad" not in measures:
            return [sample_losses(model, x1, x0, t, y)]
        measured = losses_and_gradient_norms(model, x1, x0, t, y)
        return [getattr(measured, name) for name in measures]

    shape = (len(measures), samples.size, timesteps, noises)
    table = resumable_table(checkpoint_path, shape, identity, items=math.prod(shape[1:]), seconds=save_seconds)
    with distributed.process_group(device), table as measured:
        batches = missing_batches(measured, batch_size, "score")
        measure_samples(measured.values, measure, load, t.to(device), x0.to(device), samples.labels, batches=batches)
    return {name: normalise(value) for name, value in zip(measures, measured.values, strict=True)}
