"""Stage: Snakemake's report of a study's tables and figures."""

import subprocess
import sys
from pathlib import Path

from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("report", __doc__)
parser.add_argument("--snakefile", type=Path, required=True)


def main(job: StageRun) -> None:
    # --nolock, since the Snakemake that runs this holds the lock of the working directory.
    command = [
        sys.executable,
        "-m",
        "snakemake",
        "--snakefile",
        str(job.flags.snakefile),
        "--directory",
        ".",
        "--nolock",
    ]
    command += ["--configfile", str(job.flags.study), "--report", str(job.outputs["page"]), "all_tables", "all_figures"]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    run_stage(parser, main)
