"""Stage: images through an encoder. Takes a dataset's folder, or the images of a sampled run."""

from pathlib import Path

import numpy as np
import torch

from steadyflow.artifacts import read_array, read_json, read_weights, write_array, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_manifest
from steadyflow.models import Probe, to_model_range
from steadyflow.progress import progress

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
    model = Probe(**config["architecture"]).to(device).eval()
    model.load_state_dict(read_weights(args.encoder / "weights.safetensors"))
    if args.images:
        array = read_array(args.images)
        count, usable = len(array), np.arange(len(array))
    else:
        manifest, store = read_manifest(args.dataset / "manifest.parquet"), ImageStore(args.dataset / "images")
        count, usable = len(manifest), manifest.loc[manifest["split"] != "skipped", "id"].to_numpy()
    features = np.full((count, config["architecture"]["feature_dim"]), np.nan, dtype=np.float32)
    for start in progress(range(0, len(usable), args.batch_size), "embed"):
        ids = usable[start : start + args.batch_size]
        images = np.array(array[ids]) if args.images else store.read(ids)
        features[ids] = model(to_model_range(torch.from_numpy(images).to(device))).cpu().numpy()
    write_array(args.output, features)
    norms = np.linalg.norm(features[usable], axis=1)
    sidecar = {
        "encoder": config["kind"],
        "encoder_hash": config["weights_hash"],
        "l2_norm": {"mean": float(norms.mean()), "normalised": False},
    }
    write_json(args.output.with_suffix(".json"), sidecar)


run_stage(main)
