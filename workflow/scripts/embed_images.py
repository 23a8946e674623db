"""Stage: images through an encoder, a dataset's or those of a sampled run. Under torchrun on several devices."""

from pathlib import Path

import numpy as np
import torch

from steadyflow import distributed
from steadyflow.artifacts import read_array, read_json, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_manifest
from steadyflow.data.rows import compute_rows
from steadyflow.models import Probe, load_trained, to_model_range

parser = stage_parser(__doc__, device=True)
source = parser.add_mutually_exclusive_group(required=True)
source.add_argument("--dataset", type=Path, help="folder of a dataset; row = id, NaN for skipped images")
source.add_argument("--images", type=Path, help="uint8 [n,H,W,C] .npy")
parser.add_argument("--encoder", type=Path, required=True, help="folder of the encoder")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--output", type=Path, required=True, help="float32 [n,d] .npy; a .json goes beside it")


@torch.no_grad()
def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    config = read_json(args.encoder / "config.json")
    model = load_trained(Probe, config["architecture"], args.encoder / "weights.safetensors").to(device)
    if args.images:
        array = read_array(args.images)
        count, usable, read = len(array), np.arange(len(array)), lambda ids: np.array(array[ids])
    else:
        split = read_manifest(args.dataset / "manifest.parquet", ["split"])["split"].to_numpy()
        count, usable, read = len(split), np.flatnonzero(split != "skipped"), ImageStore(args.dataset / "images").read

    def embed(ids: np.ndarray) -> np.ndarray:
        return model(to_model_range(torch.from_numpy(read(ids)).to(device))).cpu().numpy()

    shape = (count, config["architecture"]["feature_dim"])
    compute_rows(embed, usable, args.output, shape, np.float32, batch_size=args.batch_size, device=device, name="embed")
    if distributed.rank() > 0:
        return
    sidecar = {
        "encoder": config["kind"],
        "encoder_hash": config["weights_hash"],
        "l2_norm": {"mean": mean_norm(read_array(args.output), usable), "normalised": False},
    }
    write_json(args.output.with_suffix(".json"), sidecar)


def mean_norm(features: np.ndarray, rows: np.ndarray, chunk: int = 4096) -> float:
    parts = (features[rows[start : start + chunk]] for start in range(0, len(rows), chunk))
    return sum(float(np.linalg.norm(part, axis=1).sum()) for part in parts) / len(rows)


run_stage(main)
