"""Stage: loss and gradient scores of every training image under a surrogate run."""

from pathlib import Path

import numpy as np
import pandas as pd
import torch

from steadyflow.artifacts import file_hash, read_json, write_json, write_parquet
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import read_manifest
from steadyflow.data.latents import Latents
from steadyflow.flow import channel_matrix, transform_channels
from steadyflow.models import build_velocity, load_trained
from steadyflow.prune.scores import gradient_norms, normalise, sample_losses, score_table, shared_points
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--scoring", required=True, help="its name in the study, that of the surrogate run")
parser.add_argument("--manifest", type=Path, required=True)
parser.add_argument("--latents", type=Path, required=True)
parser.add_argument("--run", type=Path, required=True, help="folder of the surrogate run")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--output", type=Path, required=True, help=".parquet: id, loss, grad")

MEASURES = {"loss": sample_losses, "grad": gradient_norms}


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).scorings[args.scoring]
    manifest = read_manifest(args.manifest, ["id", "split", "label"])
    latents, run = Latents(args.latents), read_json(args.run / "run.json")
    ids = manifest.loc[manifest["split"] == "train", "id"].to_numpy()
    model = load_trained(build_velocity, run["architecture"], args.run / "weights.safetensors").to(device)
    labels = None
    if run["architecture"]["num_classes"] is not None:
        labels = torch.from_numpy(manifest["label"].to_numpy()[ids]).to(device)
    transform = channel_matrix(run["spec"]["latent_transform"], latents.shape[0])
    t, x0 = shared_points(spec.seed, spec.timesteps, spec.noises, latents.shape)

    def scores(measure: str) -> np.ndarray:
        table = score_table(
            lambda x1, x0, t, y: MEASURES[measure](model, x1, x0, t, y),
            lambda rows: transform_channels(transform, latents.read(ids[rows])).to(device),
            len(ids),
            t.to(device),
            x0.to(device),
            labels=labels,
            batch=args.batch_size,
        )
        return normalise(table)

    write_parquet(args.output, pd.DataFrame({"id": ids} | {measure: scores(measure) for measure in spec.measures}))
    sidecar = {
        "spec": spec.identity(),
        "weights_hash": run["weights_hash"],
        "latents_hash": file_hash(args.latents),
        "n": len(ids),
    }
    write_json(args.output.with_suffix(".json"), sidecar)


run_stage(main)
