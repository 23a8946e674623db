"""Features and latents whose computation is killed are gone on with: no batch twice, and the same bytes."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.workspace import REPOSITORY, SCRIPTS, Finished, checkpoint, digests, edited

pytestmark = pytest.mark.pipeline

IMAGES = 1797
SIZES = {"embed_images": 128, "encode_latents": 64}
NAMES = {
    "embed_images": {"dataset": "digits", "encoder": "probe"},
    "encode_latents": {"dataset": "digits", "tokenizer": "vqvae"},
}
COUNTED = REPOSITORY / "tests" / "support" / "counted.py"


def run(
    stage: str, names: dict[str, str], study: Path, log: Path, *, processes: int = 1, fatal: int = -1
) -> subprocess.CompletedProcess[str]:
    """As its rule starts it; a state is marked after every batch."""
    launched = [sys.executable]
    if processes > 1:
        launched += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "--"]
    flags = [*(f"--{name}={value}" for name, value in names.items()), "--save-seconds=0", "--device=cpu"]
    if stage == "embed_images":
        flags.append(f"--weights-lock={REPOSITORY / 'resources' / 'weights.lock'}")
    command = [*launched, COUNTED, log, fatal, SCRIPTS / f"{stage}.py", "--study", study, *flags]
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
    finished: Finished, copied: Finished, stage: str, stored: str, processes: int
) -> None:
    files = [copied.target("digits", f"{stored}{suffix}") for suffix in (".npy", ".json")]
    for file in files:
        file.unlink()
    state, logs = checkpoint(copied.path, stage, **NAMES[stage]), copied.directory
    killed = run(stage, NAMES[stage], copied.path, logs / "killed", processes=processes, fatal=4)
    assert killed.returncode != 0 and not any(file.exists() for file in files)
    assert not copied.target("provenance", "digits", f"{stored}.json").exists()
    done = np.load(state.with_suffix(".done.npy")).astype(bool)
    assert len(done) == IMAGES
    # The other process may have done all of its part, or have been stopped.
    assert 4 * SIZES[stage] <= done.sum() < IMAGES
    if processes == 1:
        assert done.sum() == 4 * SIZES[stage]

    last = run(stage, NAMES[stage], copied.path, logs / "last", processes=processes)
    assert last.returncode == 0, last.stderr
    batches = np.split(done, range(SIZES[stage], IMAGES, SIZES[stage]))
    assert sorted(passes(logs / "last")) == sorted(len(batch) for batch in batches if not batch.all())
    for file in files:
        assert file.read_bytes() == finished.target("digits", stored).with_suffix(file.suffix).read_bytes()
    assert list(copied.target("state").rglob("*.npy")) == []
    assert copied.planned("all", study=copied.path) == set()


def test_rows_of_other_images_are_begun_anew_and_these_are_kept(copied: Finished) -> None:
    state = checkpoint(copied.path, "embed_images", **NAMES["embed_images"])
    assert run("embed_images", NAMES["embed_images"], copied.path, copied.directory / "killed", fatal=2).returncode
    before = digests(state.parent)
    study = copied.write(edited(copied.raw, {"datasets/digits/resolution": 24}), "other.yaml")
    copied.run(copied.target("digits", "embeddings", "probe.npy"), study=study)
    assert " 0/15" in copied.target("logs", "digits", "embeddings", "probe.log").read_text("utf-8")
    assert before and digests(state.parent) == before


def test_the_rule_goes_on_with_a_state_that_a_killed_job_left(copied: Finished) -> None:
    """Of a dataset's latents under a name of its own."""
    same = {**copied.raw["tokenizers"]["vqvae"], "label": "another name"}
    edits = {"tokenizers/copied": same, "defaults/runs/tokenizer": "vqvae"}
    study = copied.write(edited(copied.raw, edits), "copied.yaml")
    copied.run(copied.target("digits", "tokenizers", "copied", "weights.safetensors"), study=study)
    names = {"dataset": "digits", "tokenizer": "copied"}
    state = checkpoint(study, "encode_latents", **names)
    assert run("encode_latents", names, study, copied.directory / "log", fatal=9).returncode
    assert state.exists()
    copied.run(copied.target("digits", "latents", "copied.npy"), study=study)
    # The bar does not start at 0.
    log = copied.target("logs", "digits", "latents", "copied.log").read_text("utf-8")
    assert " 9/29" in log and " 0/29" not in log
    assert not state.exists()
    latents = copied.target("digits", "latents")
    assert (latents / "copied.npy").read_bytes() == (latents / "vqvae.npy").read_bytes()
