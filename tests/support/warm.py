"""Programs started in a Python that has imported already what takes seconds: Snakemake, torch, pandas.

Each is a process of its own, forked by multiprocessing's fork server, with its own arguments, environment, working
directory and output; only the imports are shared. What depends on how a Python starts is to be tested in a fresh one.
"""

import multiprocessing
import os
import runpy
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

IMPORTED = (
    "snakemake.cli",
    "snakemake_executor_plugin_slurm",
    "pandas",
    "pyarrow.parquet",
    "torch",
    "steadyflow.train",
)

_server = multiprocessing.get_context("forkserver")
_server.set_forkserver_preload(list(IMPORTED))


def run(
    arguments: Sequence[object],
    *,
    environment: Mapping[str, str] | None = None,
    directory: Path | None = None,
    one_stream: bool = False,
) -> subprocess.CompletedProcess[str]:
    """What `subprocess.run([sys.executable, *arguments], ...)` gives, of `-m MODULE ...` or `SCRIPT ...`, with
    everything printed in stdout if it is to be one stream."""
    words = list(map(str, arguments))
    with tempfile.TemporaryDirectory() as folder:
        stdout = Path(folder, "stdout")
        stderr = stdout if one_stream else Path(folder, "stderr")
        process = _server.Process(
            target=_program, args=(words, dict(environment or os.environ), directory or Path.cwd(), (stdout, stderr))
        )
        process.start()
        process.join()
        status = process.exitcode
        process.close()
        printed = [file.read_text("utf-8") if file.exists() else "" for file in (stdout, stderr)]
    return subprocess.CompletedProcess([sys.executable, *words], status or 0, *printed)


def _program(words: list[str], environment: dict[str, str], directory: Path, streams: tuple[Path, Path]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(directory)
    for number, file in enumerate(streams, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    if words[0] == "-m":
        sys.argv = words[1:]
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")
