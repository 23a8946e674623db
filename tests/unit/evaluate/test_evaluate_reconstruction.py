import subprocess
import sys

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve, correlate1d

from steadyflow.evaluate import mean_with_interval
from steadyflow.evaluate.reconstruction import SSIM_SMALLEST, codebook_use, edge_energy, psnr, sharpness, ssim


def pair(channels=3, size=24, noise=20, seed=0):
    rng = np.random.default_rng(seed)
    originals = rng.integers(0, 256, (4, size, size, channels), dtype=np.uint8)
    copies = np.clip(originals + rng.normal(0, noise, originals.shape), 0, 255).astype(np.uint8)
    return originals, copies


def measured(measure, originals, copies):
    return measure(torch.from_numpy(originals), torch.from_numpy(copies)).numpy()


def test_psnr_is_that_of_each_image_and_ends_at_100():
    originals, copies = pair()
    copies[3] = originals[3]
    error = np.square(originals.astype(float) - copies).mean(axis=(1, 2, 3))
    np.testing.assert_allclose(
        measured(psnr, originals, copies)[:3], 20 * np.log10(255) - 10 * np.log10(error[:3]), rtol=1e-5
    )
    assert measured(psnr, originals, copies)[3] == 100
    black = np.zeros((1, 4, 4, 1), np.uint8)
    assert measured(psnr, black, black + np.uint8(255)) == pytest.approx(0, abs=1e-5)
    assert measured(psnr, black, black + np.uint8(10)) == pytest.approx(28.1308, abs=1e-4)


def reference_ssim(a, b):
    """Of one channel, with the constants of the paper."""
    taps = np.exp(-np.square(np.arange(-5, 6)) / (2 * 1.5**2))
    taps /= taps.sum()

    def blurred(x):
        return correlate1d(correlate1d(x, taps, axis=0, mode="mirror"), taps, axis=1, mode="mirror")

    a, b = a.astype(float), b.astype(float)
    mean_a, mean_b = blurred(a), blurred(b)
    var_a, var_b = blurred(a * a) - mean_a**2, blurred(b * b) - mean_b**2
    covariance = blurred(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    top = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    return (top / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))).mean()


@pytest.mark.parametrize(("channels", "size"), [(1, SSIM_SMALLEST), (3, 24)])
def test_ssim_is_the_papers_formula(channels, size):
    originals, copies = pair(channels, size, noise=60)
    expected = [
        np.mean([reference_ssim(a[..., c], b[..., c]) for c in range(channels)])
        for a, b in zip(originals, copies, strict=True)
    ]
    found = measured(ssim, originals, copies)
    np.testing.assert_allclose(found, expected, rtol=1e-3)
    assert np.ptp(found) > 1e-3
    np.testing.assert_allclose(measured(ssim, originals, originals), 1, rtol=1e-5)


def energies(images):
    return edge_energy(torch.from_numpy(images)).double().numpy()


def test_sharpness_is_the_ratio_of_edge_energy():
    originals, _ = pair(channels=1)
    kernel = np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]])

    def energy(images):
        return np.mean([np.square(convolve(i[..., 0].astype(float), kernel)[1:-1, 1:-1]).mean() for i in images])

    blurred = np.stack([convolve(o[..., 0].astype(float), np.ones((3, 3)) / 9) for o in originals])
    blurred = blurred.astype(np.uint8)[..., None]
    found = sharpness(energies(originals), energies(blurred)).mean()
    assert found == pytest.approx(energy(blurred) / energy(originals), rel=1e-5)
    assert found < 0.2
    # Half the contrast is a quarter of the energy; noise adds to it.
    halved = sharpness(energies(originals // 2 * 2), energies(originals // 2)).mean()
    assert halved == pytest.approx(0.25, rel=1e-5)
    assert sharpness(energies(blurred), energies(pair(channels=1, seed=1)[0])).mean() > 2


def test_the_spread_of_sharpness_is_that_of_the_ratio():
    """Against the bootstrap; one original that is nearly flat must not drown the others."""
    rng = np.random.default_rng(0)
    originals = rng.gamma(4, 10, 400)
    copies = originals * rng.uniform(0.4, 0.8, 400)
    originals[7], copies[7] = 1e-9, 1.0
    values = sharpness(originals, copies)
    draws = rng.integers(0, 400, (4000, 400))
    ratios = copies[draws].sum(1) / originals[draws].sum(1)
    assert values.mean() == pytest.approx(copies.sum() / originals.sum())
    assert values.std(ddof=1) / 20 == pytest.approx(ratios.std(), rel=0.1)


def test_codes_count_when_chosen_and_perplexity_is_their_effective_number():
    use = codebook_use(np.array([5, 0, 5, 5, 5, 0]))
    assert use.used == 4
    assert use.perplexity == pytest.approx(4)
    # H = 3/4 ln 4/3 + 1/4 ln 4
    assert codebook_use(np.array([3, 1])).perplexity == pytest.approx((4 / 3) ** 0.75 * 4**0.25)


def test_the_interval_of_a_mean_covers_it_as_often_as_it_says():
    rng = np.random.default_rng(0)
    found = [mean_with_interval(rng.exponential(2, 200)) for _ in range(500)]
    assert mean_with_interval(np.array([1.0, 3.0])).value == 2
    covered = np.mean([estimate.ci_low <= 2 <= estimate.ci_high for estimate in found])
    assert 0.92 < covered < 0.975


def test_the_rest_of_the_package_needs_no_torch():
    code = "import sys, steadyflow.evaluate; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
