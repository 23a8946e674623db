"""Stage: trains one velocity model on one subset, or takes its weights from a file of the user.

Under torchrun on several devices, with the same curve.
"""

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
from steadyflow.models import build_velocity, load_dit_weights
from steadyflow.study import load_study
from steadyflow.train import Schedule, Trained, flow_matching, train

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--run", required=True, help="its name in the study")
parser.add_argument("--dataset", type=Path, required=True, help="folder of the dataset")
parser.add_argument("--latents", type=Path, required=True)
parser.add_argument("--subset", type=Path, help=".parquet of kept ids; all training images when left out")
parser.add_argument("--weights", type=Path, help="file to take the weights from; trained when left out")
parser.add_argument("--state", type=Path, required=True, help="resumable state, kept until the results are written")
parser.add_argument("--save-seconds", type=float, default=60.0, help="how often the state is saved, at most")
parser.add_argument("--output", type=Path, required=True, help="folder for weights, run.json and curve")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).runs[args.run]
    info = read_dataset_info(args.dataset / "dataset.json")
    manifest = read_manifest(args.dataset / "manifest.parquet", ["id", "split", "label"])
    latents, ids = Latents(args.latents), training_ids(manifest, args.subset)
    if spec.conditional and info.classes is None:
        raise UserError(f"runs.{args.run}.conditional: the dataset has no classes ({args.dataset / 'dataset.json'})")

    architecture = {
        "name": spec.model,
        "latent_channels": latents.shape[0],
        "latent_size": latents.shape[1],
        "num_classes": len(info.classes) if spec.conditional else None,
    }
    torch.manual_seed(spec.seed)
    model = build_velocity(**architecture)
    labels = torch.from_numpy(manifest["label"].to_numpy()[ids]).to(device) if spec.conditional else None
    taken = None
    inputs = {"latents": file_hash(args.latents), "ids": spec_hash(ids.tolist())}
    with distributed.joined(device):
        if args.weights is None:
            trained = train(
                model,
                flow_matching(
                    spec.seed, labels, no_label=architecture["num_classes"] or 0, label_dropout=spec.label_dropout
                ),
                lambda rows: latents.read(ids[rows.numpy()]),
                len(ids),
                Schedule(spec.steps, spec.batch_size, spec.learning_rate, spec.ema_decay, spec.seed),
                state_path=args.state,
                identity=spec_hash([spec.identity(), inputs]),
                device=device,
                save_seconds=args.save_seconds,
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


def take(model: nn.Module, path: Path) -> tuple[Trained, dict[str, Any]]:
    """The weights of a file as those of a training without a step, and what run.json says of them."""
    notes = load_dit_weights(model, path)
    for note in notes:
        print(note)
    curve = pd.DataFrame(columns=["step", "loss", "grad_norm", "images_per_second"], dtype=float)
    return Trained(model.state_dict(), curve), {"file": str(path), "sha256": sha256_of(path), "notes": notes}


def training_ids(manifest: pd.DataFrame, subset: Path | None) -> np.ndarray:
    """Ids int64, each as often as its multiplicity."""
    if subset is None:
        return manifest.loc[manifest["split"] == "train", "id"].to_numpy()
    table = pd.read_parquet(subset)
    return np.repeat(table["id"].to_numpy(), table["multiplicity"].to_numpy())


run_stage(main)
