#!/usr/bin/env bash
# install.sh FOLDER [WHEELS]: a virtual environment of the locked versions, every file checked against its hash.
# With WHEELS, a folder of wheels, no network is asked for anything; on a machine with one (and the same system and
# Python), `download.sh WHEELS` fills it. On a cluster, load its Python first: `source envs/juwels/modules.sh`.
set -euo pipefail
folder=$1
from=()
if [ $# -gt 1 ]; then
  from=(--no-index --find-links "$2")
fi
repository=$(cd "$(dirname "$0")/.." && pwd)
lock=${LOCK:-$repository/requirements/lock.txt}
python=$folder/bin/python

python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  { echo "install.sh: steadyflow needs Python >= 3.11, and python3 is $(python3 --version)" >&2; exit 1; }
python3 -m venv "$folder"
# uv, if it is nowhere yet, comes into the environment first, as in the Makefile.
uv=${UV:-$folder/bin/uv}
if [ -z "${UV:-}" ]; then
  "$python" -m pip install --quiet "${from[@]}" --require-hashes --requirement "$repository/requirements/uv.txt"
fi
"$uv" pip install --compile-bytecode --python "$python" "${from[@]}" --require-hashes --requirement "$lock"
# The library itself, as it lies here. Its build needs setuptools alone, which the lock has.
"$uv" pip install --python "$python" --no-index --no-deps --no-build-isolation --editable "$repository"
