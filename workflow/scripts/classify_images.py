"""Stage: the attributes of images as a classifier tells them, a dataset's or those of a sampled run.

A classifier that looks at images goes on after a kill, and runs under torchrun on several devices.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import file_hash, read_array, spec_hash, write_json, write_parquet
from steadyflow.classifiers import UNKNOWN, Classifier, load_classifier
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest
from steadyflow.fetch.lock import read_lock
from steadyflow.study import load_study
from steadyflow.study.specs.fields import Spec

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

FEATURES = 4096  # at a time


def main() -> None:
    args = parser.parse_args()
    spec = load_study(args.study).classifier(args.classifier)
    # A few products of matrices need no device, and most classifiers no torch.
    device = None if args.features else choose_device(args.device, args.threads)
    lock, attributes = read_lock(args.weights_lock), spec.identity().get("attributes", {})
    classifier = load_classifier(spec.kind, attributes, args.classifier_files, lock=lock, device=device)
    if args.images:
        count = len(read_array(args.images))
        usable = np.arange(count)
    else:
        split = read_manifest(args.dataset / "manifest.parquet", ["split"])["split"].to_numpy()
        count, usable = len(split), np.flatnonzero(split != "skipped")
    if args.features:
        # In seconds, by one process.
        features = read_array(args.features)
        parts = [usable[start : start + FEATURES] for start in range(0, len(usable), FEATURES)]
        told = [classifier.classify(features[part]) for part in parts]
        codes = {name: np.concatenate([part[name] for part in told]) for name in classifier.values}
        write(args.output, classifier, codes, count, usable, spec, {"features_hash": file_hash(args.features)})
        return

    from steadyflow import distributed
    from steadyflow.resumable import delete_table, missing_batches, resumable_table

    if args.images:
        images, images_hash = read_array(args.images), file_hash(args.images)
        read = images.__getitem__
    else:
        read, images_hash = ImageStore(args.dataset / "images").read, dataset_hash(args.dataset)
    shape, identity = (len(usable), len(classifier.values)), spec_hash([classifier.hash, images_hash])
    opened = resumable_table(args.state, shape, identity, items=len(usable), dtype=np.int8, seconds=args.save_seconds)
    with distributed.joined(device), opened as table:
        for batch in missing_batches(table, args.batch_size, "classify"):
            codes = classifier.classify(read(usable[batch]))
            table.values[batch] = np.stack([codes[attribute] for attribute in classifier.values], axis=1)
    if distributed.rank() > 0:
        return
    codes = dict(zip(classifier.values, table.values.T, strict=True))
    write(args.output, classifier, codes, count, usable, spec, {"images_hash": images_hash})
    delete_table(args.state)


def dataset_hash(dataset: Path) -> str:
    return read_dataset_info(dataset / "dataset.json").content_hash


def write(
    output: Path,
    classifier: Classifier,
    codes: dict[str, np.ndarray],
    count: int,
    usable: np.ndarray,
    spec: Spec,
    hashes: dict[str, str],
) -> None:
    """The `codes` [usable images] of each attribute as rows of all images, and the JSON that says what they are."""
    table = {name: np.full(count, UNKNOWN, np.int8) for name in codes}
    for name, column in codes.items():
        table[name][usable] = column
    unknown = {name: int((column == UNKNOWN).sum()) for name, column in codes.items()}
    write_parquet(output, pd.DataFrame(table))
    sidecar = {
        "classifier": classifier.kind,
        "spec": spec.identity(),
        "protocol": classifier.protocol,
        "classifier_hash": classifier.hash,
        "licence": classifier.licence,
        "values": classifier.values,
        **hashes,
        "images": len(usable),
        "unknown": unknown,
    }
    write_json(output.with_suffix(".json"), sidecar)
    for name, missed in unknown.items():
        if missed:
            print(f"{name}: unknown of {missed} of {len(usable)} images")


run_stage(main)
