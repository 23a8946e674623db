import numpy as np
import pytest

from steadyflow.evaluate import feature_statistics, frechet_with_interval
from steadyflow.evaluate.quality import prepare_reference, quality, read_reference, write_reference
from steadyflow.evaluate.rows import with_features
from steadyflow.ground.artifacts import UserError, file_hash


@pytest.fixture
def features():
    """Of 150 images, some without features."""
    rows = np.random.default_rng(0).normal(size=(150, 6)).astype(np.float32)
    rows[::31] = np.nan
    return rows


TRAINING, VALIDATION = np.arange(20), np.arange(20, 150)


def prepared(features):
    return prepare_reference(with_features(features, VALIDATION), with_features(features, TRAINING))


def generated(n=80):
    return with_features(np.random.default_rng(1).normal(0.1, 1.1, size=(n, 6)).astype(np.float32))


def test_a_stored_reference_gives_the_bits_of_one_that_was_just_computed(tmp_path, features):
    computed = prepared(features)
    write_reference(tmp_path / "pixels.safetensors", computed)
    np.save(tmp_path / "features.npy", features)
    stored = read_reference(
        tmp_path / "pixels.safetensors", np.load(tmp_path / "features.npy", mmap_mode="r", allow_pickle=False)
    )
    np.testing.assert_array_equal(stored.rows.rows, computed.rows.rows)
    np.testing.assert_array_equal(stored.leaks, computed.leaks)
    assert quality(generated(), stored) == quality(generated(), computed)


def test_its_file_has_the_same_bytes_whenever_it_is_written(tmp_path, features):
    reference = prepared(features)
    for name in ("first", "second"):
        write_reference(tmp_path / f"{name}.safetensors", reference)
    assert file_hash(tmp_path / "first.safetensors") == file_hash(tmp_path / "second.safetensors")


def test_no_statistic_of_a_stored_reference_is_computed_again(tmp_path, features, monkeypatch):
    path = tmp_path / "pixels.safetensors"
    write_reference(path, prepared(features))
    for name in ("feature_statistics", "mean_kernel", "manifold_of"):
        monkeypatch.setattr(f"steadyflow.evaluate.quality.{name}", None)
    quality(generated(), read_reference(path, features))


def test_a_reference_of_other_features_or_a_broken_one_is_refused(tmp_path, features):
    path = tmp_path / "pixels.safetensors"
    write_reference(path, prepared(features))
    with pytest.raises(UserError, match=r"pixels\.safetensors: reference of rows up to 149 of features .* not of"):
        read_reference(path, features[:100])
    with pytest.raises(UserError, match=r"not of \(150, 5\)"):
        read_reference(path, features[:, :5])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(UserError, match=r"pixels\.safetensors: not a complete reference .*run its stage again"):
        read_reference(path, features)


def test_both_references_are_named_and_the_distance_to_each_is_its_own(features):
    found, held_out = quality(generated(), prepared(features)), with_features(features, VALIDATION)
    training = feature_statistics(with_features(features, TRAINING))
    assert found["fd"] == frechet_with_interval(generated(), feature_statistics(held_out))
    assert found["fd_train"] == frechet_with_interval(generated(), training)


def test_a_held_out_image_that_is_a_training_image_is_found(features):
    assert prepared(features).leaks.tolist() == []
    features[100] = features[7] + 1e-5
    features[101] = features[7] + 0.1  # another image, though near
    assert prepared(features).leaks.tolist() == [[100, 7]]
