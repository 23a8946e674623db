"""Studies, working directories and repositories may have spaces in their paths."""

import re
from pathlib import Path

import pytest
from support.tiny import TINY
from support.workspace import REPOSITORY, Workspace

pytestmark = pytest.mark.pipeline


def test_a_study_runs_wherever_it_lies(tmp_path: Path) -> None:
    space = Workspace(tmp_path / "my work")
    space.directory.mkdir()
    # Relative, since the folder of results stands in shell commands.
    study = space.write({**TINY, "results": "results"}, "my study.yaml")
    repository = tmp_path / "a copy"
    repository.symlink_to(REPOSITORY)
    # Through a plain stage, and one that launch.sh starts.
    done = space.snakemake("results/digits/embeddings/probe.npy", study=study, repository=repository)
    assert done.returncode == 0, done.stdout
    assert space.target("digits", "embeddings", "probe.npy").is_file()


def test_no_rule_leaves_a_path_to_the_shell_to_split() -> None:
    for rules in sorted((REPOSITORY / "workflow" / "rules").glob("*.smk")):
        for number, line in enumerate(rules.read_text("utf-8").splitlines(), 1):
            unquoted = re.findall(r"\$[A-Z_]+", re.sub(r'"\$[A-Z_]+(/[\w.]+)?"', "", line))
            assert not unquoted, f"{rules.name}, line {number}: {unquoted}"
