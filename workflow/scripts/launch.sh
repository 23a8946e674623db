#!/usr/bin/env bash
# launch.sh PROCESSES SCRIPT FLAGS...: a stage as one Python process, or as several under torchrun, one per device.
set -euo pipefail
processes=$1 script=$2
shift 2
folder=$(dirname "$0")
if [ "$processes" = 1 ]; then
  exec python "$folder/$script" "$@"
fi
# Without -- torchrun takes a flag such as --run for one of its own.
exec python -m torch.distributed.run --standalone --nproc-per-node="$processes" -- "$folder/$script" "$@"
