"""Prints what a study costs: jobs, GPU hours and disk of each stage, of all and of what is left. Computes nothing."""

from collections.abc import Sequence

from steadyflow.cli import run_stage, stage_parser
from steadyflow.study import load_study
from steadyflow.study.estimate import Estimate, estimate
from steadyflow.study.resources import ASSUMED_IMAGES, GPUS

parser = stage_parser(__doc__, study=True)

COLUMNS = ("stage", "jobs", "left", "GPU hours", "left", "longest, h", "disk, GB", "left")


def main() -> None:
    study = load_study(parser.parse_args().study)
    found = estimate(study)
    if not found:
        print("This study computes nothing.")
        return
    print(f"ESTIMATE of {study.name} on nodes of {GPUS} A100s: arithmetic, at the speed that the papers report.")
    print_table([COLUMNS, *(row(stage, each) for stage, each in found.items())])
    state = found["in all"].left.state_gb
    print(f"A training under way keeps states of up to {state:,.1f} GB beside that.")
    for name, dataset in study.datasets.items():
        if dataset.known_images is None:
            print(f"datasets.{name} is taken for {ASSUMED_IMAGES:,} images: its `expected_images` may say how many.")


def row(stage: str, each: Estimate) -> tuple[str, ...]:
    everything, left = each.everything, each.left
    hours, disk = ([getattr(part, name) for part in (everything, left)] for name in ("gpu_hours", "disk_gb"))
    return (
        stage,
        f"{everything.jobs:,}",
        f"{left.jobs:,}",
        *(f"{value:,.1f}" for value in (*hours, everything.longest_hours, *disk)),
    )


def print_table(rows: Sequence[Sequence[str]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for stage, *numbers in rows:
        print(
            stage.ljust(widths[0]),
            *(cell.rjust(width) for cell, width in zip(numbers, widths[1:], strict=True)),
            sep="  ",
        )


run_stage(main)
