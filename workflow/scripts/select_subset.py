"""Stage: the ids that a criterion keeps, and their keys as plain text."""

import pandas as pd

from steadyflow.data.images import read_dataset_info, read_manifest
from steadyflow.ground.artifacts import UserError, write_json, write_parquet, write_text
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.prune.select import input_hashes, select_subset
from steadyflow.stages.pruning import chosen_by

parser = stage_parser("select_subset", __doc__)


def main(job: StageRun) -> None:
    name, spec = job.names["subset"], job.study.subsets[job.names["subset"]]
    files = {kind: job.file(each.data) for kind, each in chosen_by(job.study, name).items()}
    manifest, info = read_manifest(job.inputs["manifest"]), read_dataset_info(job.inputs["info"])
    settings = dict(spec)
    try:
        found = select_subset(settings, manifest, info, files)
    except UserError as error:
        raise UserError(f"subsets.{name}: {error}") from error
    rule = {
        "spec": spec.identity(),
        "n_from": found.n_from,
        "n_kept": len(found.ids),
        "n_drawn": int(found.multiplicity.sum()),
        "dataset_hash": info.content_hash,
        "chosen_by": input_hashes(files, spec.listed_in),
        "groups": found.groups,
    }
    write_text(job.outputs["kept"], "".join(f"{key}\n" for key in manifest["key"].to_numpy()[found.ids]))
    write_json(job.outputs["rule"], rule)
    write_parquet(job.outputs["subset"], pd.DataFrame({"id": found.ids, "multiplicity": found.multiplicity}))


if __name__ == "__main__":
    run_stage(parser, main)
