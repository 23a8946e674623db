#!/usr/bin/env bash
# launch.sh PROCESSES SCRIPT FLAGS...: a stage as one Python process, or as several under torchrun, one per device.
# PROCESSES is
#   auto   one for every GPU of the allocation (SLURM_GPUS_ON_NODE), or of CUDA_VISIBLE_DEVICES; one where neither is set
#   3      so many on this machine
#   srun   `auto` on each machine of the SLURM allocation, all of them together; for trainings alone, since the other
#          stages write one file through memory maps
set -euo pipefail
processes=$1 script=$2
shift 2
folder=$(dirname "$0")

if [ "$processes" = srun ]; then
  # One task a machine, which starts a process for each of its GPUs. A job started by Snakemake knows its own number
  # alone, and a step is given no more cores than it asks for.
  job=$(scontrol show job "$SLURM_JOB_ID" --oneliner)
  nodes=$(sed -n 's/.* NumNodes=\([0-9]*\).*/\1/p' <<< "$job")
  cores=$(sed -n 's/.* CPUs\/Task=\([0-9]*\).*/\1/p' <<< "$job")
  exec srun --nodes="$nodes" --ntasks-per-node=1 --cpus-per-task="$cores" --cpu-bind=none "$0" node "$script" "$@"
fi

together=(--standalone)
if [ "$processes" = node ]; then
  first=$(scontrol show hostnames "$SLURM_STEP_NODELIST" | head -n 1)
  # The address of the first machine that the others reach it under, where that is not its name (JUWELS: the name and i).
  # It would not know itself by such an address, hence is_host.
  together=(--nnodes="$SLURM_NNODES" --rdzv-backend=c10d --rdzv-id="$SLURM_JOB_ID"
    --rdzv-endpoint="$first${RENDEZVOUS_SUFFIX:-}:${RENDEZVOUS_PORT:-29500}"
    --rdzv-conf="is_host=$((SLURM_NODEID == 0))")
fi

if [ "$processes" = auto ] || [ "$processes" = node ]; then
  visible=${CUDA_VISIBLE_DEVICES:-0}
  commas=${visible//[^,]/}
  gpus=${SLURM_GPUS_ON_NODE:-$((${#commas} + 1))}
else
  gpus=$processes
fi
if [ "$gpus" = 1 ] && [ "$processes" != node ]; then
  exec python "$folder/$script" "$@"
fi
# Without -- torchrun takes a flag such as --run for one of its own.
exec python -m torch.distributed.run "${together[@]}" --nproc-per-node="$gpus" -- "$folder/$script" "$@"
