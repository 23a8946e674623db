"""Stage: loss and gradient scores of every training image under a surrogate run. Under torchrun on several devices."""

import math
from pathlib import Path

import pandas as pd
import torch

from steadyflow import distributed
from steadyflow.artifacts import file_hash, read_json, spec_hash, write_json, write_parquet
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.data.latents import Latents
from steadyflow.flow import channel_matrix, transform_channels
from steadyflow.models import build_velocity, load_trained
from steadyflow.prune.gradients import losses_and_gradient_norms
from steadyflow.prune.scores import measure_samples, normalise, sample_losses, shared_points
from steadyflow.resumable import delete_table, missing_batches, resumable_table
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True, device=True, table=True)
parser.add_argument("--scoring", required=True, help="its name in the study, that of the surrogate run")
parser.add_argument("--manifest", type=Path, required=True)
parser.add_argument("--latents", type=Path, required=True)
parser.add_argument("--run", type=Path, required=True, help="folder of the surrogate run")
parser.add_argument("--batch-size", type=int, default=32, help="triples of sample, time and noise at a time")
parser.add_argument("--output", type=Path, required=True, help=".parquet: id, loss, grad")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    # Convolutions would keep three digits.
    torch.backends.cudnn.allow_tf32 = False
    spec = load_study(args.study).scorings[args.scoring]
    manifest = read_manifest(args.manifest, ["id", "split", "label"])
    latents, run = Latents(args.latents), read_json(args.run / "run.json")
    ids = train_ids(manifest)
    model = load_trained(build_velocity, run["architecture"], args.run / "weights.safetensors").to(device)
    labels = None
    if run["architecture"]["num_classes"] is not None:
        labels = torch.from_numpy(manifest["label"].to_numpy()[ids]).to(device)
    transform = channel_matrix(run["spec"]["latent_transform"], latents.shape[0])
    t, x0 = shared_points(spec.seed, spec.timesteps, spec.noises, latents.shape)
    inputs = {"weights_hash": run["weights_hash"], "latents_hash": file_hash(args.latents)}
    rows = {"ids": ids.tolist(), "labels": None if labels is None else labels.tolist()}

    def read(rows: torch.Tensor) -> torch.Tensor:
        return transform_channels(transform, latents.read(ids[rows])).to(device)

    def measure(x1: torch.Tensor, x0: torch.Tensor, t: torch.Tensor, y: torch.Tensor | None) -> list[torch.Tensor]:
        if "grad" not in spec.measures:
            return [sample_losses(model, x1, x0, t, y)]
        measured = losses_and_gradient_norms(model, x1, x0, t, y)
        return [getattr(measured, name) for name in spec.measures]

    shape = (len(spec.measures), len(ids), spec.timesteps, spec.noises)
    identity = spec_hash([spec.identity(), inputs, rows])
    table = resumable_table(args.state, shape, identity, items=math.prod(shape[1:]), seconds=args.save_seconds)
    with distributed.joined(device), table as measured:
        values, batches = measured.values, missing_batches(measured, args.batch_size, "score")
        measure_samples(values, measure, read, t.to(device), x0.to(device), labels, batches=batches)
    if distributed.rank() > 0:
        return
    scores = {name: normalise(value) for name, value in zip(spec.measures, values, strict=True)}
    write_parquet(args.output, pd.DataFrame({"id": ids} | scores))
    write_json(args.output.with_suffix(".json"), {"spec": spec.identity(), **inputs, "n": len(ids)})
    delete_table(args.state)


run_stage(main)
