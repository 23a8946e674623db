"""Stage: how faithful and how sharp the evaluated tokenizers reconstruct the validation split."""

from pathlib import Path

import numpy as np

from steadyflow.artifacts import file_hash, read_json, write_array, write_parquet
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_manifest
from steadyflow.encoders import load_encoder
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.tokenizer_quality import (
    SHOWN,
    ImageBatches,
    original_features,
    reconstruction_measures,
    tokenizer_metrics,
)
from steadyflow.fetch.lock import read_lock, verified
from steadyflow.models import VQVAE, load_trained
from steadyflow.names import VGG16_WEIGHTS
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--vgg16", type=Path, help=f"{VGG16_WEIGHTS}; LPIPS is measured with it alone")
parser.add_argument("--encoder-files", type=Path, nargs="+", required=True, help="all that the encoder is opened from")
parser.add_argument("--weights-lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")
parser.add_argument(
    "--reconstructions", type=Path, required=True, help="uint8 [1 + tokenizers, images, H, W, C] .npy, originals first"
)


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    study, lock = load_study(args.study), read_lock(args.weights_lock)
    spec, files = study.evaluations[args.dataset], paths.dataset_files(study, args.dataset)
    manifest, store = read_manifest(files["manifest"], ["id", "split"]), ImageStore(files["images"])
    validation = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    images = ImageBatches(store, validation, args.batch_size, device)
    lpips = None
    if args.vgg16:
        from steadyflow.models.perceptual import Lpips

        lpips = Lpips(verified(args.vgg16, lock[VGG16_WEIGHTS])).to(device)
    measures = reconstruction_measures(study.datasets[args.dataset].resolution, lpips)
    (name, *_) = spec.encoders or ()
    kind, options = study.encoders[name].kind, study.encoders[name].options
    encoder = load_encoder(kind, options, args.encoder_files, lock=lock, device=device)
    metrics, shown = [], [store.read(validation[:SHOWN])]
    with original_features(encoder, images, args.output) as features:
        for tokenizer in spec.tokenizers or ():
            files = paths.tokenizer_files(study, tokenizer)
            found, copies = tokenizer_metrics(
                load_trained(VQVAE, read_json(files["config"])["architecture"], files["weights"]).to(device),
                images,
                measures,
                features,
                weights_hash=file_hash(files["weights"]),
                encoder=name,
                lpips_weights=args.vgg16.stem if args.vgg16 else "",
                fields={"dataset": args.dataset, "run": tokenizer, "seed": study.tokenizers[tokenizer].seed},
            )
            metrics += found
            shown.append(copies)
    write_array(args.reconstructions, np.stack(shown))
    write_parquet(args.output, metrics_table(metrics))


if __name__ == "__main__":
    run_stage(main)
