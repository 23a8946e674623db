"""Stage: one table as CSV, Markdown, LaTeX and HTML."""

from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.report.typeset import write_table
from steadyflow.stages.exhibits import TABLES, make

parser = stage_parser("write_table", __doc__)


def main(job: StageRun) -> None:
    write_table(make(TABLES[job.names["table"]], job.study, job.names["dataset"]), job.outputs["csv"].with_suffix(""))


if __name__ == "__main__":
    run_stage(parser, main)
