"""Stage: moments, k-NN radii and kernel means of the validation images in an encoder's features."""

from steadyflow.data.images import read_manifest
from steadyflow.evaluate.quality import prepare_reference, write_reference
from steadyflow.evaluate.rows import with_features
from steadyflow.ground.artifacts import read_array
from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("prepare_reference", __doc__)


def main(job: StageRun) -> None:
    manifest = read_manifest(job.inputs["manifest"], ["id", "split"])
    validation = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    rows = with_features(read_array(job.inputs["embeddings"]), validation)
    write_reference(job.outputs["reference"], prepare_reference(rows))


if __name__ == "__main__":
    run_stage(parser, main)
