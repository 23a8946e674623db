"""Stage: one table as CSV, Markdown, LaTeX and HTML."""

from pathlib import Path

from steadyflow.cli import run_stage, stage_parser
from steadyflow.report.typeset import write_table
from steadyflow.stages.exhibits import TABLES, make
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--table", required=True, choices=TABLES, metavar="NAME", help="a file in report/tables")
parser.add_argument("--stem", type=Path, required=True, help="output path without suffix")


def main() -> None:
    args = parser.parse_args()
    write_table(make(TABLES[args.table], load_study(args.study), args.dataset), args.stem)


run_stage(main)
