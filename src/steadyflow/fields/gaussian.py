"""The Gaussian flow of a run's training latents as a field: the null model of what a network can learn from them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from steadyflow.flow import Gaussian, decompose
from steadyflow.ground.artifacts import UserError
from steadyflow.train import Samples

GAUSSIAN = "gaussian"
"""Its name in the architecture of a run.json."""
_FULL = 4096
"""Dimension up to which an unconditional covariance is kept whole; one at 4x64x64 has 2 GB and takes hours to
decompose."""
_NUMBERS = 2**29
"""Most numbers in the eigenvectors of all labels together: 2 GB."""
_CHUNK = 4096


class GaussianField(nn.Module):
    """One `flow.Gaussian` for each label, and a last one of all data for no label; a single one if unconditional.

    Buffers are float32: mean [K, d], vectors [K, d, r], values [K, r], rest [K], with d = channels * size^2 and K the
    number of labels plus 1. Where r < d, `rest` is the variance in the other directions.
    """

    mean: Tensor
    vectors: Tensor
    values: Tensor
    rest: Tensor

    def __init__(self, name: str, latent_channels: int, latent_size: int, num_classes: int | None, rank: int) -> None:
        super().__init__()
        kinds, d = 1 + (num_classes or 0), latent_channels * latent_size**2
        self.register_buffer("mean", torch.zeros(kinds, d))
        self.register_buffer("vectors", torch.zeros(kinds, d, rank))
        self.register_buffer("values", torch.zeros(kinds, rank))
        self.register_buffer("rest", torch.zeros(kinds))

    def gaussian(self, label: int = -1) -> Gaussian:
        """That of a label; by default that of all data."""
        whole = self.vectors.shape[1] == self.vectors.shape[2]
        return Gaussian(self.mean[label], self.vectors[label], self.values[label], None if whole else self.rest[label])

    def forward(self, x: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
        """The velocity at x [B, C, h, w] and t [B], of labels y int64 [B] (None: of all data); like x."""
        flat = x.flatten(1).float()
        if y is None:
            return self.gaussian().velocity(flat, t).view_as(x)
        out = torch.empty_like(flat)
        for label in y.unique().tolist():
            rows = y == label
            out[rows] = self.gaussian(label).velocity(flat[rows], t[rows])
        return out.view_as(x)


@dataclass(frozen=True)
class FittedGaussian:
    """Arguments and weights of a `GaussianField`, and notes on what was approximated, one sentence each."""

    architecture: dict[str, Any]
    weights: dict[str, Tensor]
    notes: list[str]


def fit_gaussian(samples: Samples) -> FittedGaussian:
    """The maximum-likelihood moments of `samples` in float64, with every sample as often as it occurs.

    A covariance of more than 4096 dimensions, or one of several labels, is cut to its largest eigenvalues and the mean
    of the others. A label of fewer than two samples has the moments of all data. Raises UserError if there are fewer
    than two samples.
    """
    if samples.size < 2:
        raise UserError(f"a covariance needs at least 2 training images, and there are {samples.size}")
    channels, side, _ = samples.shape
    d, labels = channels * side**2, samples.num_classes or 0
    rank = d if d <= _FULL and not labels else max(1, min(_FULL // 2, d - 1, _NUMBERS // (d * (labels + 1))))
    architecture: dict[str, Any] = {
        "name": GAUSSIAN,
        "latent_channels": channels,
        "latent_size": side,
        "num_classes": samples.num_classes,
        "rank": rank,
    }
    rows = [*(_of_label(samples, label) for label in range(labels)), torch.arange(samples.size)]
    rare = [label for label, some in enumerate(rows) if len(some) < 2]
    notes = [f"labels with the moments of all data, for want of images: {', '.join(map(str, rare))}"] if rare else []
    if rank < d:
        notes.append(f"covariances of {d} dimensions by {rank} eigenvalues and the mean of the others")
    field = GaussianField(**architecture)
    for kind, some in enumerate(rows):
        found = decompose(*_moments(samples, rows[-1] if kind in rare else some), rank)
        field.mean[kind], field.vectors[kind], field.values[kind] = found.mean, found.vectors, found.values
        if found.rest is not None:
            field.rest[kind] = found.rest
    return FittedGaussian(architecture, field.state_dict(), notes)


def _of_label(samples: Samples, label: int) -> Tensor:
    assert samples.labels is not None
    return torch.arange(samples.size)[samples.labels.cpu() == label]


def _moments(samples: Samples, rows: Tensor) -> tuple[Tensor, Tensor]:
    """Mean [d] and covariance [d, d] of some samples, float64, over their number."""

    def chunks() -> Iterator[Tensor]:
        return (samples.load(some).flatten(1).double() for some in rows.split(_CHUNK))

    mean = torch.stack([chunk.sum(0) for chunk in chunks()]).sum(0) / len(rows)
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64)
    for chunk in chunks():
        centred = chunk - mean
        covariance.addmm_(centred.T, centred)
    return mean, covariance / len(rows)
