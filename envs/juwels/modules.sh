# shellcheck shell=bash
# Sourced, on JUWELS: the modules that the environment stands on. torch's wheels bring CUDA and NCCL of their own.
module --force purge
module load Stages/2025 GCC Python
