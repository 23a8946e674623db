"""Prints what a study has downloaded: what it is, how large, under which licence, and where it lies."""

from pathlib import Path

from steadyflow.artifacts import read_json
from steadyflow.cli import run_stage, stage_parser
from steadyflow.fetch.lock import read_lock, verified
from steadyflow.report.text import table_lines

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
    cells = [(what, f"{size:,}", licence, str(where)) for what, size, licence, where in rows]
    print("\n".join(table_lines([("what", "bytes", "licence", "where"), *cells], right=(1,))))


run_stage(main)
