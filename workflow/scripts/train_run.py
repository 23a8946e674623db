"""Stage: trains one velocity model on one subset, or takes its weights from a file of the user.

Under torchrun on several devices, with the same curve.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from steadyflow import distributed
from steadyflow.artifacts import UserError, file_hash, provenance, spec_hash, write_json, write_parquet, write_weights
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import read_dataset_info, read_manifest
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


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).runs[args.run]
    info = read_dataset_info(args.dataset / "dataset.json")
    manifest = read_manifest(args.dataset / "manifest.parquet", ["id", "split", "label"])
    latents, ids = Latents(args.latents), training_ids(manifest, args.subset)
    if spec.conditional and info.classes is None:
        raise UserError(f"runs.{args.run}.conditional: the dataset has no classes ({args.dataset / 'dataset.json'})")

    try:
        transform = channel_matrix(spec.latent_transform, latents.shape[0])
    except UserError as error:
        raise UserError(f"runs.{args.run}.latent_transform: {error}") from error

    def read(image_ids: np.ndarray) -> torch.Tensor:
        return transform_channels(transform, latents.read(image_ids))

    def load(rows: torch.Tensor) -> torch.Tensor:
        return read(ids[rows.numpy()])

    architecture = {
        "name": spec.model,
        "latent_channels": latents.shape[0],
        "latent_size": latents.shape[1],
        "num_classes": len(info.classes) if spec.conditional else None,
    }
    if args.micro_batch_size and spec.objective.takes_whole_batches:
        raise UserError(f"--micro-batch-size: runs.{args.run}.objective takes whole batches; leave the flag out")
    torch.manual_seed(spec.seed)
    model = build_velocity(**architecture)
    forward = forward_flops(model, latents.shape[0], latents.shape[1], architecture["num_classes"])
    if args.compile == "on" or (args.compile == "auto" and device.type == "cuda"):
        compile_blocks(model)
    labels = torch.from_numpy(manifest["label"].to_numpy()[ids]).to(device) if spec.conditional else None
    taken = None
    inputs = {"latents": file_hash(args.latents), "ids": spec_hash(ids.tolist())}
    if spec.conditional:
        inputs["labels"] = spec_hash([info.classes, manifest["label"].tolist()])
    with distributed.joined(device):
        if args.weights is None:
            trained = train(
                model,
                objective(spec, labels, architecture["num_classes"] or 0, load, len(ids)),
                load,
                len(ids),
                Schedule(
                    spec.steps, spec.batch_size, spec.learning_rate, spec.ema_decay, spec.seed, precision=spec.precision
                ),
                state_path=args.state,
                identity=spec_hash([spec.identity(), inputs]),
                device=device,
                watch=watch(spec, read, manifest, device),
                micro_batch=args.micro_batch_size,
                cadence=Cadence(args.save_seconds, args.save_steps),
                deadline=args.deadline,
                flops_per_sample=3 * forward,
                name=f"run {args.run}",
            )
        else:
            trained, taken = take(model, args.weights)
    if distributed.rank() > 0:
        return
    write_weights(args.output / "weights.safetensors", trained.ema)
    write_parquet(args.output / "curve.parquet", trained.curve)
    description = {
        "architecture": architecture,
        "parameters": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "n_train": len(np.unique(ids)),
        "spec": spec.identity(),
        "inputs": inputs,
        "taken": taken,
        "weights_hash": file_hash(args.output / "weights.safetensors"),
        "provenance": provenance(),
    }
    write_json(args.output / "run.json", description)
    args.state.unlink(missing_ok=True)


def objective(
    spec: Run,
    labels: torch.Tensor | None,
    no_label: int,
    read: Callable[[torch.Tensor], torch.Tensor],
    samples: int,
) -> Objective:
    """The run's objective by its kind."""
    chosen, hidden = spec.objective, {"no_label": no_label, "label_dropout": spec.label_dropout}
    if chosen.kind == "flow_matching":
        return flow_matching(spec.seed, labels, couple=COUPLINGS[chosen.coupling], **hidden)
    if chosen.kind == "explicit_flow_matching":
        of_data = {"latents": read, "samples": samples, "candidates": chosen.candidates}
        return explicit_flow_matching(spec.seed, labels, **of_data, **hidden)
    return denoising(spec.seed, labels, signal=SIGNALS[chosen.schedule](chosen.timesteps), **hidden)


def watch(
    spec: Run, read: Callable[[np.ndarray], torch.Tensor], manifest: pd.DataFrame, device: torch.device
) -> Watch | None:
    """Losses over time of the same few validation images for every run; a diffusion model has no velocity."""
    if spec.objective.kind == "diffusion":
        return None
    rows = manifest[manifest["split"] == "val"].iloc[:VALIDATION]
    labels = torch.from_numpy(rows["label"].to_numpy()).to(device) if spec.conditional else None
    return losses_over_time(read(rows["id"].to_numpy()).to(device), labels, spec.seed)


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
        return manifest.loc[manifest["split"] == "train", "id"].to_numpy()
    table = pd.read_parquet(subset)
    return np.repeat(table["id"].to_numpy(), table["multiplicity"].to_numpy())


run_stage(main)
