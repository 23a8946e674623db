"""Features and latents whose computation is killed are gone on with: no batch twice, and the same bytes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.workspace import REPOSITORY, SCRIPTS, Finished, digests, edited

from steadyflow.ground.artifacts import read_json, write_json
from steadyflow.study import load_study, paths

pytestmark = pytest.mark.pipeline

IMAGES = 1797
SIZES = {"embed_images": 128, "encode_latents": 64}
COUNTED = REPOSITORY / "tests" / "support" / "counted.py"


def flags(finished: Finished, stage: str, dataset: Path | None = None) -> list[object]:
    """As its rule has them; a state is marked after every batch."""
    root = finished.target("digits")
    given = ["--dataset", dataset or root, "--save-seconds", 0, "--device", "cpu"]
    if stage == "encode_latents":
        return [*given, "--tokenizer", root / "tokenizers" / "vqvae"]
    probe = [root / "encoders" / "probe" / name for name in ("weights.safetensors", "config.json")]
    lock = REPOSITORY / "resources" / "weights.lock"
    return [*given, "--study", finished.path, "--encoder", "probe", "--encoder-files", *probe, "--weights-lock", lock]


def run(
    stage: str, arguments: list[object], log: Path, *, processes: int = 1, fatal: int = -1
) -> subprocess.CompletedProcess[str]:
    launched = [sys.executable]
    if processes > 1:
        launched += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "--"]
    command = [*launched, COUNTED, log, fatal, SCRIPTS / f"{stage}.py", *arguments]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)


def passes(log: Path) -> list[int]:
    """The rows of every batch that any process computed."""
    files = sorted(log.parent.glob(f"{log.name}-*"))
    return [int(line) for file in files for line in file.read_text("utf-8").splitlines()]


@pytest.mark.parametrize("processes", [1, 2])
@pytest.mark.parametrize(
    ("stage", "stored"), [("embed_images", "embeddings/probe"), ("encode_latents", "latents/vqvae")]
)
def test_a_kill_loses_no_finished_batch_and_changes_no_byte(
    finished: Finished, tmp_path: Path, stage: str, stored: str, processes: int
) -> None:
    state, output = tmp_path / "state" / "rows.npy", tmp_path / "results" / "rows.npy"
    arguments = [*flags(finished, stage), "--state", state, "--output", output]
    killed = run(stage, arguments, tmp_path / "killed", processes=processes, fatal=4)
    assert killed.returncode != 0 and not output.exists()
    done = np.load(state.with_suffix(".done.npy")).astype(bool)
    assert len(done) == IMAGES
    # The other process may have done all of its part, or have been stopped.
    assert 4 * SIZES[stage] <= done.sum() < IMAGES
    if processes == 1:
        assert done.sum() == 4 * SIZES[stage]

    last = run(stage, arguments, tmp_path / "last", processes=processes)
    assert last.returncode == 0, last.stderr
    batches = np.split(done, range(SIZES[stage], IMAGES, SIZES[stage]))
    assert sorted(passes(tmp_path / "last")) == sorted(len(batch) for batch in batches if not batch.all())
    for suffix in (".npy", ".json"):
        assert output.with_suffix(suffix).read_bytes() == finished.target("digits", f"{stored}{suffix}").read_bytes()
    assert list(state.parent.iterdir()) == []


def test_rows_of_other_images_are_refused_and_kept(finished: Finished, tmp_path: Path) -> None:
    state, output = tmp_path / "state" / "rows.npy", tmp_path / "rows.npy"
    written = ["--state", state, "--output", output]
    assert run("embed_images", [*flags(finished, "embed_images"), *written], tmp_path / "killed", fatal=2).returncode
    other, before = tmp_path / "other", digests(state.parent)
    other.mkdir()
    for name in ("manifest.parquet", "images"):
        (other / name).symlink_to(finished.target("digits", name))
    info = read_json(finished.target("digits", "dataset.json"))
    write_json(other / "dataset.json", {**info, "content_hash": "0123456789abcdef"})
    done = run("embed_images", [*flags(finished, "embed_images", other), *written], tmp_path / "other.log")
    assert done.returncode == 1 and f"error: {state}: checkpoint of another job" in done.stderr
    assert digests(state.parent) == before and not output.exists() and passes(tmp_path / "other.log") == []


def test_the_rule_goes_on_with_a_state_that_a_killed_job_left(finished: Finished, tmp_path: Path) -> None:
    """Of a dataset's latents under a name of its own."""
    copied = {**finished.raw["tokenizers"]["vqvae"], "label": "another name"}
    edits = {"tokenizers/copied": copied, "defaults/runs/tokenizer": "vqvae"}
    study = finished.write(edited(finished.raw, edits), "copied.yaml")
    tokenizer = finished.target("digits", "tokenizers", "copied")
    finished.run(tokenizer / "weights.safetensors", study=study)
    state = Path(paths.state_file(load_study(study), "latents", "digits", "copied"))
    arguments = [*flags(finished, "encode_latents"), "--tokenizer", tokenizer, "--state", state]
    assert run("encode_latents", [*arguments, "--output", tmp_path / "x.npy"], tmp_path / "log", fatal=9).returncode
    assert state.exists()
    finished.run(finished.target("digits", "latents", "copied.npy"), study=study)
    # The bar does not start at 0.
    log = finished.target("logs", "digits", "latents", "copied.log").read_text("utf-8")
    assert " 9/29" in log and " 0/29" not in log
    assert not state.exists()
    latents = finished.target("digits", "latents")
    assert (latents / "copied.npy").read_bytes() == (latents / "vqvae.npy").read_bytes()
