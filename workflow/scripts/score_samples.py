"""Stage: loss and gradient scores of every training image under a surrogate run. Under torchrun on several devices."""

from pathlib import Path

import pandas as pd
import torch

from steadyflow import distributed
from steadyflow.artifacts import file_hash, read_json, spec_hash, write_json, write_parquet
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids
from steadyflow.data.latents import Latents
from steadyflow.flow import channel_matrix
from steadyflow.models import build_velocity, load_trained
from steadyflow.prune.surrogate import surrogate_scores
from steadyflow.resumable import delete_table
from steadyflow.study import load_study
from steadyflow.train import latent_samples

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
    latents, run, ids = Latents(args.latents), read_json(args.run / "run.json"), train_ids(manifest)
    num_classes = run["architecture"]["num_classes"]
    samples = latent_samples(
        latents,
        channel_matrix(run["spec"]["latent_transform"], latents.shape[0]),
        ids,
        labels=None if num_classes is None else manifest["label"].to_numpy(),
        num_classes=num_classes,
        device=device,
    )
    inputs = {"weights_hash": run["weights_hash"], "latents_hash": file_hash(args.latents)}
    rows = {"ids": ids.tolist(), "labels": None if samples.labels is None else samples.labels.tolist()}
    scores = surrogate_scores(
        load_trained(build_velocity, run["architecture"], args.run / "weights.safetensors").to(device),
        samples,
        spec.measures,
        seed=spec.seed,
        timesteps=spec.timesteps,
        noises=spec.noises,
        batch_size=args.batch_size,
        state_path=args.state,
        identity=spec_hash([spec.identity(), inputs, rows]),
        device=device,
        save_seconds=args.save_seconds,
    )
    if distributed.rank() > 0:
        return
    write_parquet(args.output, pd.DataFrame({"id": ids} | scores))
    write_json(args.output.with_suffix(".json"), {"spec": spec.identity(), **inputs, "n": len(ids)})
    delete_table(args.state)


if __name__ == "__main__":
    run_stage(main)
