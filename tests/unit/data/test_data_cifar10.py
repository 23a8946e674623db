import io
import tarfile

import numpy as np
import pytest

from steadyflow.data.cifar10 import cifar10
from steadyflow.data.files import CIFAR10_BATCHES
from steadyflow.ground.artifacts import UserError

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
PER_BATCH = 3


def picture(batch, row):
    return np.random.default_rng([batch, row]).integers(0, 256, (32, 32, 3), dtype=np.uint8)


def files():
    content = {"batches.meta.txt": ("\n".join(NAMES) + "\n\n").encode()}
    for batch, name in enumerate(CIFAR10_BATCHES):
        rows = b""
        for row in range(PER_BATCH):
            red, green, blue = (picture(batch, row)[:, :, channel] for channel in range(3))
            rows += bytes([(batch + row) % 10]) + red.tobytes() + green.tobytes() + blue.tobytes()
        content[f"{name}.bin"] = rows
    return content


def as_files(root, content):
    root.mkdir(parents=True)
    for name, data in content.items():
        (root / name).write_bytes(data)
    return root


def as_archive(root, content):
    root.mkdir()
    with tarfile.open(root / "cifar-10-binary.tar.gz", "w:gz") as tar:
        # The authors' archive is in no order either.
        for name in sorted(content, reverse=True):
            info = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            info.size = len(content[name])
            tar.addfile(info, io.BytesIO(content[name]))
    return root


def check(source):
    records = list(source.records)
    assert source.classes == NAMES and source.count == len(records) == 6 * PER_BATCH
    for record, (batch, row) in zip(records, np.ndindex(6, PER_BATCH), strict=True):
        np.testing.assert_array_equal(record.load(), picture(batch, row))
        assert record.label == (batch + row) % 10
        assert record.split == ("val" if batch == 5 else "train")
    assert (records[4].key, records[-1].key) == ("data_batch_2/00001", "test_batch/00002")


def test_files_their_folder_and_the_archive_give_the_same(tmp_path):
    check(cifar10(as_files(tmp_path / "plain", files())))
    as_files(tmp_path / "nested" / "cifar-10-batches-bin", files())
    check(cifar10(tmp_path / "nested"))
    check(cifar10(as_archive(tmp_path / "packed", files())))


@pytest.mark.parametrize(
    ("name", "damage", "message"),
    [
        ("data_batch_2.bin", lambda content: content[:-1], "9218 bytes, expected a multiple of 3073"),
        ("data_batch_2.bin", lambda content: b"", "0 bytes, expected a multiple"),
        ("test_batch.bin", lambda content: b"\x0b" + content[1:], "holds the label 11, but batches.meta.txt names 10"),
    ],
)
@pytest.mark.parametrize("layout", [as_files, as_archive])
def test_a_broken_file_is_named(tmp_path, name, damage, message, layout):
    content = files()
    content[name] = damage(content[name])
    with pytest.raises(UserError, match=message) as caught:
        cifar10(layout(tmp_path / "cifar", content))
    assert name in str(caught.value)


def test_missing_files_are_named(tmp_path):
    content = files()
    del content["data_batch_3.bin"]
    with pytest.raises(UserError, match=r"data_batch_3\.bin: cannot be read"):
        cifar10(as_files(tmp_path / "plain", content))
    with pytest.raises(UserError, match=r"binary\.tar\.gz: holds no data_batch_3\.bin"):
        cifar10(as_archive(tmp_path / "packed", content))
    with pytest.raises(UserError, match="run `snakemake fetch`"):
        cifar10(tmp_path)


def test_an_archive_cut_short_is_named(tmp_path):
    archive = as_archive(tmp_path / "packed", files()) / "cifar-10-binary.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-5000])
    with pytest.raises(UserError, match=r"binary\.tar\.gz: cannot be read .*delete it"):
        cifar10(archive.parent)


def test_the_python_version_is_not_unpickled(tmp_path):
    marker = tmp_path / "unpickled"
    code = b"cos\nsystem\n(S'touch " + str(marker).encode() + b"'\ntR."
    as_files(tmp_path / "cifar" / "cifar-10-batches-py", {"data_batch_1": code, "batches.meta": code})
    with pytest.raises(UserError, match="binary version"):
        cifar10(tmp_path / "cifar")
    assert not marker.exists()
