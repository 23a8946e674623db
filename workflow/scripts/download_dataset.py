"""Stage: fetches the files of a dataset, and lists them with their hashes and licence."""

from pathlib import Path
from typing import Any

from steadyflow.artifacts import UserError, write_json
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.files import CIFAR10_ARCHIVE
from steadyflow.fetch.huggingface import fetch_dataset, hub_web
from steadyflow.fetch.lock import Locked, read_lock
from steadyflow.fetch.locked import fetch_locked
from steadyflow.fetch.remote import sha256_of
from steadyflow.fetch.web import Web
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study")
parser.add_argument("--lock", type=Path, required=True, help="resources/datasets.lock")
parser.add_argument("--output", type=Path, required=True, help="files.json, in the folder of the files")

ARCHIVES = {"cifar10": CIFAR10_ARCHIVE}


def main() -> None:
    args = parser.parse_args()
    spec, folder = load_study(args.study).datasets[args.dataset], args.output.parent
    if spec.source in ARCHIVES:
        entry = read_lock(args.lock)[ARCHIVES[spec.source]]
        description = one_file(entry, fetch_locked({entry.name: entry}, entry.name, folder, Web()))
    else:
        patterns = {"train": spec.train} | ({"val": spec.val} if spec.val else {})
        try:
            description = fetch_dataset(spec.repo, spec.revision, patterns, folder, hub_web())
        except UserError as error:
            raise UserError(
                f"{error}. Or, without a network: put the files into a folder and name it, datasets.{args.dataset}.path"
            ) from error
    write_json(args.output, description)


def one_file(entry: Locked, path: Path) -> dict[str, Any]:
    listed = {"path": path.name, "bytes": path.stat().st_size, "sha256": sha256_of(path)}
    return {"url": entry.url, "licence": entry.licence, "files": [listed]}


run_stage(main)
