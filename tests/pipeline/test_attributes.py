"""A study that asks a vision-language model: here one as small as can be, or none."""

import numpy as np
import pandas as pd
import pytest
from support.folders import write_photos
from support.paligemma_network import write_paligemma
from support.workspace import Workspace, half_written, jobs_of

from steadyflow.ground.artifacts import file_hash, read_json

pytestmark = pytest.mark.pipeline

QUESTION = {"question": "answer en is this one ?", "answers": {"black": ["black", "man"], "other": ["this", "one"]}}
PHOTOS = {"source": "folder", "path": "photos", "resolution": 16, "val_fraction": 0.3, "bad_images": "skip"}
STUDY = {
    "name": "asked",
    "datasets": {"photos": PHOTOS},
    "classifiers": {"vlm": {"kind": "paligemma", "attributes": {"hair": QUESTION}}},
}
FOLDER = "downloads/weights/paligemma-3b-mix-224"


def test_an_absent_model_is_said_before_anything_is_computed(space: Workspace) -> None:
    write_photos(space.directory / "photos", per_class=8)
    study, target = space.write(STUDY), space.target("photos", "attributes", "vlm", "dataset.parquet")
    done = space.snakemake(target, study=study)
    assert done.returncode != 0 and not jobs_of(done.stdout)
    assert f"classifiers.vlm: {FOLDER} does not hold the model google/paligemma-3b-mix-224" in done.stdout
    assert "Gemma Terms of Use" in done.stdout and f"--local-dir {FOLDER}" in done.stdout
    assert not space.results.joinpath("photos").exists()
    # A part of it is as good as nothing, and what needs no classifier is made all the same.
    (space.directory / FOLDER).mkdir(parents=True)
    (space.directory / FOLDER / "config.json").write_text("{}", encoding="utf-8")
    assert "does not hold the model" in space.snakemake(target, "--dry-run", study=study).stdout
    assert space.planned(space.target("photos", "manifest.parquet"), study=study)


def test_images_are_asked_about_by_two_processes(space: Workspace) -> None:
    photos = write_photos(space.directory / "photos", per_class=40)
    (photos / "round" / "broken.png").write_bytes(b"no image")
    write_paligemma(space.directory / FOLDER)
    study, target = space.write(STUDY), space.target("photos", "attributes", "vlm", "dataset.parquet")
    space.run(target, "--set-resources", "classify_images:processes=2", study=study)
    told, said = pd.read_parquet(target), read_json(target.with_suffix(".json"))
    split = pd.read_parquet(space.target("photos", "manifest.parquet"))["split"]
    assert told.dtypes.to_dict() == {"hair": np.int8} and len(told) == len(split) == 81
    assert (told["hair"][split == "skipped"] == -1).all() and (split == "skipped").sum() == 1
    asked = told["hair"][split != "skipped"]
    assert said["values"] == {"hair": ["black", "other"]} and {0, 1} <= set(asked) <= {-1, 0, 1}
    assert (said["images"], said["unknown"]) == (80, {"hair": int((asked == -1).sum())})
    assert said["images_hash"] == read_json(space.target("photos", "dataset.json"))["content_hash"]
    assert said["spec"]["attributes"] == {"hair": QUESTION}
    assert not [path for path in space.target("state").rglob("*") if path.is_file()] and not half_written(space.results)

    # Nothing to do; by one process, the same bytes; another word asks again.
    assert space.planned(target, study=study) == set()
    before = file_hash(target)
    target.unlink()
    space.run(target, study=study)
    assert file_hash(target) == before
    more = {**QUESTION, "answers": {**QUESTION["answers"], "none": ["female"]}}
    edited = {**STUDY, "classifiers": {"vlm": {"kind": "paligemma", "attributes": {"hair": more}}}}
    assert space.planned(target, study=space.write(edited, "edited.yaml")) == {
        "classify_images dataset=photos classifier=vlm"
    }
