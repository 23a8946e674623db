"""Stage: a source becomes a dataset, that is a manifest and images at the study's resolution."""

from pathlib import Path

from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.dataset import write_dataset
from steadyflow.data.sources import SOURCES
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study")
parser.add_argument("--output", type=Path, required=True, help="folder for manifest.parquet, dataset.json and images/")


def main() -> None:
    args = parser.parse_args()
    spec = load_study(args.study).datasets[args.dataset]
    write_dataset(
        SOURCES[spec.source](**spec.model_dump(include=spec.arguments)),
        args.output,
        resolution=spec.resolution,
        channels=spec.channels,
        val_fraction=spec.val_fraction,
        fit=spec.fit,
        details={"spec": spec.identity()},
    )


run_stage(main)
