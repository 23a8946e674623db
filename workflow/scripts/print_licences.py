"""Prints what a study has downloaded: what it is, how large, under which licence, and where it lies."""

from collections.abc import Sequence
from pathlib import Path

from steadyflow.artifacts import read_json
from steadyflow.cli import run_stage, stage_parser
from steadyflow.fetch.lock import read_lock, verified

parser = stage_parser(__doc__)
parser.add_argument("--lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--weights", type=Path, nargs="*", default=[], help="files of the lock")
parser.add_argument("--datasets", type=Path, nargs="*", default=[], help="files.json of each dataset")


def main() -> None:
    args = parser.parse_args()
    lock = read_lock(args.lock)
    rows = []
    for path in args.weights:
        entry = lock[path.name]
        rows.append((path.name, verified(path, entry).stat().st_size, entry.licence, path))
    for path in args.datasets:
        listed = read_json(path)
        rows.append((listed["url"], sum(file["bytes"] for file in listed["files"]), listed["licence"], path.parent))
    if not rows:
        print("This study needs no downloads.")
        return
    print_table([("what", "bytes", "licence", "where"), *rows])


def print_table(rows: Sequence[Sequence[object]]) -> None:
    cells = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        what, size, licence, where = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print(what, size.strip().rjust(widths[1]), licence, where.rstrip(), sep="  ")


run_stage(main)
