"""Velocity models, trained on samples or pretrained, from a file of weights."""

from pathlib import Path
from typing import Any

import pandas as pd
from torch import nn

from steadyflow.fetch.remote import sha256_of
from steadyflow.models import compile_blocks, forward_flops, load_dit_weights
from steadyflow.train.engine import Execution, Objective, Schedule, Trained, train
from steadyflow.train.objectives import validation_losses
from steadyflow.train.samples import Samples

NO_CURVE = pd.DataFrame(columns=["step", "loss", "grad_norm", "images_per_second", "mfu"], dtype=float)
"""Of a run that is not trained here."""


def velocity_architecture(name: str, samples: Samples) -> dict[str, Any]:
    """The arguments of `models.build_velocity` for these samples, as stored in run.json."""
    channels, side, _ = samples.shape
    return {"name": name, "latent_channels": channels, "latent_size": side, "num_classes": samples.num_classes}


def train_velocity(
    model: nn.Module,
    objective: Objective,
    samples: Samples,
    schedule: Schedule,
    execution: Execution,
    *,
    validation: Samples | None = None,
    compiled: bool = False,
    micro_batch: int | None = None,
) -> Trained:
    """Trains a freshly initialised velocity model (`models.build_velocity`), or resumes from its checkpoint.

    `validation`: samples whose flow-matching loss over t is logged; None for a network that does not predict velocity.
    `compiled`: whether to compile the repeated blocks. The other arguments are those of `train`.
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
        execution,
        validation=None if validation is None else validation_losses(validation, seed=0, device=execution.device),
        micro_batch=micro_batch,
        flops_per_sample=3 * forward,
    )


def pretrained_velocity(model: nn.Module, path: Path) -> tuple[Trained, dict[str, Any]]:
    """Loads `model` from a file of weights. Returns them as the result of a training without steps, and their origin:
    the file, its sha256, and notes on what was selected, dropped or cut.

    Raises UserError as `models.load_dit_weights` does.
    """
    notes = load_dit_weights(model, path)
    return Trained(model.state_dict(), NO_CURVE), {"file": str(path), "sha256": sha256_of(path), "notes": notes}
