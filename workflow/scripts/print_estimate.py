"""Prints what a study costs: jobs, GPU hours and disk of each stage, of all and of what is left. Computes nothing."""

import argparse
import math
from pathlib import Path

from steadyflow.ground.command_line import exit_on_errors
from steadyflow.plan.estimate import Estimate, cost_of_trainings, estimate
from steadyflow.plan.power import POWER, Power, power_of_claims, published_spread
from steadyflow.report.paper import read_paper_values
from steadyflow.report.text import table_lines
from steadyflow.stages.cost import ASSUMED_IMAGES, GPUS
from steadyflow.stages.results import RESOURCES
from steadyflow.study import Study, load_study

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--study", type=Path, required=True, help="the study file")

COLUMNS = ("stage", "jobs", "left", "GPU hours", "left", "longest, h", "disk, GB", "left")


POWER_COLUMNS = ("evaluation", "claim", "trainings", "smallest change of FD")


def main() -> None:
    study = load_study(parser.parse_args().study)
    found = estimate(study)
    if not found:
        print("This study computes nothing.")
        return
    print(f"ESTIMATE of {study.name} on nodes of {GPUS} A100s: arithmetic, at the speed that the papers report.")
    rows = [COLUMNS, *(row(stage, each) for stage, each in found.items())]
    print("\n".join(table_lines(rows, right=range(1, len(COLUMNS)))))
    state = found["in all"].left.state_gb
    print(f"A training under way keeps states of up to {state:,.1f} GB beside that.")
    for name, dataset in study.datasets.items():
        if dataset.known_images is None:
            print(f"datasets.{name} is taken for {ASSUMED_IMAGES:,} images: its `expected_images` may say how many.")
    print_repeats(study)


def print_repeats(study: Study) -> None:
    """What repeated trainings cost, and what can be decided by them."""
    trainings, once = cost_of_trainings(study)
    print(
        f"Trainings: {trainings.jobs:,}, {trainings.gpu_hours:,.1f} GPU hours; without repeats "
        f"{once.jobs:,}, {once.gpu_hours:,.1f} GPU hours."
    )
    spread = published_spread(read_paper_values(RESOURCES / "paper" / "scalars.csv"))
    if not (found := power_of_claims(study, spread)):
        return
    print(
        f"The smallest change that the 95% interval of a claim shows with a chance of {POWER:.0%}, if trainings differ "
        f"by SD {spread.relative_sd:.1%} of FD ({spread.source}):"
    )
    rows = [(each.dataset, each.claim, "{} against {}".format(*each.trainings), change(each)) for each in found]
    print("\n".join(table_lines([POWER_COLUMNS, *rows], right=[3])))


def change(power: Power) -> str:
    return "none, nothing is repeated" if math.isinf(power.change) else f"{power.change:.1%}"


def row(stage: str, each: Estimate) -> tuple[str, ...]:
    everything, left = each.everything, each.left
    hours, disk = ([getattr(part, name) for part in (everything, left)] for name in ("gpu_hours", "disk_gb"))
    return (
        stage,
        f"{everything.jobs:,}",
        f"{left.jobs:,}",
        *(f"{value:,.1f}" for value in (*hours, everything.longest_hours, *disk)),
    )


if __name__ == "__main__":
    with exit_on_errors():
        main()
