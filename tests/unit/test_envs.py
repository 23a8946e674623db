"""The files of environments ask for what the project says it needs, and shell scripts are sound."""

import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted([*ROOT.glob("envs/**/*.sh"), *ROOT.glob("workflow/scripts/*.sh")])
# Where conda-forge has another name, and what only a submitting Snakemake needs.
CONDA = {"matplotlib": "matplotlib-base", "torch": "pytorch", "snakemake": "snakemake-minimal"}
NOT_IN_JOBS = {"snakemake-executor-plugin-slurm"}


def test_conda_gets_what_pip_gets():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needed = [re.fullmatch(r"([\w-]+)(>=[\d.]+(?:,<\d+)?)", each).groups() for each in project["dependencies"]]
    environment = yaml.safe_load((ROOT / "envs" / "steadyflow.yaml").read_text(encoding="utf-8"))
    expected = {f"{CONDA.get(name, name)} {least}" for name, least in needed if name not in NOT_IN_JOBS}
    assert set(environment["dependencies"]) == expected | {f"python {project['requires-python']}"}


def test_the_container_is_made_from_the_lock():
    text = (ROOT / "envs" / "steadyflow.def").read_text(encoding="utf-8")
    copied = re.search(r"%files\n((?:    .*\n)+)", text).group(1).split()[::2]
    assert [name for name in copied if not (ROOT / name).is_file()] == []
    assert text.count("--require-hashes") == 2


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_shell_scripts_are_sound(script):
    subprocess.run(["bash", "-n", script], check=True)
    if shutil.which("shellcheck"):
        found = subprocess.run(["shellcheck", "-x", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert found.returncode == 0, found.stdout


def test_every_rule_that_starts_a_stage_may_run_in_each_kind_of_environment():
    for path in (ROOT / "workflow" / "rules").glob("*.smk"):
        rules = path.read_text(encoding="utf-8").split("rule ")[1:] if path.name != "report.smk" else []
        for rule in rules:
            if "shell:" in rule:
                assert '"../../envs/steadyflow.yaml"' in rule and "envmodules:" in rule, rule.splitlines()[0]
