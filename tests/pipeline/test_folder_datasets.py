"""A practitioner's folder of images: which of them may go? And what becomes of a broken one."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.folders import FOLDER_STUDY, write_photos
from support.workspace import Workspace, edited, jobs_of

from steadyflow.ground.artifacts import read_array, read_json

pytestmark = pytest.mark.pipeline

BROKEN = "round/05.png"


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path, set[str]]:
    """`prune` of a sound folder: the workspace, the folder, and the jobs that ran."""
    space = Workspace(tmp_path_factory.mktemp("sound"))
    photos = write_photos(space.directory / "photos")
    study = space.write(edited(FOLDER_STUDY, {"datasets/photos/path": str(photos)}))
    return space, photos, jobs_of(space.run("prune", study=study))


def kept_keys(space: Workspace, subset: str) -> list[str]:
    return space.target("photos", "subsets", f"{subset}.txt").read_text("utf-8").splitlines()


@pytest.mark.parametrize(("subset", "share"), [("cluster_b-0.5", 0.5), ("random-0.3", 0.7)])
def test_prune_writes_the_files_to_keep(pruned: tuple[Workspace, Path, set[str]], subset: str, share: float) -> None:
    space, photos, _ = pruned
    manifest = pd.read_parquet(space.target("photos", "manifest.parquet"))
    train = manifest[manifest["split"] == "train"]
    keys = kept_keys(space, subset)
    assert len(keys) == len(set(keys)) == int(share * len(train) + 0.5)
    assert set(keys) <= set(train["key"])
    assert all((photos / key).is_file() for key in keys)
    table = pd.read_parquet(space.target("photos", "subsets", f"{subset}.parquet"))
    assert manifest["key"].iloc[table["id"]].tolist() == keys


def test_prune_trains_no_velocity_model(pruned: tuple[Workspace, Path, set[str]]) -> None:
    space, _, jobs = pruned
    assert {job.split()[0] for job in jobs} == {
        "prepare_dataset",
        "train_probe",
        "embed_images",
        "cluster_embeddings",
        "select_subset",
        "list_dropped",
        "write_prune_page",
        "compare_subsets",
        "prune",
    }
    assert not space.target("photos", "runs").exists()
    assert not space.target("photos", "tokenizers").exists()


def test_classes_are_the_subfolders(pruned: tuple[Workspace, Path, set[str]]) -> None:
    space, photos, _ = pruned
    info = read_json(space.target("photos", "dataset.json"))
    assert info["classes"] == ["round", "square"]
    assert info["skipped"] == []
    manifest = pd.read_parquet(space.target("photos", "manifest.parquet"))
    assert manifest["key"].tolist() == sorted(path.relative_to(photos).as_posix() for path in photos.rglob("*.png"))
    assert [info["classes"][label] for label in manifest["label"]] == [key.split("/")[0] for key in manifest["key"]]


def test_a_skipped_image_is_listed_and_shifts_no_id(pruned: tuple[Workspace, Path, set[str]], space: Workspace) -> None:
    sound, _, _ = pruned
    photos = write_photos(space.directory / "photos")
    (photos / BROKEN).write_bytes((photos / BROKEN).read_bytes()[:60])
    tokenizer = {"width": 8, "multipliers": [1, 2], "blocks": 1, "codebook_size": 16, "steps": 5, "batch_size": 8}
    edits = {
        "datasets/photos/path": str(photos),
        "datasets/photos/bad_images": "skip",
        "tokenizers/vqvae": {**tokenizer, "codebook_init": "data", "perceptual": "none", "adversarial": "none"},
    }
    latents = space.target("photos", "latents", "vqvae.npy")
    space.run("prune", latents, study=space.write(edited(FOLDER_STUDY, edits)))

    info = read_json(space.target("photos", "dataset.json"))
    (skipped,) = info["skipped"]
    assert skipped["key"] == BROKEN
    assert re.search(rf"{re.escape(BROKEN)}: cannot be decoded", skipped["problem"])
    assert info["counts"]["skipped"] == 1

    manifest = pd.read_parquet(space.target("photos", "manifest.parquet"))
    complete = pd.read_parquet(sound.target("photos", "manifest.parquet"))
    assert manifest["id"].tolist() == list(range(len(manifest)))
    assert manifest["key"].tolist() == complete["key"].tolist()
    broken = manifest["key"] == BROKEN
    assert manifest.loc[broken, "split"].tolist() == ["skipped"]
    assert manifest.loc[~broken].equals(complete.loc[~broken])

    encoded = read_array(latents)
    assert len(encoded) == len(manifest)
    missing = np.isnan(encoded).any(axis=(1, 2, 3))
    assert missing.tolist() == broken.tolist()
    for subset in FOLDER_STUDY["subsets"]:
        keys = kept_keys(space, subset)
        assert keys
        assert BROKEN not in keys
