"""Stage: the attributes of images as a classifier predicts them, a dataset's or those of a sampled run.

A classifier that looks at images goes on after a kill, and runs under torchrun on several devices.
"""

from pathlib import Path

from steadyflow.artifacts import file_hash, read_array, write_json, write_parquet
from steadyflow.classifiers import load_classifier
from steadyflow.classifiers.predict import classify_features, classify_pictures, predictions
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.pictures import array_pictures, dataset_pictures
from steadyflow.fetch.lock import read_lock
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True, device=True, table=True)
source = parser.add_mutually_exclusive_group(required=True)
source.add_argument("--dataset", type=Path, help="folder of a dataset; row = id, -1 for skipped images")
source.add_argument("--images", type=Path, help="uint8 [n,H,W,C] .npy")
parser.add_argument("--features", type=Path, help="float32 [n,d] .npy of the images, where the classifier reads those")
parser.add_argument("--classifier", required=True, help="its name in the study")
parser.add_argument("--classifier-files", type=Path, nargs="+", required=True, help="all files that it is opened from")
parser.add_argument("--weights-lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument(
    "--output", type=Path, required=True, help=".parquet, int8 codes of each attribute; a .json goes beside it"
)


def main() -> None:
    args = parser.parse_args()
    spec = load_study(args.study).classifier(args.classifier).identity()
    # A few products of matrices need no device, and most classifiers no torch.
    device = None if args.features else choose_device(args.device, args.threads)
    lock, attributes = read_lock(args.weights_lock), spec.get("attributes", {})
    classifier = load_classifier(spec["kind"], attributes, args.classifier_files, lock=lock, device=device)
    pictures = array_pictures(args.images) if args.images else dataset_pictures(args.dataset)
    if device is None:
        codes = classify_features(classifier, read_array(args.features), pictures.usable)
        hashes = {"features_hash": file_hash(args.features)}
    else:
        from steadyflow import distributed

        settings = {"batch_size": args.batch_size, "seconds": args.save_seconds}
        codes = classify_pictures(classifier, pictures, args.state, device=device, **settings)
        if distributed.rank() > 0:
            return
        hashes = {"images_hash": pictures.content_hash()}
    found = predictions(classifier, codes, pictures, spec=spec, hashes=hashes)
    write_parquet(args.output, found.codes)
    write_json(args.output.with_suffix(".json"), found.sidecar)
    for name, missed in found.unknown.items():
        if missed:
            print(f"{name}: unknown of {missed} of {len(pictures.usable)} images")
    if device is not None:
        from steadyflow.resumable import delete_table

        delete_table(args.state)


if __name__ == "__main__":
    run_stage(main)
