"""Stage: one figure as PDF and PNG."""

from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.report.style import write_figure
from steadyflow.stages.exhibits import FIGURES, make

parser = stage_parser("draw_figure", __doc__)


def main(job: StageRun) -> None:
    pages = make(FIGURES[job.names["figure"]], job.study, job.names["dataset"])
    write_figure(pages, job.outputs["pdf"].with_suffix(""))


if __name__ == "__main__":
    run_stage(parser, main)
