"""Stage: trains one velocity model on one subset, or takes its weights from a file of the user.

Under torchrun on several devices, with the same curve.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from steadyflow import distributed
from steadyflow.artifacts import UserError, file_hash, provenance, spec_hash, write_json, write_parquet, write_weights
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import read_dataset_info, read_manifest, train_ids
from steadyflow.data.latents import Latents
from steadyflow.fetch.remote import sha256_of
from steadyflow.flow import COUPLINGS, SIGNALS, channel_matrix, transform_channels
from steadyflow.models import build_velocity, compile_blocks, forward_flops, load_dit_weights
from steadyflow.study import load_study
from steadyflow.study.specs import Run
from steadyflow.train import (
    Cadence,
    Objective,
    Schedule,
    Trained,
    Watch,
    denoising,
    explicit_flow_matching,
    flow_matching,
    forget_state,
    losses_over_time,
    train,
)

parser = stage_parser(__doc__, study=True, device=True, training=True)
parser.add_argument("--run", required=True, help="its name in the study")
parser.add_argument("--dataset", type=Path, required=True, help="folder of the dataset")
parser.add_argument("--latents", type=Path, required=True)
parser.add_argument("--subset", type=Path, help=".parquet of kept ids; all training images when left out")
parser.add_argument("--weights", type=Path, help="file to take the weights from; trained when left out")
parser.add_argument("--micro-batch-size", type=int, help="samples at a time, where a whole batch needs too much memory")
parser.add_argument("--compile", choices=["auto", "on", "off"], default="auto", help="auto: on GPUs")
parser.add_argument("--output", type=Path, required=True, help="folder for weights, run.json and curve")

VALIDATION = 64


@dataclass(frozen=True)
class Data:
    """What a run trains on: latents as the model sees them, of the training images `ids` [n], each as often as asked.

    `labels` int64 [n] are None, and `num_classes` too, of an unconditional run.
    """

    latents: Latents
    transform: torch.Tensor
    ids: np.ndarray
    manifest: pd.DataFrame
    labels: torch.Tensor | None
    num_classes: int | None

    def read(self, image_ids: np.ndarray) -> torch.Tensor:
        return transform_channels(self.transform, self.latents.read(image_ids))

    def load(self, rows: torch.Tensor) -> torch.Tensor:
        return self.read(self.ids[rows.numpy()])


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).runs[args.run]
    if args.micro_batch_size and spec.objective.takes_whole_batches:
        raise UserError(f"--micro-batch-size: runs.{args.run}.objective takes whole batches; leave the flag out")
    data = open_data(args, spec, device)
    channels, size, _ = data.latents.shape
    architecture = {
        "name": spec.model,
        "latent_channels": channels,
        "latent_size": size,
        "num_classes": data.num_classes,
    }
    torch.manual_seed(spec.seed)
    model = build_velocity(**architecture)
    inputs = {"latents": file_hash(args.latents), "ids": spec_hash(data.ids.tolist())}
    if data.labels is not None:
        inputs["labels"] = spec_hash([data.num_classes, data.manifest["label"].tolist()])
    with distributed.joined(device):
        if args.weights is None:
            trained, taken = fit(args, spec, data, model, device, spec_hash([spec.identity(), inputs])), None
        else:
            trained, taken = take(model, args.weights)
    if distributed.rank() > 0:
        return
    write_weights(args.output / "weights.safetensors", trained.ema)
    write_parquet(args.output / "curve.parquet", trained.curve)
    description = {
        "architecture": architecture,
        "parameters": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "n_train": len(np.unique(data.ids)),
        "spec": spec.identity(),
        "inputs": inputs,
        "taken": taken,
        "weights_hash": file_hash(args.output / "weights.safetensors"),
        "provenance": provenance(),
    }
    write_json(args.output / "run.json", description)
    forget_state(args.state)


def open_data(args: argparse.Namespace, spec: Run, device: torch.device) -> Data:
    info = read_dataset_info(args.dataset / "dataset.json")
    manifest = read_manifest(args.dataset / "manifest.parquet", ["id", "split", "label"])
    latents, ids = Latents(args.latents), training_ids(manifest, args.subset)
    try:
        transform = channel_matrix(spec.latent_transform, latents.shape[0])
    except UserError as error:
        raise UserError(f"runs.{args.run}.latent_transform: {error}") from error
    if not spec.conditional:
        return Data(latents, transform, ids, manifest, None, None)
    if info.classes is None:
        raise UserError(f"runs.{args.run}.conditional: the dataset has no classes ({args.dataset / 'dataset.json'})")
    labels = torch.from_numpy(manifest["label"].to_numpy()[ids]).to(device)
    return Data(latents, transform, ids, manifest, labels, len(info.classes))


def fit(
    args: argparse.Namespace, spec: Run, data: Data, model: nn.Module, device: torch.device, identity: str
) -> Trained:
    """The training, from its beginning or from its state."""
    forward = forward_flops(model, data.latents.shape[0], data.latents.shape[1], data.num_classes)
    if args.compile == "on" or (args.compile == "auto" and device.type == "cuda"):
        compile_blocks(model)
    return train(
        model,
        objective(spec, data),
        data.load,
        len(data.ids),
        Schedule(spec.steps, spec.batch_size, spec.learning_rate, spec.ema_decay, spec.seed, precision=spec.precision),
        state_path=args.state,
        identity=identity,
        device=device,
        watch=watch(spec, data, device),
        micro_batch=args.micro_batch_size,
        cadence=Cadence(args.save_seconds, args.save_steps),
        deadline=args.deadline,
        flops_per_sample=3 * forward,
        name=f"run {args.run}",
    )


def objective(spec: Run, data: Data) -> Objective:
    """The run's objective by its kind."""
    chosen, hidden = spec.objective, {"no_label": data.num_classes or 0, "label_dropout": spec.label_dropout}
    if chosen.kind == "flow_matching":
        return flow_matching(spec.seed, data.labels, couple=COUPLINGS[chosen.coupling], **hidden)
    if chosen.kind == "explicit_flow_matching":
        of_data = {"latents": data.load, "samples": len(data.ids), "candidates": chosen.candidates}
        return explicit_flow_matching(spec.seed, data.labels, **of_data, **hidden)
    return denoising(spec.seed, data.labels, signal=SIGNALS[chosen.schedule](chosen.timesteps), **hidden)


def watch(spec: Run, data: Data, device: torch.device) -> Watch | None:
    """Losses over time of the same few validation images for every run; a diffusion model has no velocity."""
    if spec.objective.kind == "diffusion":
        return None
    rows = data.manifest[data.manifest["split"] == "val"].iloc[:VALIDATION]
    labels = None if data.labels is None else torch.from_numpy(rows["label"].to_numpy()).to(device)
    return losses_over_time(data.read(rows["id"].to_numpy()).to(device), labels, seed=0)


def take(model: nn.Module, path: Path) -> tuple[Trained, dict[str, Any]]:
    """The weights of a file as those of a training without a step, and what run.json says of them."""
    notes = load_dit_weights(model, path)
    for note in notes:
        print(note)
    curve = pd.DataFrame(columns=["step", "loss", "grad_norm", "images_per_second", "mfu"], dtype=float)
    return Trained(model.state_dict(), curve), {"file": str(path), "sha256": sha256_of(path), "notes": notes}


def training_ids(manifest: pd.DataFrame, subset: Path | None) -> np.ndarray:
    """Ids int64, each as often as its multiplicity."""
    if subset is None:
        return train_ids(manifest)
    table = pd.read_parquet(subset)
    return np.repeat(table["id"].to_numpy(), table["multiplicity"].to_numpy())


run_stage(main)
