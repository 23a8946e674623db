# shellcheck shell=bash
# source envs/juwels/activate.sh FOLDER: the environment of `install.sh FOLDER`, in this shell and in jobs it submits.
# shellcheck source=envs/juwels/modules.sh
source "$(dirname "${BASH_SOURCE[0]}")/modules.sh"
# shellcheck source=/dev/null
source "$1/bin/activate"
# For trainings over several nodes (launch.sh srun): nodes reach each other's InfiniBand by their name and an i.
export RENDEZVOUS_SUFFIX=i NCCL_SOCKET_IFNAME=ib0 GLOO_SOCKET_IFNAME=ib0
