import numpy as np
import pytest
import torch

from steadyflow.data.pictures import Pictures
from steadyflow.encoders.encoder import Encoder, Extractor
from steadyflow.evaluate.embed import embed_pictures

PICTURES = np.random.default_rng(0).integers(1, 256, (9, 2, 2, 3), dtype=np.uint8)
PICTURES[4] = 0


def means(images):
    """NaN for a black image."""
    means = torch.from_numpy(images).float().mean(dim=(1, 2))
    means[means.sum(dim=1) == 0] = torch.nan
    return means


@pytest.mark.parametrize("batch_size", [2, 9])
def test_features_are_by_row_with_nan_where_there_are_none(tmp_path, batch_size):
    encoder = Encoder("means", "efgh", "none", Extractor("means of channels", 3, means))
    usable = np.array([0, 1, 3, 4, 5, 8])
    pictures = Pictures(9, usable, lambda: PICTURES.__getitem__, lambda: "abcd")
    state = tmp_path / "state.npy"
    sidecar = embed_pictures(encoder, pictures, state, batch_size=batch_size, device=torch.device("cpu"), seconds=10.0)
    expected = PICTURES.mean(axis=(1, 2))
    expected[[2, 4, 6, 7]] = np.nan
    np.testing.assert_allclose(np.load(state), expected, rtol=1e-6)
    assert (sidecar["images"], sidecar["without_features"]) == (6, 1)
    norms = np.linalg.norm(expected[[0, 1, 3, 5, 8]], axis=1)
    assert sidecar["l2_norm"]["mean"] == pytest.approx(norms.mean(), rel=1e-6)
    assert (sidecar["encoder_hash"], sidecar["images_hash"]) == ("efgh", "abcd")
