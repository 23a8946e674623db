"""Prints how far the trainings and scorings of a study are; also while they run, and from any machine that sees the
results."""

import argparse
import os
import time
from pathlib import Path

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.command_line import exit_on_errors
from steadyflow.monitor.efficiency import efficiency_lines, stage_times
from steadyflow.monitor.jobs import job_efficiency, job_status, long_jobs, read_benchmarks
from steadyflow.monitor.status import status_lines
from steadyflow.study import load_study

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--study", type=Path, default=Path("config.yaml"))
parser.add_argument(
    "--directory", type=Path, default=Path(), help="Snakemake's working directory, which holds the results"
)
parser.add_argument("--efficiency", action="store_true", help="also how well the time was used, by training and stage")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    if not args.directory.joinpath(study.results).is_dir():
        raise UserError(
            f"{args.directory / study.results}: no results are there; --directory names the working directory of "
            "Snakemake, which a profile sets by `directory`, or the command line by --directory"
        )
    os.chdir(args.directory)
    jobs = list(long_jobs(study))
    print("\n".join(status_lines([job_status(job, time.time()) for job in jobs])))
    if args.efficiency:
        trainings = [found for found in map(job_efficiency, jobs) if found is not None]
        print("\n" + "\n".join(efficiency_lines(trainings, stage_times(read_benchmarks(study)))))


if __name__ == "__main__":
    with exit_on_errors():
        main()
