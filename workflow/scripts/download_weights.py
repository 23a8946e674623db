"""Stage: fetches one file that a lock pins, or takes it out of the archive that holds it."""

import argparse
from pathlib import Path

from steadyflow.fetch.lock import read_lock
from steadyflow.fetch.locked import fetch_locked
from steadyflow.fetch.web import Web
from steadyflow.ground.command_line import exit_on_errors

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--file", required=True, help="its name in the lock")
parser.add_argument("--folder", type=Path, required=True, help="where it has to lie")


def main() -> None:
    args = parser.parse_args()
    fetch_locked(read_lock(args.lock), args.file, args.folder, Web())


if __name__ == "__main__":
    with exit_on_errors():
        main()
