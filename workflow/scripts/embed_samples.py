"""Stage: the samples of a run through an encoder. Under torchrun on several devices."""

from pathlib import Path

from embed_images import embed

from steadyflow.data.pictures import array_pictures
from steadyflow.ground.resumable import delete_table
from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("embed_samples", __doc__)
parser.add_argument("--weights-lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--batch-size", type=int, default=128)


def main(job: StageRun) -> None:
    embed(job, array_pictures(job.inputs["images"]))


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_table)
