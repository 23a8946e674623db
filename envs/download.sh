#!/usr/bin/env bash
# download.sh WHEELS: every wheel of requirements/lock.txt, checked against its hash, for `install.sh FOLDER WHEELS`.
# For this system and this Python; for another one, say so with pip's flags, which follow:
#   download.sh WHEELS --python-version 3.12 --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64
set -euo pipefail
wheels=$1
shift
repository=$(cd "$(dirname "$0")/.." && pwd)
lock=${LOCK:-$repository/requirements/lock.txt}
python3 -m pip download --disable-pip-version-check --dest "$wheels" --only-binary :all: \
  --require-hashes --requirement "$lock" "$@"
