"""Stage: the ids that a criterion keeps, and their keys as plain text."""

from pathlib import Path

import pandas as pd

from steadyflow.artifacts import UserError, write_json, write_parquet, write_text
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_dataset_info, read_manifest
from steadyflow.prune.select import input_hashes, select_subset
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--subset", required=True, help="its name in the study")
parser.add_argument("--output", type=Path, required=True, help=".parquet; .json (rule) and .txt (keys) go beside it")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec, chosen_by = study.subsets[args.subset], paths.chosen_by(study, args.subset)
    files = paths.dataset_files(study, str(spec.dataset))
    manifest, info = read_manifest(files["manifest"]), read_dataset_info(files["info"])
    settings = dict(spec)
    try:
        found = select_subset(settings, manifest, info, chosen_by)
    except UserError as error:
        raise UserError(f"subsets.{args.subset}: {error}") from error
    rule = {
        "spec": spec.identity(),
        "n_from": found.n_from,
        "n_kept": len(found.ids),
        "n_drawn": int(found.multiplicity.sum()),
        "dataset_hash": info.content_hash,
        "chosen_by": input_hashes(chosen_by, settings.get("file")),
        "groups": found.groups,
    }
    write_text(args.output.with_suffix(".txt"), "".join(f"{key}\n" for key in manifest["key"].to_numpy()[found.ids]))
    write_json(args.output.with_suffix(".json"), rule)
    write_parquet(args.output, pd.DataFrame({"id": found.ids, "multiplicity": found.multiplicity}))


if __name__ == "__main__":
    run_stage(main)
