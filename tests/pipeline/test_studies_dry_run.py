"""Studies: what they would run, asked from the real Snakefile in an empty folder."""

import subprocess
from pathlib import Path

import pytest
from support import warm
from support.workspace import REPOSITORY, jobs_of, long_jobs, long_jobs_of

from steadyflow.study import load_study

pytestmark = pytest.mark.pipeline

# The study, and the paths in it that its user provides.
STUDIES = {
    "celebahq": (),
    "celebahq_512": (),
    "ffhq": ("data/ffhq/images1024x1024",),
    "imagenet": ("data/imagenet",),
    "cifar10": (),
}


IDX = [f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")]


def without_machine_paths(path: Path, directory: Path) -> Path:
    """The study with its IDX files, which a package of the machine brings, in a folder of the test's own."""
    content = path.read_text("utf-8")
    if "/usr/share/datasets" not in content:
        return path
    for name in IDX:
        (directory / "fashion-mnist").mkdir(exist_ok=True)
        (directory / "fashion-mnist" / name).touch()
    study = directory / path.name
    study.write_text(content.replace("/usr/share/datasets", str(directory)), encoding="utf-8")
    return study


def dry_run(study: Path, directory: Path, target: str = "all") -> subprocess.CompletedProcess[str]:
    command = ["-m", "snakemake", target, "--dry-run", "--directory", str(directory)]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--profile", str(REPOSITORY / "profiles" / "laptop")]
    command += ["--configfile", str(study)]
    return warm.run(command, one_stream=True)


@pytest.mark.parametrize("name", STUDIES)
def test_all_is_planned_once_the_users_files_are_there(name: str, tmp_path: Path) -> None:
    path = REPOSITORY / "studies" / f"{name}.yaml"
    for needed in STUDIES[name]:
        (tmp_path / needed).mkdir(parents=True)
    done = dry_run(path, tmp_path)
    assert done.returncode == 0, done.stdout
    study, jobs = load_study(path), jobs_of(done.stdout)
    assert long_jobs_of(done.stdout) == long_jobs(study)
    (dataset,) = study.evaluations
    # Every run is trained once, and only then is there something to sample.
    assert {job for job in jobs if job.startswith("train_run")} == {
        f"train_run dataset={dataset} run={run}" for run in study.runs
    }
    trained = {job.split()[2] for job in jobs if job.startswith("sample_run")}
    assert trained == {f"run={run}" for run in set(study.runs) - {"surrogate"}}
    fetched = {job for job in jobs if job.startswith("download_")}
    downloaded = {f"download_dataset dataset={name}" for name, spec in study.datasets.items() if spec.downloaded}
    assert fetched == downloaded | {"download_weights weights=vgg16-397923af.pth"}
    assert len(jobs_of(dry_run(path, tmp_path, "fetch").stdout)) == len(fetched) + 1


# The papers' own is planned in test_profiles.py.
OTHERS = [path for path in (REPOSITORY / "studies").glob("*.yaml") if path.stem not in {*STUDIES, "paper"}]


@pytest.mark.parametrize("path", [REPOSITORY / "config.yaml", *sorted(OTHERS)], ids=lambda path: path.stem)
def test_the_estimate_knows_every_job(path: Path, tmp_path: Path) -> None:
    study = without_machine_paths(path, tmp_path)
    done = dry_run(study, tmp_path)
    assert done.returncode == 0, done.stdout
    assert long_jobs_of(done.stdout) == long_jobs(load_study(study))


@pytest.mark.parametrize("name", [name for name, needed in STUDIES.items() if needed])
def test_missing_files_of_the_user_are_named(name: str, tmp_path: Path) -> None:
    done = dry_run(REPOSITORY / "studies" / f"{name}.yaml", tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout, done.stdout
    (needed,) = STUDIES[name]
    assert "Missing input files for rule prepare_dataset:\n" in done.stdout
    assert f"    {needed}\n" in done.stdout, done.stdout


def test_studies_that_share_a_dataset_say_the_same_of_it() -> None:
    """Or each would undo what the other has made in their common folder of results."""
    said: dict[tuple[str, str], object] = {}
    for path in sorted((REPOSITORY / "studies").glob("*.yaml")):
        study = load_study(path)
        for section in ("datasets", "encoders", "tokenizers"):
            for name, spec in getattr(study, section).items():
                assert said.setdefault((section, name), spec) == spec, f"{path}: {section}.{name}"
