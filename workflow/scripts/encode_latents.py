"""Stage: every image of a dataset through a tokenizer, once."""

from pathlib import Path

import numpy as np
import torch

from steadyflow.artifacts import read_json, read_weights, write_array, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest
from steadyflow.data.latents import latent_scale
from steadyflow.models import VQVAE, to_model_range
from steadyflow.progress import progress

parser = stage_parser(__doc__, device=True)
parser.add_argument("--dataset", type=Path, required=True, help="folder of the dataset to encode")
parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--output", type=Path, required=True, help="latents .npy; the scale goes into the .json beside it")


@torch.no_grad()
def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    config = read_json(args.tokenizer / "config.json")
    model = VQVAE(**config["architecture"]).to(device).eval()
    model.load_state_dict(read_weights(args.tokenizer / "weights.safetensors"))
    manifest, info = read_manifest(args.dataset / "manifest.parquet"), read_dataset_info(args.dataset / "dataset.json")
    images = ImageStore(args.dataset / "images")

    usable = manifest.loc[manifest["split"] != "skipped", "id"].to_numpy()
    side = info.resolution // 2 ** (len(config["architecture"]["multipliers"]) - 1)
    shape = (len(manifest), config["architecture"]["latent_channels"], side, side)
    # Rows of skipped images stay NaN, so that using one by mistake cannot pass unseen.
    latents = np.full(shape, np.nan, dtype=np.float16)
    for start in progress(range(0, len(usable), args.batch_size), "encode"):
        ids = usable[start : start + args.batch_size]
        encoded = model.encode(to_model_range(torch.from_numpy(images.read(ids)).to(device)))
        latents[ids] = encoded.cpu().numpy()
    train_ids = manifest.loc[manifest["split"] == "train", "id"].to_numpy()
    write_array(args.output, latents)
    sidecar = {
        "scale": latent_scale(latents, train_ids),
        "shape": shape,
        "dataset_hash": info.content_hash,
        "tokenizer_hash": config["weights_hash"],
    }
    write_json(args.output.with_suffix(".json"), sidecar)


run_stage(main)
