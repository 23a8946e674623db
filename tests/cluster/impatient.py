"""Snakemake with a SLURM executor that looks every other second, where its own waits ten seconds longer each time."""

import signal
import sys

import snakemake_executor_plugin_slurm as slurm
from snakemake.cli import main

slurm.Executor.next_seconds_between_status_checks = property(lambda self: 2, lambda self, seconds: None)

# Ctrl-C is to be heard, even where these tests were started in the background.
signal.signal(signal.SIGINT, signal.default_int_handler)
main(sys.argv[1:])
