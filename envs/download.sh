#!/usr/bin/env bash
# download.sh WHEELS: every file of requirements/*.txt, checked against its hash, for `install.sh FOLDER WHEELS`.
# For this system and this Python; for another one, say so with pip's flags, which follow:
#   download.sh WHEELS --python-version 3.12 --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64
set -euo pipefail
wheels=$1
shift
requirements=$(cd "$(dirname "$0")/../requirements" && pwd)
# The lists are complete, hence --no-deps. connection-pool alone has no wheel; it is pure Python.
for list in "$requirements/uv.txt" "${LOCK:-$requirements/lock.txt}"; do
  python3 -m pip download --disable-pip-version-check --dest "$wheels" --only-binary :all: --no-binary connection-pool \
    --no-deps --require-hashes --requirement "$list" "$@"
done
