import json

import numpy as np
import pandas as pd
import pytest

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.listing import read_listing

KEYS = pd.Series(["a/1.png", "a b.png", "7", "é.png"], index=[3, 4, 8, 9])


def written(path, content):
    if isinstance(content, pd.DataFrame):
        content.to_parquet(path)
    else:
        path.write_text(content, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "content", "entries"),
    [
        ("kept.txt", "é.png\na b.png\n7\n", "keys"),
        ("kept.txt", "\ufeffé.png\na b.png\n7\n", "keys"),
        ("kept", "é.png\r\na b.png\r\n\r\n7", "keys"),
        ("kept.json", json.dumps(["é.png", "a b.png", "7"]), "keys"),
        ("kept.parquet", pd.DataFrame({"key": ["é.png", "a b.png", "7"], "id": [0, 0, 0]}), "keys"),
        ("kept.txt", "9\n4\n8\n", "ids"),
        ("kept.json", "[9, 4, 8]", "ids"),
        ("kept.parquet", pd.DataFrame({"id": [9, 4, 8]}), "ids"),
    ],
)
def test_every_kind_of_list(tmp_path, name, content, entries):
    found = read_listing(written(tmp_path / name, content), KEYS, entries)
    assert found.dtype == np.int64
    assert found.tolist() == [9, 4, 8]


def test_multiplicities_of_a_subset_come_back(tmp_path):
    table = pd.DataFrame({"id": [4, 9], "multiplicity": [3, 1]})
    assert read_listing(written(tmp_path / "kept.parquet", table), KEYS, "ids").tolist() == [4, 4, 4, 9]


@pytest.mark.parametrize(
    ("name", "content", "entries", "message"),
    [
        (
            "kept.txt",
            "7\nnobody.png\nnone\n",
            "keys",
            "2 of 3 keys name no training image.*'nobody.png'.*`entries: ids`",
        ),
        ("kept.txt", "3\n5\n", "ids", "1 of 2 ids name no training image.*'5'.*`entries: keys`"),
        ("kept.txt", "7\n7\n", "keys", "duplicate entry '7'"),
        ("kept.txt", "a/1.png\n", "ids", "is no list of ids"),
        ("kept.txt", "\n", "keys", "names no image"),
        ("kept.json", "[7, ", "keys", "cannot be read as json"),
        ("kept.json", '{"a": 1}', "keys", "is no list of keys"),
        ("kept.parquet", pd.DataFrame({"name": ["7"]}), "keys", r"has no column key \(but name\)"),
        ("kept.parquet", "7\n", "keys", "cannot be read as parquet"),
        ("kept.parquet", pd.DataFrame({"id": [4], "multiplicity": [0]}), "ids", "no whole number above 0"),
    ],
)
def test_a_wrong_list_is_refused(tmp_path, name, content, entries, message):
    path = written(tmp_path / name, content)
    with pytest.raises(UserError, match=message) as error:
        read_listing(path, KEYS, entries)
    assert str(path) in str(error.value)


def test_a_missing_list_is_named(tmp_path):
    with pytest.raises(UserError, match=r"none\.txt: cannot be read as txt"):
        read_listing(tmp_path / "none.txt", KEYS, "keys")
