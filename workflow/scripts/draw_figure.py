"""Stage: one figure as PDF and PNG."""

from pathlib import Path

from steadyflow.cli import run_stage, stage_parser
from steadyflow.report.style import write_figure
from steadyflow.stages.exhibits import FIGURES, make
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--figure", required=True, choices=FIGURES, metavar="NAME", help="a file in report/figures")
parser.add_argument("--stem", type=Path, required=True, help="output path without suffix")


def main() -> None:
    args = parser.parse_args()
    write_figure(make(FIGURES[args.figure], load_study(args.study), args.dataset), args.stem)


run_stage(main)
