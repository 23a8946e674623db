"""Profiles: what is planned under them, and the very command lines that SLURM would be given."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from support import warm
from support.workspace import REPOSITORY, long_jobs, long_jobs_of

from steadyflow.ground.constants import PALIGEMMA_FOLDER
from steadyflow.plan import estimate
from steadyflow.plan.provenance import Provenance, write_record
from steadyflow.stages.cost import Cost
from steadyflow.stages.pruning import SELECT_SUBSET
from steadyflow.stages.registry import STAGES
from steadyflow.stages.runs import TRAIN_RUN
from steadyflow.stages.stage import output_files, upstream
from steadyflow.study import Study, load_study, parse_study

pytestmark = pytest.mark.pipeline

PAPER = REPOSITORY / "studies" / "paper.yaml"
STUDY = {
    "name": "submitted",
    "datasets": {"digits": {"source": "digits"}},
    "tokenizers": {"vqvae": {"perceptual": "none", "adversarial": "none", "multipliers": [1, 2]}},
    "subsets": {"half": {"criterion": "random", "pruning_fraction": 0.5}},
    "runs": {"unpruned": {"model": "DiT-XL/2"}},
}
# sbatch notes what it is given, and takes no job; sacctmgr knows the account.
COMMANDS = {
    "sbatch": '#!/bin/sh\nprintf "%s\\0" "$@" >> "$SUBMITTED"\nexit 1\n',
    "sacctmgr": "#!/bin/sh\necho proj\n",
    "sacct": "#!/bin/sh\n",
    "squeue": "#!/bin/sh\n",
    "sinfo": "#!/bin/sh\n",
    "scontrol": "#!/bin/sh\n",
}


def snakemake(
    *arguments: object, profile: str, study: Path, directory: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = ["-m", "snakemake", *map(str, arguments), "--profile"]
    command += [str(REPOSITORY / "profiles" / profile), "--snakefile", str(REPOSITORY / "Snakefile")]
    command += ["--directory", str(directory), "--configfile", str(study)]
    return warm.run(command, environment={**os.environ, **environment}, directory=directory, one_stream=True)


@pytest.fixture
def site(tmp_path: Path) -> dict[str, str]:
    """What a login node of JUWELS has in its environment."""
    return {"SCRATCH": str(tmp_path / "scratch"), "SBATCH_ACCOUNT": "proj"}


@pytest.fixture
def submitted(tmp_path: Path, site: dict[str, str], monkeypatch: pytest.MonkeyPatch):
    """The words behind `sbatch` when the job that makes a file is submitted under a profile."""
    monkeypatch.chdir(tmp_path)
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump(STUDY), encoding="utf-8")
    loaded = load_study(study)
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, script in COMMANDS.items():
        (commands / name).write_text(script, encoding="utf-8")
        (commands / name).chmod(0o755)
    # All that the jobs read is there.
    names = {"dataset": "digits", "run": "unpruned", "subset": "half"}
    asked_for = {TRAIN_RUN.job(names), SELECT_SUBSET.job(names)}
    for job in upstream(loaded, asked_for):
        if job not in asked_for:
            for name, file in output_files(loaded, job).items():
                path = file / "0" if job.stage.outputs[name].endswith("/") else file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch()
            write_record(loaded, job, Provenance(loaded).inputs(job))

    def submit(profile: str, target: str, *arguments: str) -> list[str]:
        note = tmp_path / "submitted"
        note.unlink(missing_ok=True)
        options = ["--retries", "0", "--seconds-between-status-checks", "1", *arguments]
        path = os.pathsep.join([str(commands), *os.get_exec_path()])
        done = snakemake(
            target, *options, profile=profile, study=study, directory=tmp_path, PATH=path, SUBMITTED=str(note), **site
        )
        assert done.returncode != 0 and "Traceback" not in done.stdout, done.stdout
        assert note.exists(), done.stdout
        words = note.read_text(encoding="utf-8").split("\0")
        # Behind --wrap stands the command of the job, not of its submission.
        return [word for word in words if not word.startswith("--wrap") and word]

    return submit


RUN = "results/digits/runs/unpruned/weights.safetensors"
SUBSET = "results/digits/subsets/half.parquet"


def pairs(words: list[str]) -> str:
    return f" {' '.join(words)} "


def cost_of_training(study: Study, dataset: str) -> Cost:
    cost = TRAIN_RUN.cost
    assert cost is not None
    return cost(study, {"dataset": dataset, "run": "unpruned"})


def test_a_training_gets_a_whole_node_of_juwels(submitted) -> None:
    asked = cost_of_training(parse_study(STUDY), "digits")
    assert asked.on_gpus
    words = pairs(submitted("juwels", RUN))
    memory = f"--mem {asked.mem_mb}"
    for option in ("-A proj", "-p booster", "--nodes=1", "--cpus-per-task=48", "--gres=gpu:4", memory):
        assert f" {option} " in words, words
    (minutes,) = re.findall(r" -t (\d+) ", words)
    assert 30 <= int(minutes) <= 24 * 60
    # Any of these beside the GPUs would start a copy of the stage for each.
    for option in ("--ntasks", "--gpus", "--ntasks-per-gpu"):
        assert option not in words, words


def test_a_training_on_two_nodes_calls_srun_itself(submitted) -> None:
    spread = ["nodes=2", "tasks=2", "tasks_per_gpu=0", "mpi=srun", "processes=srun"]
    words = pairs(submitted("juwels", RUN, "--set-resources", *(f"train_run:{each}" for each in spread)))
    for option in ("--nodes=2", "--ntasks=2", "--gres=gpu:4", "--cpus-per-task=48"):
        assert f" {option} " in words, words
    assert "--ntasks-per-gpu" not in words, words


def test_another_cluster_gives_gpus_to_who_needs_them(submitted) -> None:
    words = pairs(submitted("slurm", RUN))
    for option in ("-t 1440", "--nodes=1", "--cpus-per-task=8", "--gres=gpu:1"):
        assert f" {option} " in words, words
    assert "--ntasks" not in words, words
    words = pairs(submitted("slurm", SUBSET))
    for option in ("-t 30", "--nodes=1", "--cpus-per-task=8", "--ntasks=1"):
        assert f" {option} " in words, words
    assert "--gres" not in words, words


def test_every_rule_that_computes_on_gpus_is_given_some() -> None:
    profile = yaml.safe_load((REPOSITORY / "profiles/slurm/config.yaml").read_text(encoding="utf-8"))
    given = {rule for rule, resources in profile["set-resources"].items() if "gres" in resources}
    asked: dict[bool, set[str]] = {True: set(), False: set()}
    for path in [*(REPOSITORY / "studies").glob("*.yaml"), REPOSITORY / "config.yaml"]:
        study = load_study(path)
        for job in estimate.long_jobs(study):
            assert job.stage.cost is not None
            asked[job.stage.cost(study, job.names).on_gpus].add(job.stage.name)
    assert asked[True] <= given <= STAGES.keys()
    assert not asked[False] & given


@pytest.mark.parametrize("missing", ["SCRATCH", "SBATCH_ACCOUNT"])
def test_juwels_says_what_is_not_set(tmp_path: Path, site: dict[str, str], missing: str) -> None:
    done = snakemake(
        "all",
        "--dry-run",
        profile="juwels",
        study=REPOSITORY / "config.yaml",
        directory=tmp_path,
        **{**site, missing: ""},
    )
    assert done.returncode != 0
    assert f"{missing} is not set: run `jutil env activate" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """A folder with the user's own images and empty files in place of the encoders' weights."""
    for needed in ("data/ffhq/images1024x1024", "data/imagenet", f"downloads/weights/{PALIGEMMA_FOLDER}"):
        (tmp_path / needed).mkdir(parents=True)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "downloads" / "weights" / PALIGEMMA_FOLDER / name).touch()
    for name in load_study(PAPER).encoder_weights:
        (tmp_path / "downloads" / "weights" / name).touch()
    return tmp_path


def test_the_papers_are_planned_under_juwels_and_the_estimate_knows_every_job(
    scratch: Path, site: dict[str, str]
) -> None:
    began = time.perf_counter()
    done = snakemake("all", "--dry-run", profile="juwels", study=PAPER, directory=scratch, **site)
    print(f"planned in {time.perf_counter() - began:.1f} seconds")
    assert done.returncode == 0, done.stdout
    study = load_study(PAPER)
    assert long_jobs_of(done.stdout) == long_jobs(study)
    # And each asks for what was worked out.
    (printed,) = re.findall(
        r"^rule train_run:\n(?:    .*\n)*?    wildcards: .*run=unpruned\n    resources: (.*)$", done.stdout, re.M
    )
    asked = dict(part.split("=", 1) for part in printed.split(", "))
    run = cost_of_training(study, "celebahq")
    assert (asked["runtime"], asked["mem_mb"]) == (str(run.minutes()), str(run.mem_mb))
    assert (asked["gres"], asked["processes"]) == ("gpu:4", "auto")


def test_an_estimate_is_printed_and_nothing_is_submitted(scratch: Path, site: dict[str, str]) -> None:
    """Before any download, and without torch: importing it takes longer than all of this."""
    done = snakemake("estimate", profile="juwels", study=PAPER, directory=scratch, **site)
    assert done.returncode == 0, done.stdout
    (table,) = re.findall(r"^ESTIMATE.*\n((?:.*\n)+?)A training under way", done.stdout, re.M)
    rows = {line.split("  ")[0]: line.split()[-7:] for line in table.splitlines()[1:]}
    # 200 trainings and 159 null models.
    assert [cell.replace(",", "") for cell in rows["train_run"][:2]] == ["359", "359"]
    stages = [float(cells[2].replace(",", "")) for stage, cells in rows.items() if stage != "in all"]
    assert float(rows["in all"][2].replace(",", "")) == pytest.approx(sum(stages), abs=0.1 * len(stages))
    script = REPOSITORY / "workflow" / "scripts" / "print_estimate.py"
    code = f"import sys, runpy; sys.argv = ['estimate', '--study', {str(PAPER)!r}]; "
    code += f"runpy.run_path({str(script)!r}, run_name='__main__'); "
    code += "print('heavy', sorted({'torch', 'pandas', 'scipy.stats'} & set(sys.modules)))"
    alone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=scratch)
    assert alone.stdout.splitlines()[-1] == "heavy []"
    assert table.splitlines()[1:] == alone.stdout.splitlines()[2 : 2 + len(rows)]
