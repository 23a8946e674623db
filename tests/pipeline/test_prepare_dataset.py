"""The dataset stage on what users have: archives, and files that were downloaded."""

import io
import json
import os
import shutil
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.folders import write_photos
from support.workspace import Workspace

from steadyflow.data.images import read_manifest
from steadyflow.ground.artifacts import read_json

pytestmark = pytest.mark.pipeline

HUB = {"source": "huggingface", "repo": "some/faces", "resolution": 16, "val_fraction": 0.3}


def prepare(space: Workspace, spec: dict[str, Any], results: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Into the folder `photos` of the results."""
    raw = {"name": "x", "results": str(results), "downloads": str(space.directory / "downloads")}
    study = space.write({**raw, "datasets": {"photos": spec}})
    return space.script("prepare_dataset", "--dataset=photos", *flags, study=study)


def test_a_zip_gives_what_its_folder_gives(space: Workspace) -> None:
    photos = write_photos(space.directory / "photos", per_class=8)
    archive = shutil.make_archive(str(space.directory / "packed"), "zip", space.directory, "photos")
    infos = []
    for path, output in ((photos, "plain"), (archive, "zipped")):
        spec = {"source": "folder", "path": str(path), "resolution": 16, "val_fraction": 0.3}
        done = prepare(space, spec, space.directory / output, "--threads", "2")
        assert done.returncode == 0, done.stderr
        infos.append(read_json(space.directory / output / "photos" / "dataset.json"))
    plain, zipped = infos
    assert plain.pop("details") != zipped.pop("details")
    assert plain == zipped
    left = {path.name for path in (space.directory / "zipped" / "photos").iterdir()}
    assert left == {"dataset.json", "manifest.parquet", "images"}


def write_download(folder: Path, rows: int = 12) -> Path:
    """A shard and files.json as a download leaves them, and a shard of an earlier revision."""
    (folder / "data").mkdir(parents=True)
    images = []
    for number in range(rows):
        buffer = io.BytesIO()
        Image.new("RGB", (20, 18), (number, 0, 0)).save(buffer, "PNG")
        images.append({"bytes": buffer.getvalue(), "path": None})
    table = pa.table({"image": images, "label": [number % 2 for number in range(rows)]})
    for name in ("train-00000-of-00001", "train-00000-of-00002"):
        pq.write_table(table, folder / "data" / f"{name}.parquet")
    shard = folder / "data" / "train-00000-of-00001.parquet"
    listed = [
        {"path": "data/train-00000-of-00001.parquet", "bytes": shard.stat().st_size, "sha256": "", "split": "train"}
    ]
    (folder / "files.json").write_text(json.dumps({"repo": "some/faces", "commit": "c0ffee", "files": listed}))
    return shard


def test_downloaded_files_are_read_and_their_commit_is_said(space: Workspace) -> None:
    write_download(space.directory / "downloads" / "datasets" / "photos")
    done = prepare(space, HUB, space.directory / "out")
    assert done.returncode == 0, done.stderr
    info = read_json(space.directory / "out" / "photos" / "dataset.json")
    assert info["details"]["downloaded"] == {"repo": "some/faces", "commit": "c0ffee"}
    assert (info["n"], info["classes"]) == (12, ["0", "1"])
    manifest = read_manifest(space.directory / "out" / "photos" / "manifest.parquet")
    assert manifest["key"].tolist() == [f"data/train-00000-of-00001/{row:05d}" for row in range(12)]


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"repo": "other/faces"}, "some/faces, but the study asks for other/faces"),
        ({"revision": "f" * 40}, f"commit c0ffee, but the study asks for commit {'f' * 40}"),
        (
            {"source": "cifar10", "repo": None, "val_fraction": None},
            "some/faces, but the study asks for no dataset of the hub",
        ),
    ],
)
def test_a_download_of_another_dataset_is_one_clear_error(space: Workspace, asked: dict[str, Any], found: str) -> None:
    folder = space.directory / "downloads" / "datasets" / "photos"
    write_download(folder)
    spec = {key: value for key, value in {**HUB, **asked}.items() if value is not None}
    done = prepare(space, spec, space.directory / "out")
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"error: {folder / 'files.json'}: lists files of {found}; rename the dataset")


def test_names_that_are_not_utf8_are_one_clear_error(space: Workspace) -> None:
    photos = write_photos(space.directory / "photos", per_class=2)
    (photos / "round" / "00.png").rename(photos / "round" / os.fsdecode(b"caf\xe9.png"))
    done = prepare(space, {"source": "folder", "path": str(photos), "resolution": 16}, space.directory / "out")
    (message,) = done.stderr.splitlines()
    assert message == f"error: {photos}: the name b'round/caf\\xe9.png' in it is not UTF-8; rename it"


def test_a_damaged_download_is_one_clear_error(space: Workspace) -> None:
    shard = write_download(space.directory / "downloads" / "datasets" / "photos")
    whole = shard.read_bytes()
    shard.write_bytes(whole[: len(whole) // 2])
    done = prepare(space, HUB, space.directory / "out")
    assert done.returncode == 1 and not (space.directory / "out" / "photos" / "dataset.json").exists()
    (message,) = done.stderr.splitlines()
    assert message == (
        f"error: {shard}: has {len(whole) // 2} bytes instead of {len(whole)}; "
        "run `snakemake fetch` again, where there is a network"
    )
    # Of the right size, and yet no Parquet.
    shard.write_bytes(bytes(len(whole)))
    done = prepare(space, HUB, space.directory / "out")
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"error: {shard}: not a complete Parquet file") and message.endswith(
        "`snakemake fetch` again"
    )


def test_a_hostile_archive_is_one_clear_error(space: Workspace) -> None:
    with zipfile.ZipFile(space.directory / "a.zip", "w") as archive:
        archive.writestr("../evil.png", b"evil")
    before = set(space.directory.iterdir())
    spec = {"source": "folder", "path": str(space.directory / "a.zip"), "resolution": 16}
    done = prepare(space, spec, space.directory / "out")
    (message,) = done.stderr.splitlines()
    assert message.startswith(f"error: {space.directory / 'a.zip'}: the member '../evil.png' leads outside the folder")
    new = set(space.directory.iterdir()) - before
    assert {path.name for path in new} <= {"out", "study.yaml"} and not any(
        (space.directory / "out" / "photos").glob("*")
    )
