"""Stage: makes one run's velocity field: trains a network on one subset, reads its weights from a file of the user, or
fits the Gaussian flow of its training latents.

Under torchrun on several devices, with the same curve.
"""

from dataclasses import dataclass
from typing import Any

import pandas as pd
import torch
from torch import nn

from steadyflow.fields import fit_gaussian
from steadyflow.ground import distributed
from steadyflow.ground.artifacts import (
    UserError,
    file_hash,
    provenance,
    spec_hash,
    write_json,
    write_parquet,
    write_weights,
)
from steadyflow.models import build_velocity
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.train import (
    NO_CURVE,
    Schedule,
    Trained,
    VelocityData,
    delete_checkpoints,
    open_velocity_data,
    pretrained_velocity,
    train_velocity,
    velocity_architecture,
    velocity_objective,
)

parser = stage_parser("train_run", __doc__)
parser.add_argument("--micro-batch-size", type=int, help="samples at a time, where a whole batch needs too much memory")
parser.add_argument("--compile", choices=["auto", "on", "off"], default="auto", help="auto: on GPUs")


def main(job: StageRun) -> None:
    device, flags, place = job.device(), job.flags, f"runs.{job.names['run']}"
    spec = job.study.runs[job.names["run"]]
    if flags.micro_batch_size and spec.objective.needs_whole_batches:
        raise UserError(f"--micro-batch-size: {place}.objective takes whole batches; leave the flag out")
    data = open_velocity_data(
        job.inputs["manifest"].parent,
        job.inputs["latents"],
        job.inputs.get("subset"),
        transform=spec.latent_transform,
        conditional=spec.conditional,
        device=device,
        place=place,
    )
    with distributed.process_group(device):
        made = gaussian_flow(data) if spec.gaussian else network(job, data, device)
    if distributed.rank() > 0:
        return
    write_weights(job.outputs["weights"], made.weights)
    write_parquet(job.outputs["curve"], made.curve)
    description = {
        **made.description,
        "n_train": data.images,
        "spec": spec.identity(),
        "inputs": data.hashes,
        "weights_hash": file_hash(job.outputs["weights"]),
        "provenance": provenance(),
    }
    write_json(job.outputs["description"], description)


@dataclass(frozen=True)
class Made:
    """A velocity field: its weights, the curve of its training, and what its run.json says of it."""

    weights: dict[str, torch.Tensor]
    curve: pd.DataFrame
    description: dict[str, Any]


def gaussian_flow(data: VelocityData) -> Made:
    fitted = fit_gaussian(data.samples)
    return Made(fitted.weights, NO_CURVE, {"architecture": fitted.architecture, "notes": fitted.notes})


def network(job: StageRun, data: VelocityData, device: torch.device) -> Made:
    """Trained, or with pretrained or initial weights."""
    spec = job.study.runs[job.names["run"]]
    assert spec.seed is not None, "every run of a loaded study has one"
    architecture = velocity_architecture(spec.model, data.samples)
    torch.manual_seed(spec.seed)
    model, pretrained = build_velocity(**architecture), None
    if spec.weights is not None:
        trained, pretrained = pretrained_velocity(model, job.inputs["weights"])
    elif spec.trained:
        trained = train(job, model, data, spec.seed, device)
    else:
        trained = Trained(model.state_dict(), NO_CURVE)
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    description = {"architecture": architecture, "parameters": parameters, "pretrained": pretrained}
    return Made(trained.ema, trained.curve, description)


def train(job: StageRun, model: nn.Module, data: VelocityData, seed: int, device: torch.device) -> Trained:
    """From the beginning, or from the checkpoint."""
    spec, flags = job.study.runs[job.names["run"]], job.flags
    settings = {"label_dropout": spec.label_dropout, **spec.objective.settings()}
    try:
        objective = velocity_objective(spec.objective.kind, data.samples, seed, **settings)
    except UserError as error:
        raise UserError(f"runs.{job.names['run']}.objective.{error}") from error
    return train_velocity(
        model,
        objective,
        data.samples,
        Schedule(spec.steps, spec.batch_size, spec.learning_rate, spec.ema_decay, seed, precision=spec.precision),
        job.execution(spec_hash([spec.identity(), data.hashes]), device, f"run {job.names['run']}"),
        validation=data.validation if spec.objective.predicts_velocity else None,
        compiled=flags.compile == "on" or (flags.compile == "auto" and device.type == "cuda"),
        micro_batch=flags.micro_batch_size,
    )


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_checkpoints)
