"""Stage: every image of a dataset through a tokenizer, once. Under torchrun on several devices."""

from pathlib import Path

import numpy as np
import torch

from steadyflow import distributed
from steadyflow.artifacts import read_array, read_json, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest
from steadyflow.data.latents import latent_scale
from steadyflow.data.rows import compute_rows
from steadyflow.models import VQVAE, load_trained, to_model_range
from steadyflow.resumable import publish_table

parser = stage_parser(__doc__, device=True, table=True)
parser.add_argument("--dataset", type=Path, required=True, help="folder of the dataset to encode")
parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
parser.add_argument("--batch-size", type=int, default=64)
parser.add_argument("--output", type=Path, required=True, help="latents .npy; the scale goes into the .json beside it")


@torch.no_grad()
def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    config = read_json(args.tokenizer / "config.json")
    model = load_trained(VQVAE, config["architecture"], args.tokenizer / "weights.safetensors").to(device)
    split = read_manifest(args.dataset / "manifest.parquet", ["split"])["split"].to_numpy()
    info, images = read_dataset_info(args.dataset / "dataset.json"), ImageStore(args.dataset / "images")
    side = info.resolution // model.downsampling
    shape = (len(split), config["architecture"]["latent_channels"], side, side)

    def encode(ids: np.ndarray) -> np.ndarray:
        return model.encode(to_model_range(torch.from_numpy(images.read(ids)).to(device))).cpu().numpy()

    made_of = {"dataset_hash": info.content_hash, "tokenizer_hash": config["weights_hash"]}
    compute_rows(
        encode,
        np.flatnonzero(split != "skipped"),
        args.state,
        shape,
        np.float16,
        inputs=made_of,
        batch_size=args.batch_size,
        device=device,
        name="encode",
        seconds=args.save_seconds,
    )
    if distributed.rank() > 0:
        return
    scale = latent_scale(read_array(args.state), np.flatnonzero(split == "train"))
    write_json(args.output.with_suffix(".json"), {"scale": scale, "shape": shape, **made_of})
    publish_table(args.state, args.output)


if __name__ == "__main__":
    run_stage(main)
