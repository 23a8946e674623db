"""Velocity models: trained on samples, or read from a file of weights."""

from pathlib import Path
from typing import Any

import pandas as pd
import torch
from torch import nn

from steadyflow.fetch.remote import sha256_of
from steadyflow.models import compile_blocks, forward_flops, load_dit_weights
from steadyflow.train.clock import EVERY_MINUTE, Cadence, Deadline, no_deadline
from steadyflow.train.engine import Objective, Schedule, Trained, train
from steadyflow.train.objectives import validation_losses
from steadyflow.train.samples import Samples


def velocity_architecture(name: str, samples: Samples) -> dict[str, Any]:
    """The arguments of `models.build_velocity` for these samples, as run.json keeps them."""
    channels, side, _ = samples.shape
    return {"name": name, "latent_channels": channels, "latent_size": side, "num_classes": samples.num_classes}


def train_velocity(
    model: nn.Module,
    objective: Objective,
    samples: Samples,
    schedule: Schedule,
    *,
    validation: Samples | None = None,
    compiled: bool = False,
    micro_batch: int | None = None,
    state_path: Path,
    identity: str,
    device: torch.device,
    cadence: Cadence = EVERY_MINUTE,
    deadline: Deadline = no_deadline,
    name: str = "run",
) -> Trained:
    """Trains a fresh velocity model (`models.build_velocity`), or goes on from its state.

    `validation` are samples whose flow-matching loss over time the curve has; None for a network that is no velocity.
    `compiled` says whether the repeated blocks are compiled. The rest is as in `train`.
    """
    channels, side, _ = samples.shape
    forward = forward_flops(model, channels, side, samples.num_classes)
    if compiled:
        compile_blocks(model)
    return train(
        model,
        objective,
        samples.load,
        samples.size,
        schedule,
        state_path=state_path,
        identity=identity,
        device=device,
        watch=None if validation is None else validation_losses(validation, seed=0, device=device),
        micro_batch=micro_batch,
        cadence=cadence,
        deadline=deadline,
        flops_per_sample=3 * forward,
        name=name,
    )


def pretrained_velocity(model: nn.Module, path: Path) -> tuple[Trained, dict[str, Any]]:
    """The weights of a file as those of a training without a step, and where they are from: the file, its sha256, and
    notes on what was chosen, dropped or cut (`models.load_dit_weights`, whose errors it raises)."""
    notes = load_dit_weights(model, path)
    curve = pd.DataFrame(columns=["step", "loss", "grad_norm", "images_per_second", "mfu"], dtype=float)
    return Trained(model.state_dict(), curve), {"file": str(path), "sha256": sha256_of(path), "notes": notes}
