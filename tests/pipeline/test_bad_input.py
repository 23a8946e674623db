"""A mistake ends with one clear message that names the key or file, and harms nothing that was computed."""

import ctypes
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from support.folders import FOLDER_STUDY, write_photos
from support.workspace import Finished, Workspace, checkpoint, edited, half_written

from steadyflow.ground.artifacts import read_array

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def computed(finished: Finished) -> dict[str, str]:
    return finished.digests()


@pytest.fixture(autouse=True)
def _harms_nothing(finished: Finished, computed: dict[str, str]) -> Iterator[None]:
    """Every file that there was before this module is the same after each of its tests."""
    yield
    after = finished.digests()
    assert {name: after.get(name) for name in computed} == computed


def refusal(finished: Finished, study: Path, *targets: object) -> str:
    """What a run that has to fail prints."""
    done = finished.snakemake(*targets, study=study)
    assert done.returncode != 0, done.stdout
    assert "Traceback" not in done.stdout, done.stdout
    return done.stdout


def stage_error(finished: Finished, study: Path, target: Path) -> str:
    """The one message of the one stage that fails on the way to `target`, which is not made."""
    printed = refusal(finished, study, target)
    messages = [line for line in printed.splitlines() if line.startswith("error: ")]
    assert len(messages) == 1, printed
    assert not target.exists()
    return messages[0]


@pytest.mark.parametrize(
    ("edits", "message"),
    [
        ({"runs/unpruned/learning_rat": 1e-3}, "runs.unpruned.learning_rat: unknown key"),
        ({"tokenizer": {}}, "tokenizer: unknown key"),
        ({"runs/unpruned/model": "DiT-Q/2"}, "runs.unpruned.model: unknown velocity model 'DiT-Q/2'"),
        (
            {"subsets/cluster_b-0.5/pruning_fraction": 1.0},
            "subsets.cluster_b-0.5.pruning_fraction: 1.0 is not in [0, 1)",
        ),
        ({"runs/unpruned/subset": "half"}, "runs.unpruned.subset: unknown 'half'"),
        ({"runs/unpruned/steps": "many"}, "runs.unpruned.steps: "),
        ({"evaluations/digits/reference": "pruned"}, "evaluations.digits.reference: unknown 'pruned' (known: "),
        ({"samplings/euler/steps": 0}, "samplings.euler.steps: "),
    ],
    ids=lambda value: "" if isinstance(value, str) else next(iter(value)),
)
def test_a_mistake_in_the_study_is_refused_before_any_job(
    finished: Finished, edits: dict[str, Any], message: str
) -> None:
    study = finished.write(edited(finished.raw, edits), "wrong.yaml")
    printed = refusal(finished, study, "all")
    assert printed.count(f"{study}: {message}") == 1, printed
    assert printed.count(str(study)) == 1, printed
    assert "Job stats" not in printed


def test_a_key_that_stands_twice_is_refused(finished: Finished) -> None:
    study = finished.write(finished.raw, "twice.yaml")
    with study.open("a", encoding="utf-8") as file:
        file.write("name: again\n")
    printed = refusal(finished, study, "all")
    assert re.search(rf"{re.escape(str(study))}: line \d+: duplicate key 'name'", printed), printed


def test_a_target_that_the_study_does_not_have(finished: Finished) -> None:
    target = finished.target("digits", "runs", "nobody", "weights.safetensors")
    assert str(target) in refusal(finished, finished.path, target)


def test_pruning_below_one_sample_a_cluster(finished: Finished) -> None:
    edits = {"subsets/few": {"criterion": "cluster_b", "pruning_fraction": 0.995, "clusters": "k10"}}
    study = finished.write(edited(finished.raw, edits), "few.yaml")
    message = stage_error(finished, study, finished.target("digits", "subsets", "few.parquet"))
    assert message.startswith(
        "error: subsets.few: pruning leaves fewer samples (7) than clusters or attribute values need (10"
    )
    assert "pruning_fraction" in message


def test_more_clusters_than_images(finished: Finished) -> None:
    study = finished.write(edited(finished.raw, {"clusterings/k5000": {"k": 5000}}), "k5000.yaml")
    message = stage_error(finished, study, finished.target("digits", "clusters", "k5000.parquet"))
    assert message.startswith("error: clusterings.k5000.k: 5000 clusters cannot be made of")


def test_a_loss_that_is_not_finite(finished: Finished) -> None:
    study = finished.write(edited(finished.raw, {"runs/steep": {"learning_rate": 1e30}}), "steep.yaml")
    target = finished.target("digits", "runs", "steep", "weights.safetensors")
    message = stage_error(finished, study, target)
    assert re.search(r"(loss|gradient) is not finite at step \d+; .*lower learning_rate", message), message


def test_a_state_of_another_training_is_refused(finished: Finished) -> None:
    path = finished.write(edited(finished.raw, {"runs/resumed": {"seed": 7}}), "resumed.yaml")
    state = checkpoint(path, "train_run", dataset="digits", run="resumed")
    state.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"identity": "0123456789abcdef", "step": 3}, state)
    before = state.read_bytes()
    try:
        target = finished.target("digits", "runs", "resumed", "weights.safetensors")
        message = stage_error(finished, path, target)
        assert message.startswith(f"error: {state}: checkpoint of another training (identity 0123456789abcdef")
        assert state.read_bytes() == before
        state.write_bytes(b"not a state at all")
        assert stage_error(finished, path, target).startswith(f"error: {state}: unreadable checkpoint")
    finally:
        state.unlink()


def _truncated(photos: Path) -> str:
    file = photos / "round" / "05.png"
    file.write_bytes(file.read_bytes()[:60])
    return str(file)


def _grey(photos: Path) -> str:
    file = photos / "round" / "06.png"
    Image.fromarray(np.zeros((20, 20), np.uint8)).save(file)
    return f"{file}: mode L, expected RGB"


def _emptied(photos: Path) -> str:
    for file in photos.rglob("*.png"):
        file.unlink()
    return f"{photos}: no images"


@pytest.mark.parametrize("spoil", [_truncated, _grey, _emptied])
def test_a_folder_with_a_fault(finished: Finished, tmp_path: Path, spoil: Any) -> None:
    photos = write_photos(tmp_path / "photos")
    named = spoil(photos)
    study = finished.write(edited(FOLDER_STUDY, {"datasets/photos/path": str(photos)}), "photos.yaml")
    message = stage_error(finished, study, finished.target("photos", "manifest.parquet"))
    assert named in message
    assert not finished.target("photos", "images").exists()


def test_a_folder_that_is_not_there(finished: Finished, tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    study = finished.write(edited(FOLDER_STUDY, {"datasets/photos/path": str(gone)}), "gone.yaml")
    assert str(gone) in refusal(finished, study, finished.target("photos", "manifest.parquet"))


def test_a_csv_that_names_a_missing_file(finished: Finished, tmp_path: Path) -> None:
    photos, table = write_photos(tmp_path / "photos"), tmp_path / "labels.csv"
    keys = sorted(file.relative_to(photos).as_posix() for file in photos.rglob("*.png"))
    table.write_text("file,label\n" + "".join(f"{key},x\n" for key in [*keys, "round/gone.png"]), encoding="utf-8")
    edits = {"datasets/photos/path": str(photos), "datasets/photos/labels_csv": str(table)}
    study = finished.write(edited(FOLDER_STUDY, edits), "csv.yaml")
    message = stage_error(finished, study, finished.target("photos", "manifest.parquet"))
    assert message.startswith(f"error: {table}, line {len(keys) + 2}: round/gone.png is not an image in {photos}")


def test_a_number_that_is_none(finished: Finished) -> None:
    printed = refusal(finished, finished.path, "all", "--config", "save_seconds=often")
    assert "--config save_seconds=often: expected seconds, such as 600" in printed, printed


@pytest.mark.parametrize("device", ["abacus", "0"])
def test_a_device_that_is_not_there(finished: Finished, device: str) -> None:
    study = finished.write(edited(finished.raw, {"runs/elsewhere": {"seed": 9}}), "elsewhere.yaml")
    target = finished.target("digits", "runs", "elsewhere", "weights.safetensors")
    done = finished.snakemake(target, "--config", f"device={device}", study=study)
    assert done.returncode != 0
    assert done.stdout.count(f"error: --device {device}: unknown device") == 1, done.stdout
    assert not target.exists()


libc = ctypes.CDLL(None, use_errno=True)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1 MiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk")
    if libc.mount(b"tmpfs", os.fsencode(disk), b"tmpfs", 0, b"size=1m"):
        pytest.skip(f"mounting a small disk is not allowed here: {os.strerror(ctypes.get_errno())}")
    try:
        yield disk
    finally:
        assert libc.umount2(os.fsencode(disk), 2) == 0, os.strerror(ctypes.get_errno())


def test_a_full_disk(finished: Finished, space: Workspace, small_disk: Path) -> None:
    # Dataset and tokenizer fit; the latents of 1,797 images, 920 kB, do not.
    study = space.write(edited(finished.raw, {"results": str(small_disk), "name": "full"}))
    latents = small_disk / "digits" / "latents" / "vqvae.npy"
    done = space.snakemake(latents, study=study)
    assert done.returncode != 0
    assert "Traceback" not in done.stdout, done.stdout
    assert done.stdout.count("error: the disk is full") == 1, done.stdout
    assert not latents.exists()
    # What was made before is whole, and no half-written file takes up the space.
    weights = small_disk / "digits" / "tokenizers" / "vqvae" / "weights.safetensors"
    assert weights.read_bytes() == finished.target("digits", "tokenizers", "vqvae", weights.name).read_bytes()
    assert half_written(small_disk) == []
    # With some space freed, the same command goes on from there.
    assert libc.mount(b"tmpfs", os.fsencode(small_disk), b"tmpfs", 32, b"size=16m") == 0
    printed = space.run(latents, study=study)
    assert "train_tokenizer" not in printed
    assert np.array_equal(read_array(latents), read_array(finished.target("digits", "latents", "vqvae.npy")))


def test_afterwards_the_study_has_nothing_to_do(finished: Finished) -> None:
    assert finished.planned("all", study=finished.path) == set()
