"""Programs that tests start by a fork: processes like any other."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import warm

pytestmark = pytest.mark.pipeline

PROGRAM = """import os, sys
from beside import WORD
print(WORD, sys.argv[1:], os.environ.get("GIVEN"), os.getcwd(), __name__, flush=True)
print("to stderr", file=sys.stderr)
os.environ["GIVEN"] = "changed"
{end}
"""


@pytest.mark.parametrize(
    ("end", "status"),
    [("", 0), ("sys.exit(75)", 75), ("sys.exit('a message')", 1), ("raise OSError('why')", 1), ("os.abort()", -6)],
)
def test_it_ends_as_in_a_fresh_python(tmp_path: Path, end: str, status: int) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format(end=end), encoding="utf-8")
    (tmp_path / "beside.py").write_text("WORD = 'hello'\n", encoding="utf-8")
    environment = {**os.environ, "GIVEN": "value"}
    forked = warm.run([program, "--flag", "a b"], environment=environment, directory=tmp_path)
    command = [sys.executable, program, "--flag", "a b"]
    fresh = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert forked.returncode == fresh.returncode == status
    assert forked.stdout == fresh.stdout == f"hello ['--flag', 'a b'] value {tmp_path} __main__\n"
    assert forked.stderr.splitlines()[0] == fresh.stderr.splitlines()[0] == "to stderr"
    assert forked.stderr.splitlines()[-1] == fresh.stderr.splitlines()[-1] or status == -6
    assert os.environ.get("GIVEN") is None


def test_a_module_is_run_and_its_output_may_be_one_stream() -> None:
    done = warm.run(["-m", "snakemake", "--version"], one_stream=True)
    assert done.returncode == 0 and done.stdout.strip().startswith("9.")
    refused = warm.run(["-m", "snakemake", "--no-such-flag"], one_stream=True)
    assert refused.returncode == 2 and "unrecognized arguments: --no-such-flag" in refused.stdout
