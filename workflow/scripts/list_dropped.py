"""Stage: the keys of the training images that a subset leaves out, as plain text."""

import numpy as np
import pandas as pd

from steadyflow.data.images import read_manifest, train_ids
from steadyflow.ground.artifacts import write_text
from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("list_dropped", __doc__)


def main(job: StageRun) -> None:
    manifest = read_manifest(job.inputs["manifest"], ["id", "key", "split"])
    train = train_ids(manifest)
    dropped = np.setdiff1d(train, pd.read_parquet(job.inputs["subset"])["id"].to_numpy())
    write_text(job.outputs["dropped"], "".join(f"{key}\n" for key in manifest["key"].to_numpy()[dropped]))


if __name__ == "__main__":
    run_stage(parser, main)
