import itertools
from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from steadyflow.data.synthetic_faces import SHARES, draw_attributes_and_face, synthetic_faces


def test_a_face_depends_on_seed_and_index_alone():
    few, many = (list(itertools.islice(synthetic_faces(count, 3).records, 10)) for count in (10, 100))
    for a, b in zip(few, many, strict=True):
        assert a.key == b.key and a.attributes == b.attributes
        np.testing.assert_array_equal(a.load(), b.load())
    other = next(iter(synthetic_faces(1, 4).records))
    assert not np.array_equal(few[0].load(), other.load())


def test_records_can_be_read_twice():
    source = synthetic_faces(3, 0)
    assert [record.key for record in source.records] == [record.key for record in source.records]
    assert source.count == 3


def test_shape_key_and_attributes():
    source = synthetic_faces(2, 0, resolution=48)
    records = list(source.records)
    assert [record.key for record in records] == ["face-000000", "face-000001"]
    for record in records:
        image = record.load()
        assert image.shape == (48, 48, 3) and image.dtype == np.uint8
        assert all(record.attributes[name] in values for name, values in source.attributes.items())
    assert [len(values) for values in source.attributes.values()] == [2, 4, 3, 8]


def test_no_two_faces_are_alike():
    faces = np.stack([record.load() for record in synthetic_faces(150, 0).records]).reshape(150, -1).astype(np.float32)
    squares = (faces**2).sum(1)
    distance = squares[:, None] + squares[None, :] - 2 * faces @ faces.T
    np.fill_diagonal(distance, np.inf)
    # Root mean square difference per pixel value, out of 255.
    assert np.sqrt(distance.min() / faces.shape[1]) > 8


@pytest.mark.parametrize("name", SHARES)
def test_attributes_have_the_stated_shares(name):
    n = 4000
    drawn = Counter(draw_attributes_and_face(11, i)[0][name] for i in range(n))
    assert sum(SHARES[name].values()) == pytest.approx(1)
    expected = [share * n for share in SHARES[name].values()]
    assert chisquare([drawn[value] for value in SHARES[name]], expected).pvalue > 1e-3


def test_skin_tone_is_seen():
    """The attribute is in the picture: dark skin is darker in the middle of the face than light skin."""
    middle = {"light": [], "dark": []}
    for record in synthetic_faces(150, 1).records:
        middle.get(record.attributes["skin_tone"], []).append(record.load()[28:40, 26:38].mean())
    assert np.mean(middle["light"]) > np.mean(middle["dark"]) + 60
