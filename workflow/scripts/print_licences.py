"""Prints what a study has downloaded: what it is, how large, under which licence, and where it lies."""

import argparse
from pathlib import Path

from steadyflow.fetch.licences import downloaded
from steadyflow.fetch.lock import read_lock
from steadyflow.ground.command_line import exit_on_errors
from steadyflow.report.text import table_lines

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--weights", type=Path, nargs="*", default=[], help="files of the lock")
parser.add_argument("--datasets", type=Path, nargs="*", default=[], help="files.json of each dataset")


def main() -> None:
    args = parser.parse_args()
    rows = list(downloaded(read_lock(args.lock), args.weights, args.datasets))
    if not rows:
        print("This study needs no downloads.")
        return
    cells = [(row.what, f"{row.bytes:,}", row.licence, str(row.where)) for row in rows]
    print("\n".join(table_lines([("what", "bytes", "licence", "where"), *cells], right=(1,))))


if __name__ == "__main__":
    with exit_on_errors():
        main()
