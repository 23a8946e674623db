"""Environments: stages started in a module or a container, and what installs without a network."""

import os
import shutil
import subprocess
import sys
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest
import yaml
from support.workspace import REPOSITORY

pytestmark = pytest.mark.pipeline

STUDY = {"name": "digits", "datasets": {"digits": {"source": "digits"}}}
MANIFEST = "results/digits/manifest.parquet"
# What Lmod exports into every shell.
MODULE = '() {  printf \'%s\\n\' "$*" >> "$MODULES_LOG"\n}'
# Notes its words, and runs the command that stands behind the image.
APPTAINER = """#!/usr/bin/env bash
[ "$1" = --version ] && echo "apptainer version 1.3.0" && exit
printf '%s\\n' "$@" > "$CONTAINER_LOG"
while [[ "$1" != *.sif ]]; do shift; done
shift
exec "$@"
"""


def made(tmp_path: Path, method: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A dataset prepared with --sdm METHOD."""
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    command = [sys.executable, "-m", "snakemake", MANIFEST, "--sdm", method, "--cores", "1"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--directory", str(tmp_path), "--configfile", str(study)]
    done = subprocess.run(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert (tmp_path / MANIFEST).is_file()
    return done


def test_stages_run_in_the_module_of_the_site(tmp_path: Path) -> None:
    made(tmp_path, "env-modules", **{"BASH_FUNC_module%%": MODULE, "MODULES_LOG": str(tmp_path / "log")})
    assert (tmp_path / "log").read_text(encoding="utf-8").splitlines() == ["purge", "load steadyflow"]


def test_stages_run_in_the_container(tmp_path: Path) -> None:
    image = tmp_path / "downloads" / "steadyflow.sif"
    image.parent.mkdir()
    image.touch()
    commands = tmp_path / "bin"
    commands.mkdir()
    (commands / "apptainer").write_text(APPTAINER, encoding="utf-8")
    (commands / "apptainer").chmod(0o755)
    (commands / "singularity").symlink_to("apptainer")
    path = os.pathsep.join([str(commands), *os.get_exec_path()])
    made(tmp_path, "apptainer", PATH=path, CONTAINER_LOG=str(tmp_path / "log"))
    words = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert words[0] == "exec"
    assert str(image.relative_to(tmp_path)) in words or str(image) in words
    assert any("prepare_dataset.py" in word for word in words)


def test_the_module_file_finds_the_environment(tmp_path: Path) -> None:
    lmod = Path("/etc/profile.d/lmod.sh")
    if not lmod.is_file():
        pytest.skip("Lmod is not installed")
    (tmp_path / "bin").mkdir()
    script = f'source {lmod}; module use {REPOSITORY}/envs/modules; module load steadyflow; echo "$PATH"'
    environment = {**os.environ, "STEADYFLOW_ENVIRONMENT": str(tmp_path)}
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.startswith(f"{tmp_path}/bin:"), done.stderr


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    """A folder with one wheel, and a lock beside it that pins its hash."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    wheel = folder / "needed-1.0-py3-none-any.whl"
    info = "needed-1.0.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("needed.py", "answer = 42\n")
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: needed\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", f"needed.py,,\n{info}/METADATA,,\n{info}/WHEEL,,\n{info}/RECORD,,\n")
    digest = sha256(wheel.read_bytes()).hexdigest()
    (tmp_path / "lock.txt").write_text(f"needed==1.0 --hash=sha256:{digest}\n", encoding="utf-8")
    return folder


def install(tmp_path: Path, wheels: Path) -> subprocess.CompletedProcess[str]:
    """By a copy of the script beside a library as small as can be, whose build needs no setuptools."""
    repository = tmp_path / "repository"
    (repository / "envs").mkdir(parents=True, exist_ok=True)
    shutil.copy(REPOSITORY / "envs" / "install.sh", repository / "envs")
    (repository / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n', encoding="utf-8"
    )
    (repository / "backend.py").write_text(BACKEND, encoding="utf-8")
    environment = {**os.environ, "LOCK": str(tmp_path / "lock.txt"), "PIP_CONFIG_FILE": os.devnull}
    # An index that answers nobody: whoever asks it fails.
    environment |= {"PIP_INDEX_URL": "http://127.0.0.1:9/", "UV_INDEX_URL": "http://127.0.0.1:9/"}
    environment |= {"UV": str(Path(sys.executable).parent / "uv"), "UV_CACHE_DIR": str(tmp_path / "cache")}
    environment.pop("PYTHONPATH", None)
    command = [str(repository / "envs" / "install.sh"), str(tmp_path / "environment"), str(wheels)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


BACKEND = """import zipfile
from pathlib import Path

def build_editable(directory, config_settings=None, metadata_directory=None):
    name, info = "library-0.1-py3-none-any.whl", "library-0.1.dist-info"
    with zipfile.ZipFile(Path(directory) / name, "w") as archive:
        archive.writestr("library.pth", str(Path.cwd()))
        archive.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: library\\nVersion: 0.1\\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        archive.writestr(f"{info}/RECORD", "")
    return name
"""


def test_an_environment_is_installed_from_a_folder_of_wheels(tmp_path: Path, wheels: Path) -> None:
    done = install(tmp_path, wheels)
    assert done.returncode == 0, done.stderr
    code = "import needed; from importlib.metadata import version; print(needed.answer, version('library'))"
    python = tmp_path / "environment" / "bin" / "python"
    assert subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout == "42 0.1\n"


def test_a_wheel_with_another_hash_is_refused(tmp_path: Path, wheels: Path) -> None:
    (tmp_path / "lock.txt").write_text(f"needed==1.0 --hash=sha256:{'0' * 64}\n", encoding="utf-8")
    done = install(tmp_path, wheels)
    assert done.returncode != 0
    assert "Hash mismatch" in done.stderr, done.stderr
