"""Compute stages need no network: a cluster's compute nodes have none."""

import re
import shutil

import pyarrow as pa
import pyarrow.parquet
import pytest
from support.folders import write_photos
from support.workspace import SCRIPTS, Finished, Workspace, can_leave_network

pytestmark = pytest.mark.pipeline


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """Where the images of a study that names them were prepared: an archive, and Parquet shards in a folder."""
    space = Workspace(tmp_path_factory.mktemp("local"))
    photos = write_photos(space.directory / "photos", per_class=8)
    archive = shutil.make_archive(str(space.directory / "packed"), "zip", photos)
    images = [path.read_bytes() for path in sorted(photos.rglob("*.png"))]
    pa.parquet.write_table(pa.table({"image": images, "label": [0, 1] * 8}), space.directory / "train-0.parquet")
    common = {"resolution": 16, "val_fraction": 0.3}
    shards = {"path": str(space.directory), "repo": "some/photos", "train": "train-*.parquet"}
    datasets = {"zipped": {"source": "folder", "path": archive}, "shards": {"source": "huggingface", **shards}}
    study = space.write({"name": "local", "datasets": {name: {**spec, **common} for name, spec in datasets.items()}})
    manifests = [space.target(name, "manifest.parquet") for name in datasets]
    space.run_alone("fetch", *manifests, study=study)
    assert all(manifest.is_file() for manifest in manifests)
    return space


def entered(space: Workspace) -> list[str]:
    return (space.directory / "sockets.log").read_text("utf-8").splitlines()


def started(space: Workspace) -> list[str]:
    """The scripts that ran, by name, as often as they did."""
    return [name for line in entered(space) if line.startswith("started") for name in re.findall(r"/(\w+)\.py", line)]


def test_every_stage_is_watched(finished: Finished, local: Workspace) -> None:
    # What fetches, and what only prints, are no compute stages.
    stages = {path.stem for path in SCRIPTS.glob("*.py") if not path.stem.startswith(("download_", "print_"))}
    assert stages <= {*started(finished), *started(local)}
    assert started(local).count("prepare_dataset") == 2


def test_no_stage_opens_a_socket(finished: Finished, local: Workspace) -> None:
    lines = [*entered(finished), *entered(local)]
    assert [line for line in lines if not line.startswith("started") and str(SCRIPTS) in line] == []


def test_studies_are_finished_without_a_network(finished: Finished, local: Workspace) -> None:
    """In a network namespace of its own, where there is not even a loopback."""
    if not can_leave_network():
        pytest.skip("needs the right to make a network namespace (root)")
    for space in (finished, local):
        assert (space.directory / "interfaces").read_text("utf-8").split() == ["lo"]
