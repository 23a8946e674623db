"""Stage: trains the probe, a small classifier of the dataset's own attributes whose features serve as an encoder."""

from pathlib import Path
from typing import Any

import torch

from steadyflow.artifacts import UserError, file_hash, provenance, spec_hash, write_json, write_parquet, write_weights
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, attribute_codes, read_dataset_info, read_manifest
from steadyflow.models import Probe
from steadyflow.study import load_study
from steadyflow.train import Cadence, Schedule, accuracy, forget_state, train_probe

parser = stage_parser(__doc__, study=True, device=True, training=True)
parser.add_argument("--encoder", required=True, help="its name in the study")
parser.add_argument("--dataset", type=Path, required=True, help="folder of the dataset it is trained on")
parser.add_argument("--output", type=Path, required=True, help="folder for weights, config and curve")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).probes[args.encoder]
    info = read_dataset_info(args.dataset / "dataset.json")
    manifest = read_manifest(args.dataset / "manifest.parquet", ["id", "split", "label", *info.attributes])
    codes = attribute_codes(manifest, info)
    if not codes:
        raise UserError(
            f"{args.dataset / 'dataset.json'}: the dataset has neither classes nor attributes, so there is nothing to "
            "train the probe on; sort the images into class subfolders, give labels_csv, or prune by loss or grad, "
            "which need no labels"
        )
    images = ImageStore(args.dataset / "images")
    ids = {split: manifest.loc[manifest["split"] == split, "id"].to_numpy() for split in ("train", "val")}
    values = {**info.attributes, **({"label": info.classes} if info.classes else {})}
    architecture: dict[str, Any] = {
        "image_channels": info.channels,
        "width": spec.width,
        "feature_dim": spec.feature_dim,
        "targets": {name: len(values[name]) for name in codes},
    }
    torch.manual_seed(spec.seed)
    model = Probe(**architecture)

    trained = train_probe(
        model,
        images.read,
        ids["train"],
        codes,
        Schedule(spec.steps, spec.batch_size, spec.learning_rate, spec.ema_decay, spec.seed),
        state_path=args.state,
        identity=spec_hash([spec.identity(), info.content_hash]),
        device=device,
        cadence=Cadence(args.save_seconds, args.save_steps),
        deadline=args.deadline,
        name=f"probe {args.encoder}",
    )
    model.load_state_dict(trained.ema)
    write_weights(args.output / "weights.safetensors", trained.ema)
    write_parquet(args.output / "curve.parquet", trained.curve)
    config = {
        "kind": spec.kind,
        "architecture": architecture,
        "values": {name: values[name] for name in codes},
        "spec": spec.identity(),
        "dataset_hash": info.content_hash,
        "weights_hash": file_hash(args.output / "weights.safetensors"),
        "val_accuracy": accuracy(model.eval(), images.read, ids["val"], codes, device),
        "provenance": provenance(),
    }
    write_json(args.output / "config.json", config)
    forget_state(args.state)


if __name__ == "__main__":
    run_stage(main)
