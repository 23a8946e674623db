"""The Gaussian flow of training latents as a field of a run."""

import numpy as np
import pytest
import torch

import steadyflow.fields.gaussian as module
from steadyflow.fields import GaussianField, fit_gaussian, load_field
from steadyflow.flow import gaussian_velocity
from steadyflow.ground.artifacts import UserError, write_weights
from steadyflow.train import Samples

SHAPE = (2, 3, 3)
D = 18


def samples(n=200, labels=None, num_classes=None):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(n, *SHAPE, generator=generator) * torch.linspace(0.1, 2, D).view(SHAPE) + 0.5
    if labels is not None:
        x = x + labels.view(-1, 1, 1, 1)
    return Samples(n, SHAPE, lambda rows: x[rows], labels, num_classes), x


def built(fitted):
    field = GaussianField(**fitted.architecture)
    field.load_state_dict(fitted.weights)
    return field


def test_it_is_the_flow_of_the_samples_moments():
    data, x = samples()
    flat = x.flatten(1).double()
    covariance = torch.from_numpy(np.cov(flat.numpy().T, bias=True))
    field, z = built(fit_gaussian(data)), torch.randn(5, *SHAPE, generator=torch.Generator().manual_seed(2))
    t = torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0])
    expected = gaussian_velocity(z.flatten(1).double(), t.double(), flat.mean(0), covariance)
    torch.testing.assert_close(field(z, t).flatten(1).double(), expected, rtol=1e-4, atol=1e-4)


def test_a_repeated_sample_counts_as_often(monkeypatch):
    _, x = samples(40)
    rows = torch.cat([torch.arange(40), torch.arange(10)])
    repeated = Samples(50, SHAPE, lambda which: x[rows[which]])
    expected = np.cov(x[rows].flatten(1).double().numpy().T, bias=True)
    field = built(fit_gaussian(repeated)).gaussian()
    found = field.vectors @ torch.diag(field.values) @ field.vectors.T
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # However many are read at a time.
    monkeypatch.setattr(module, "_CHUNK", 7)
    again = built(fit_gaussian(repeated)).gaussian()
    np.testing.assert_allclose(again.vectors @ torch.diag(again.values) @ again.vectors.T, expected, atol=1e-5)


def test_a_conditional_field_has_the_moments_of_each_label_and_of_all_for_none():
    labels = torch.arange(300) % 3
    data, x = samples(300, labels, 3)
    field = built(fit_gaussian(data))
    z, t = torch.randn(4, *SHAPE, generator=torch.Generator().manual_seed(2)), torch.full((4,), 0.5)
    y = torch.tensor([2, 0, 3, 2])
    found = field(z, t, y).flatten(1)
    for i, label in enumerate(y.tolist()):
        own = x if label == 3 else x[labels == label]
        flat = own.flatten(1).double()
        covariance = torch.from_numpy(np.cov(flat.numpy().T, bias=True))
        values, vectors = torch.linalg.eigh(covariance)
        rank = field.vectors.shape[2]
        cut = torch.cat([values[: D - rank].mean().expand(D - rank), values[D - rank :]])
        covariance = vectors @ torch.diag(cut) @ vectors.T
        expected = gaussian_velocity(z[i : i + 1].flatten(1).double(), 0.5, flat.mean(0), covariance)
        torch.testing.assert_close(found[i : i + 1].double(), expected, rtol=1e-3, atol=1e-3)
    # A sample's velocity does not depend on the others of its batch.
    torch.testing.assert_close(field(z[1:2], t[1:2], y[1:2]).flatten(1), found[1:2])


def test_a_label_of_one_image_has_the_moments_of_all_and_says_so():
    labels = torch.zeros(50, dtype=torch.int64)
    labels[7] = 1
    fitted = fit_gaussian(samples(50, labels, 2)[0])
    assert fitted.notes[0] == "labels with the moments of all data, for want of images: 1"
    field = built(fitted)
    torch.testing.assert_close(field.mean[1], field.mean[2])


def test_a_large_covariance_is_cut(monkeypatch):
    monkeypatch.setattr(module, "_FULL", 8)
    fitted = fit_gaussian(samples()[0])
    assert fitted.architecture["rank"] == 4 and "18 dimensions by 4 eigenvalues" in fitted.notes[0]
    field = built(fitted)
    trace = float(field.values.sum() + field.rest[0] * (D - 4))
    assert trace == pytest.approx(float(samples()[1].flatten(1).var(0, unbiased=False).sum()), rel=1e-4)


def test_it_is_loaded_as_any_run_is(tmp_path):
    fitted = fit_gaussian(samples()[0])
    write_weights(tmp_path / "weights.safetensors", fitted.weights)
    field = load_field(fitted.architecture, tmp_path / "weights.safetensors")
    z, t = torch.randn(2, *SHAPE), torch.tensor([0.3, 0.6])
    assert torch.equal(field(z, t), built(fitted)(z, t))


def test_one_image_has_no_covariance():
    with pytest.raises(UserError, match="at least 2 training images, and there are 1"):
        fit_gaussian(samples(1)[0])
