import json
import os
import stat

import numpy as np
import pandas as pd
import pytest
import torch

from steadyflow.ground import artifacts
from steadyflow.ground.artifacts import UserError, atomic_directory, atomic_path, spec_hash


class Crash(BaseException):
    """Like a keyboard interrupt: not an Exception."""


@pytest.mark.parametrize("error", [ValueError, Crash])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(error), atomic_path(path) as temporary:
        temporary.write_text("half of the n")
        raise error
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "folder" / "a.parquet"
    artifacts.write_text(path, "old")
    with atomic_path(path) as temporary:
        temporary.write_text("new")
        assert path.read_text() == "old"
        assert (temporary.parent, temporary.suffix) == (path.parent, ".parquet")
    assert path.read_text() == "new"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_is_on_the_disk_before_it_gets_its_name(tmp_path, monkeypatch):
    events = []
    path = tmp_path / "a"
    monkeypatch.setattr(os, "fsync", lambda fd: events.append((os.fstat(fd).st_ino, path.exists())))
    with atomic_path(path) as temporary:
        temporary.write_text("x")
        inode = temporary.stat().st_ino
    assert events[0] == (inode, False)


def test_files_and_folders_have_the_permissions_of_ordinary_ones(tmp_path):
    previous = os.umask(0o027)
    try:
        artifacts.write_text(tmp_path / "a", "x")
        with atomic_directory(tmp_path / "b"):
            pass
    finally:
        os.umask(previous)
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o640
    assert stat.S_IMODE((tmp_path / "b").stat().st_mode) == 0o750


@pytest.mark.parametrize("error", [ValueError, Crash])
def test_a_failed_folder_leaves_the_old_one_and_nothing_else(tmp_path, error):
    path = tmp_path / "images"
    with atomic_directory(path) as temporary:
        (temporary / "old").write_text("old")
    with pytest.raises(error), atomic_directory(path) as temporary:
        (temporary / "new").write_text("half")
        raise error
    assert [file.name for file in path.iterdir()] == ["old"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_new_folder_replaces_the_old_one_as_a_whole(tmp_path):
    path = tmp_path / "images"
    for name in ("old", "new"):
        with atomic_directory(path) as temporary:
            (temporary / name).write_text(name)
    assert [file.name for file in path.iterdir()] == ["new"]
    assert list(tmp_path.iterdir()) == [path]


def test_weights_come_back_bit_for_bit(tmp_path):
    torch.manual_seed(0)
    tensors = {
        "float": torch.randn(3, 4),
        "transposed": torch.randn(3, 4).T,
        "channels last": torch.randn(2, 3, 4, 4).to(memory_format=torch.channels_last),
        "half": torch.randn(5).half(),
        "scalar": torch.tensor(3),
        "with gradient": torch.randn(2, requires_grad=True),
    }
    artifacts.write_weights(tmp_path / "w.safetensors", tensors)
    read = artifacts.read_weights(tmp_path / "w.safetensors")
    assert read.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert read[name].dtype == tensor.dtype and torch.equal(read[name], tensor), name


@pytest.mark.parametrize("kept", [0, 4, 60, -1])
def test_truncated_weights_are_refused_by_name(tmp_path, kept):
    path = tmp_path / "w.safetensors"
    artifacts.write_weights(path, {"x": torch.zeros(100)})
    path.write_bytes(path.read_bytes()[:kept])
    with pytest.raises(UserError, match=r"w\.safetensors: not a complete safetensors file"):
        artifacts.read_weights(path)


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.float16).reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.arange(24, dtype=np.uint8).reshape(2, 3, 4)[:, ::2],
        np.zeros((0, 4), np.float32),
        np.float64(3),
    ],
    ids=["half", "fortran", "strided", "empty", "scalar"],
)
def test_arrays_come_back_as_numpy_reads_them(tmp_path, array):
    path = tmp_path / "a.npy"
    artifacts.write_array(path, array)
    for read in (np.load(path, allow_pickle=False), artifacts.read_array(path) if np.size(array) else np.load(path)):
        assert read.dtype == array.dtype and read.shape == np.shape(array)
        assert np.array_equal(read, array)


def test_arrays_are_never_pickled(tmp_path):
    with pytest.raises(ValueError, match="Object arrays"):
        artifacts.write_array(tmp_path / "a.npy", np.array([{}], dtype=object))
    assert list(tmp_path.iterdir()) == []
    np.save(tmp_path / "b.npy", np.array([{}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError):
        artifacts.read_array(tmp_path / "b.npy")


def test_a_read_array_cannot_be_written_to(tmp_path):
    artifacts.write_array(tmp_path / "a.npy", np.zeros(3))
    with pytest.raises(ValueError, match="read-only"):
        artifacts.read_array(tmp_path / "a.npy")[0] = 1


def test_json_and_parquet_round_trip(tmp_path):
    content = {"name": "é", "values": [1, 2.5, None]}
    artifacts.write_json(tmp_path / "a.json", content)
    assert artifacts.read_json(tmp_path / "a.json") == content
    table = pd.DataFrame({"id": [3, 1], "key": ["a", "b"]}, index=[7, 8])
    artifacts.write_parquet(tmp_path / "a.parquet", table)
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "a.parquet"), table.reset_index(drop=True))


def test_a_spec_hash_depends_on_the_content_and_not_on_the_order_of_keys():
    spec = {"a": 1, "b": {"c": [1, 2], "d": None}}
    assert spec_hash(spec) == spec_hash({"b": {"d": None, "c": [1, 2]}, "a": 1})
    others = [{**spec, "a": 2}, {**spec, "a": "1"}, {"a": 1, "b": {"c": [2, 1], "d": None}}, [spec]]
    assert len({spec_hash(other) for other in [spec, *others]}) == 5
    assert len(spec_hash(spec)) == 16 and int(spec_hash(spec), 16) >= 0


def test_a_file_hash_is_the_beginning_of_sha256(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert artifacts.file_hash(tmp_path / "a") == "ba7816bf8f01cfea"


def test_provenance_names_versions_and_is_json():
    provenance = artifacts.provenance()
    assert {"steadyflow", "torch", "python", "commit"} <= provenance.keys()
    assert json.loads(json.dumps(provenance)) == provenance
