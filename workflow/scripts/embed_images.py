"""Stage: images through an encoder, a dataset's or those of a sampled run. Under torchrun on several devices."""

from pathlib import Path

import numpy as np

from steadyflow import distributed
from steadyflow.artifacts import read_array, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.pictures import array_pictures, dataset_pictures
from steadyflow.data.rows import compute_rows
from steadyflow.encoders import load_encoder
from steadyflow.evaluate.rows import mean_norm, with_features
from steadyflow.fetch.lock import read_lock
from steadyflow.resumable import publish_table
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True, device=True, table=True)
source = parser.add_mutually_exclusive_group(required=True)
source.add_argument("--dataset", type=Path, help="folder of a dataset; row = id, NaN for skipped images")
source.add_argument("--images", type=Path, help="uint8 [n,H,W,C] .npy")
parser.add_argument("--encoder", required=True, help="its name in the study")
parser.add_argument("--encoder-files", type=Path, nargs="+", required=True, help="all files that it is opened from")
parser.add_argument(
    "--weights-lock", type=Path, required=True, help="resources/weights.lock, which pins those of others"
)
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--output", type=Path, required=True, help="float32 [n,d] .npy; a .json goes beside it")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).encoders[args.encoder]
    lock = read_lock(args.weights_lock)
    encoder = load_encoder(spec.kind, spec.options, args.encoder_files, lock=lock, device=device)
    pictures = array_pictures(args.images) if args.images else dataset_pictures(args.dataset)
    read, usable = pictures.open(), pictures.usable
    made_of = {
        "encoder": encoder.kind,
        "protocol": encoder.protocol,
        "dim": encoder.dim,
        "encoder_hash": encoder.weights_hash,
        "images_hash": pictures.content_hash(),
    }
    compute_rows(
        lambda ids: encoder.encode(read(ids)),
        usable,
        args.state,
        (pictures.count, encoder.dim),
        np.float32,
        inputs=made_of,
        batch_size=args.batch_size,
        device=device,
        name="embed",
        seconds=args.save_seconds,
    )
    if distributed.rank() > 0:
        return
    found = with_features(read_array(args.state), usable)
    sidecar = {
        **made_of,
        "licence": encoder.licence,
        "images": len(usable),
        "without_features": len(usable) - len(found),
        "l2_norm": {"mean": mean_norm(found), "normalised": False},
    }
    write_json(args.output.with_suffix(".json"), sidecar)
    publish_table(args.state, args.output)
    if len(found) < len(usable):
        print(
            f"{encoder.kind} finds nothing in {len(usable) - len(found)} of {len(usable)} images: they have no features"
        )


if __name__ == "__main__":
    run_stage(main)
