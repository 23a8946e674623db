import io
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from steadyflow.data import huggingface as module
from steadyflow.data.huggingface import huggingface
from steadyflow.ground.artifacts import UserError


def pixels(number):
    return np.random.default_rng(number).integers(0, 256, (4, 6, 3), dtype=np.uint8)


def png(number, mode="RGB"):
    buffer = io.BytesIO()
    Image.fromarray(pixels(number)).convert(mode).save(buffer, "PNG")
    return buffer.getvalue()


def write(path, images, labels=None, *, struct=True, names=None, label_type=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    images = [{"bytes": image, "path": None} for image in images] if struct else images
    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())]) if struct else pa.binary()
    columns = {"noise": pa.array(range(len(images))), "image": pa.array(images, kind)}
    if labels is not None:
        columns["label"] = pa.array(labels, label_type)
    table = pa.table(columns)
    if names:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        table = table.replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    pq.write_table(table, path, row_group_size=2)


def test_what_the_datasets_library_writes(tmp_path):
    datasets = pytest.importorskip("datasets")
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["female", "male"])})
    images = [Image.fromarray(pixels(i)).convert("L" if i == 3 else "RGB") for i in range(9)]
    written = datasets.Dataset.from_dict({"image": images, "label": [i % 2 for i in range(9)]}, features=features)
    for shard in range(2):
        written.shard(2, shard, contiguous=True).to_parquet(tmp_path / "data" / f"train-0000{shard}-of-00002.parquet")
    source = huggingface(tmp_path)
    records = list(source.records)
    back = datasets.Dataset.from_parquet(
        [str(path) for path in sorted((tmp_path / "data").iterdir())], cache_dir=str(tmp_path / "cache")
    )
    assert source.classes == back.features["label"].names == ["female", "male"]
    assert source.count == len(records) == len(back) == 9
    for record, row in zip(records, back, strict=True):
        np.testing.assert_array_equal(record.load(), np.asarray(row["image"].convert("RGB")))
        assert record.label == row["label"]
    assert records[0].key == "data/train-00000-of-00002/00000" and records[-1].key == "data/train-00001-of-00002/00003"
    assert {record.split for record in records} == {None}


@pytest.mark.parametrize("struct", [True, False])
def test_shards_come_in_order_and_splits_are_their_own(tmp_path, monkeypatch, struct):
    monkeypatch.setattr(module, "BATCH_SIZE", 2)
    write(tmp_path / "data" / "train-00001.parquet", [png(3), png(4)], [0, 4], struct=struct)
    write(tmp_path / "data" / "train-00000.parquet", [png(0), png(1), png(2)], [2, None, -1], struct=struct)
    write(tmp_path / "data" / "validation-0.parquet", [png(5)], [3], struct=struct)
    source = huggingface(tmp_path, val="data/val*.parquet")
    records = list(source.records)
    assert [(record.key, record.label, record.split) for record in records] == [
        ("data/train-00000/00000", 2, "train"),
        ("data/train-00000/00001", -1, "train"),
        ("data/train-00000/00002", -1, "train"),
        ("data/train-00001/00000", 0, "train"),
        ("data/train-00001/00001", 4, "train"),
        ("data/validation-0/00000", 3, "val"),
    ]
    # No names in the metadata: the numbers up to the largest.
    assert source.classes == ["0", "1", "2", "3", "4"] and source.count == 6
    for number, record in enumerate(records):
        np.testing.assert_array_equal(record.load(), pixels(number))


def test_all_labels_may_be_the_first_class(tmp_path):
    write(tmp_path / "train.parquet", [png(0)], [0])
    assert huggingface(tmp_path, "train.parquet").classes == ["0"]


def test_labels_may_be_absent(tmp_path):
    write(tmp_path / "train.parquet", [png(0)])
    source = huggingface(tmp_path, "train.parquet", label_column=None)
    assert source.classes is None and [record.label for record in source.records] == [-1]
    with pytest.raises(UserError, match=r"train\.parquet: no column `label` \(it has noise, image\)"):
        huggingface(tmp_path, "train.parquet")


def test_only_listed_files_are_read(tmp_path):
    for shard in ("train-0-of-1", "train-0-of-2", "train-1-of-2"):
        write(tmp_path / "data" / f"{shard}.parquet", [png(0)], [0])
    listed = {f"data/train-{i}-of-2.parquet" for i in range(2)}
    records = huggingface(tmp_path, listed=listed).records
    assert [record.key for record in records] == ["data/train-0-of-2/00000", "data/train-1-of-2/00000"]


def test_rows_without_an_image_are_named_when_loaded(tmp_path):
    write(tmp_path / "train.parquet", [None, b"", b"no image", png(3)], [0, 0, 0, 0])
    records = list(huggingface(tmp_path, "train.parquet").records)
    for row, (record, message) in enumerate(zip(records, ["no image in it"] * 2 + ["cannot be decoded"], strict=False)):
        with pytest.raises(UserError, match=rf"train\.parquet, row {row}: {message}"):
            record.load()
    np.testing.assert_array_equal(records[3].load(), pixels(3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"labels": [0.5, 1.0]}, r"column `label` holds double, expected whole numbers"),
        ({"labels": ["a", "b"]}, r"column `label` holds string, expected whole numbers"),
        ({"labels": [None, -1], "label_type": pa.int64()}, "no label in the column `label`; set `label_column: null`"),
    ],
)
def test_columns_of_other_types_are_named(tmp_path, arguments, message):
    write(tmp_path / "train.parquet", [png(0), png(1)], **arguments)
    with pytest.raises(UserError, match=message):
        huggingface(tmp_path, "train.parquet")


def test_an_image_column_of_another_type_is_named(tmp_path):
    write(tmp_path / "train.parquet", [png(0)], [0])
    with pytest.raises(UserError, match="column `noise` holds int64, expected encoded images"):
        huggingface(tmp_path, "train.parquet", image_column="noise")


def test_a_label_beyond_the_class_names_is_named(tmp_path):
    write(tmp_path / "train.parquet", [png(0), png(1)], [1, 2], names=["a", "b"])
    with pytest.raises(UserError, match=r"train\.parquet, row 1: label 2, but there are 2 classes"):
        list(huggingface(tmp_path, "train.parquet").records)


def test_shards_with_other_class_names_are_named(tmp_path):
    write(tmp_path / "train-0.parquet", [png(0)], [1], names=["a", "b"])
    write(tmp_path / "train-1.parquet", [png(1)], [1], names=["b", "a"])
    with pytest.raises(UserError, match=r"train-1\.parquet: other class names than in .*train-0\.parquet"):
        huggingface(tmp_path, "train-*.parquet")


def test_a_broken_shard_is_named_before_any_image_is_read(tmp_path):
    for number in range(2):
        write(tmp_path / f"train-{number}.parquet", [png(i) for i in range(8)], [0] * 8)
    path = tmp_path / "train-1.parquet"
    content = path.read_bytes()
    for broken in (
        content[: len(content) // 2],
        b"",
        b"<html>a login page</html>",
        content[:-8] + b"\xff\xff\xff\x7fPAR1",
    ):
        path.write_bytes(broken)
        with pytest.raises(UserError, match=r"train-1\.parquet: not a complete Parquet file .*`snakemake fetch`"):
            huggingface(tmp_path, "train-*.parquet")


def test_a_shard_broken_in_its_middle_is_named(tmp_path):
    path = tmp_path / "train.parquet"
    write(path, [png(i) for i in range(8)], [0] * 8)
    content = bytearray(path.read_bytes())
    # The images' pages; the labels are read before the first record.
    start = pq.ParquetFile(path).metadata.row_group(1).column(1).data_page_offset
    content[start : start + 40] = b"\xff" * 40
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"train\.parquet: not a complete Parquet file"):
        list(huggingface(tmp_path, "train.parquet").records)


def test_patterns_that_match_nothing_or_twice_are_named(tmp_path):
    write(tmp_path / "train.parquet", [png(0)], [0])
    with pytest.raises(UserError, match=r"no file matches data/train-\*\.parquet"):
        huggingface(tmp_path)
    with pytest.raises(UserError, match="match the same files"):
        huggingface(tmp_path, "*.parquet", "train.parquet")
