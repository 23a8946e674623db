import numpy as np
import pytest
import torch

from steadyflow.data.latents import Latents, latent_scale
from steadyflow.ground.artifacts import write_array, write_json


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_the_scale_gives_the_given_rows_unit_deviation_about_their_mean(chunk):
    latents = (np.random.default_rng(0).normal(3, 0.2, (50, 4, 2, 2))).astype(np.float16)
    latents[7] = np.nan
    ids = np.array([1, 4, 5, 20, 30, 49])
    expected = 1 / latents[ids].astype(np.float64).std()
    assert latent_scale(latents, ids, chunk) == pytest.approx(expected, rel=1e-9)


def test_latents_are_read_by_id_in_order_and_scaled(tmp_path):
    array = np.random.default_rng(0).normal(size=(6, 4, 3, 2)).astype(np.float16)
    write_array(tmp_path / "v.npy", array)
    write_json(tmp_path / "v.json", {"scale": 2.5})
    latents = Latents(tmp_path / "v.npy")
    ids = np.array([4, 0, 4])
    assert latents.shape == (4, 3, 2)
    assert latents.read(ids).dtype == torch.float32
    assert np.array_equal(latents.read(ids).numpy(), array[ids].astype(np.float32) * np.float32(2.5))
