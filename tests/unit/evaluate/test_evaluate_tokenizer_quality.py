import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm

from steadyflow.encoders.encoder import Encoder, Extractor
from steadyflow.evaluate.tokenizer_quality import (
    SHOWN,
    ImageBatches,
    original_features,
    reconstruction_measures,
    tokenizer_metrics,
)
from steadyflow.models import VQVAE, to_model_range, to_uint8

IDS = np.arange(3, 51)
PICTURES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), dtype=np.uint8)


class Store:
    @staticmethod
    def read(ids):
        return PICTURES[ids]


def means(images):
    """Of each channel and of the upper half: four features."""
    x = torch.from_numpy(images).float()
    return torch.cat([x.mean(dim=(1, 2)), x[:, :4].mean(dim=(1, 2, 3))[:, None]], dim=1)


ENCODER = Encoder("means", "efgh", "none", Extractor("means of channels", 4, means))


@pytest.fixture
def model():
    torch.manual_seed(0)
    architecture = {"width": 8, "multipliers": (1, 2), "blocks": 1, "codebook_size": 16, "latent_channels": 2}
    return VQVAE(image_channels=3, **architecture).eval()


def measured(model, folder, batch_size, ids=IDS):
    images = ImageBatches(Store(), ids, batch_size, torch.device("cpu"))
    with original_features(ENCODER, images, folder / "tokenizers.parquet") as features:
        metrics, shown = tokenizer_metrics(
            model,
            images,
            reconstruction_measures(8, None),
            features,
            weights_hash="abcd",
            encoder="probe",
            fields={"dataset": "faces", "run": "vqvae", "seed": 2},
        )
    return {metric.metric: metric for metric in metrics}, shown


def copies_of(model, ids):
    with torch.no_grad():
        quantised = model.codebook(model.encoder(to_model_range(torch.from_numpy(PICTURES[ids]))))
        return to_uint8(model.decode(quantised.latents)).numpy(), quantised.codes.numpy()


def test_metrics_are_those_of_all_copies_rounded(model, tmp_path):
    found, shown = measured(model, tmp_path, 7)
    copies, codes = copies_of(model, IDS)
    error = np.square(PICTURES[IDS].astype(float) - copies).mean(axis=(1, 2, 3))
    assert found["psnr"].value == pytest.approx((10 * np.log10(255**2 / error)).mean(), rel=1e-5)
    assert found["codes_used"].value == len(np.unique(codes))
    real, copied = (means(images).numpy().astype(float) for images in (PICTURES[IDS], copies))
    covariances = [np.cov(rows, rowvar=False) for rows in (real, copied)]
    distance = np.square(real.mean(0) - copied.mean(0)).sum()
    distance += np.trace(sum(covariances) - 2 * sqrtm(covariances[0] @ covariances[1]).real)
    assert found["rfd"].value == pytest.approx(distance, rel=1e-4)
    assert found["rfd"].hashes == "tokenizer abcd encoder efgh" and found["rfd"].encoder == "probe"
    assert found["psnr"].hashes == "tokenizer abcd" and found["psnr"].encoder == ""
    assert {metric.protocol for metric in found.values()} == {"reconstructions of the 48 validation images"}
    assert "edges" not in found and "lpips" not in found
    np.testing.assert_array_equal(shown, copies[:SHOWN])


def test_the_batch_size_changes_no_number_and_nothing_is_left_behind(model, tmp_path):
    left = tmp_path / ".tokenizers.killed"
    left.mkdir()
    one, other = (measured(model, tmp_path, size)[0] for size in (5, 48))
    assert {name: metric.value for name, metric in one.items()} == pytest.approx(
        {name: metric.value for name, metric in other.items()}, rel=1e-5
    )
    assert not list(tmp_path.iterdir())


def test_few_images_have_a_distance_without_an_interval(model, tmp_path):
    found, _ = measured(model, tmp_path, 8, IDS[:20])
    assert np.isfinite(found["rfd"].value) and np.isnan(found["rfd"].ci_low)


def test_images_too_small_for_a_measure_are_not_given_to_it():
    assert set(reconstruction_measures(5, None)) == {"psnr", "edges", "original_edges"}
    assert set(reconstruction_measures(8, lambda a, b: None)) == {"psnr", "edges", "original_edges", "ssim"}
    assert "lpips" in reconstruction_measures(16, lambda a, b: None)
