"""Stage: the keys of the training images that a subset leaves out, as plain text."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import write_text
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_manifest, train_ids

parser = stage_parser(__doc__)
parser.add_argument("--manifest", type=Path, required=True)
parser.add_argument("--subset", type=Path, required=True, help=".parquet: id, multiplicity")
parser.add_argument("--output", type=Path, required=True, help=".txt")


def main() -> None:
    args = parser.parse_args()
    manifest = read_manifest(args.manifest, ["id", "key", "split"])
    train = train_ids(manifest)
    dropped = np.setdiff1d(train, pd.read_parquet(args.subset)["id"].to_numpy())
    write_text(args.output, "".join(f"{key}\n" for key in manifest["key"].to_numpy()[dropped]))


if __name__ == "__main__":
    run_stage(main)
