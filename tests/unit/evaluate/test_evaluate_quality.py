import numpy as np
import pytest

from steadyflow.evaluate.quality import prepare_reference, quality, read_reference, write_reference
from steadyflow.evaluate.rows import with_features
from steadyflow.ground.artifacts import UserError, file_hash


@pytest.fixture
def features():
    """Of 150 images, some without features."""
    rows = np.random.default_rng(0).normal(size=(150, 6)).astype(np.float32)
    rows[::31] = np.nan
    return rows


VALIDATION = np.arange(20, 150)


def generated(n=80):
    return with_features(np.random.default_rng(1).normal(0.1, 1.1, size=(n, 6)).astype(np.float32))


def test_a_stored_reference_gives_the_bits_of_one_that_was_just_computed(tmp_path, features):
    computed = prepare_reference(with_features(features, VALIDATION))
    write_reference(tmp_path / "pixels.safetensors", computed)
    np.save(tmp_path / "features.npy", features)
    stored = read_reference(
        tmp_path / "pixels.safetensors", np.load(tmp_path / "features.npy", mmap_mode="r", allow_pickle=False)
    )
    np.testing.assert_array_equal(stored.rows.rows, computed.rows.rows)
    assert quality(generated(), stored) == quality(generated(), computed)


def test_its_file_has_the_same_bytes_whenever_it_is_written(tmp_path, features):
    reference = prepare_reference(with_features(features, VALIDATION))
    for name in ("first", "second"):
        write_reference(tmp_path / f"{name}.safetensors", reference)
    assert file_hash(tmp_path / "first.safetensors") == file_hash(tmp_path / "second.safetensors")


def test_no_statistic_of_a_stored_reference_is_computed_again(tmp_path, features, monkeypatch):
    path = tmp_path / "pixels.safetensors"
    write_reference(path, prepare_reference(with_features(features, VALIDATION)))
    for name in ("feature_statistics", "mean_kernel", "manifold_of"):
        monkeypatch.setattr(f"steadyflow.evaluate.quality.{name}", None)
    quality(generated(), read_reference(path, features))


def test_a_reference_of_other_features_or_a_broken_one_is_refused(tmp_path, features):
    path = tmp_path / "pixels.safetensors"
    write_reference(path, prepare_reference(with_features(features, VALIDATION)))
    with pytest.raises(UserError, match=r"pixels\.safetensors: reference of rows up to 149 of features .* not of"):
        read_reference(path, features[:100])
    with pytest.raises(UserError, match=r"not of \(150, 5\)"):
        read_reference(path, features[:, :5])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"pixels\.safetensors: not a complete reference .*run its stage again"):
        read_reference(path, features)
