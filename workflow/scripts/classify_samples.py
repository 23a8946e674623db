"""Stage: the attributes of the samples of a run, as a classifier predicts them."""

from pathlib import Path

from classify_images import classify

from steadyflow.data.pictures import array_pictures
from steadyflow.ground.resumable import delete_table
from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("classify_samples", __doc__)
parser.add_argument("--weights-lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--batch-size", type=int, default=32)


def main(job: StageRun) -> None:
    classify(job, array_pictures(job.inputs["images"]))


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_table)
