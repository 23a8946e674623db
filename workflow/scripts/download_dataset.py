"""Stage: fetches the files of a dataset, and lists them with their hashes and licence."""

import argparse
from pathlib import Path

from steadyflow.data.files import CIFAR10_ARCHIVE
from steadyflow.fetch.huggingface import fetch_dataset, hub_web
from steadyflow.fetch.lock import read_lock
from steadyflow.fetch.locked import fetch_dataset_file
from steadyflow.fetch.web import Web
from steadyflow.ground.artifacts import UserError, write_json
from steadyflow.ground.command_line import exit_on_errors
from steadyflow.study import load_study
from steadyflow.study.specs.datasets import HuggingFace

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--study", type=Path, required=True, help="the study file")
parser.add_argument("--dataset", required=True, help="its name in the study")
parser.add_argument("--lock", type=Path, required=True, help="resources/datasets.lock")
parser.add_argument("--output", type=Path, required=True, help="files.json, in the folder of the files")

ARCHIVES = {"cifar10": CIFAR10_ARCHIVE}


def main() -> None:
    args = parser.parse_args()
    spec, folder = load_study(args.study).datasets[args.dataset], args.output.parent
    if isinstance(spec, HuggingFace):
        patterns = {"train": spec.train} | ({"val": spec.val} if spec.val else {})
        try:
            description = fetch_dataset(spec.repo, spec.revision, patterns, folder, hub_web())
        except UserError as error:
            raise UserError(
                f"{error}. Or, without a network: put the files into a folder and name it, datasets.{args.dataset}.path"
            ) from error
    elif spec.source in ARCHIVES:
        description = fetch_dataset_file(read_lock(args.lock), ARCHIVES[spec.source], folder, Web())
    else:
        raise UserError(f"datasets.{args.dataset}: nothing is downloaded for the source '{spec.source}'")
    write_json(args.output, {**description, "origin": spec.origin})


if __name__ == "__main__":
    with exit_on_errors():
        main()
