"""Difficulty scores of training samples under a surrogate velocity model: loss and squared gradient norm.

    s_i = 1/T sum_k 1/M sum_m v_i(t_k, x0^(m)) / mu(t_k)

v is measured at the same T timesteps and M noises for every sample. mu(t_k) is its mean over the WHOLE dataset, from a
second pass: a running mean would bias the scores of the first samples.
"""

import math
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from steadyflow.flow import interpolate
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.noise import normal

Velocity = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Measure = Callable[[Tensor, Tensor, Tensor, Tensor | None], Sequence[Tensor]]


def shared_points(seed: int, timesteps: int, noises: int, shape: Sequence[int]) -> tuple[Tensor, Tensor]:
    """The times t_k = k/(T+1), k = 1..T, float32 [T], and noises x0, float32 [M, *shape], for all samples."""
    t = torch.arange(1, timesteps + 1) / (timesteps + 1)
    return t, normal(seed, "score noise", range(noises), shape)


def sample_losses(model: Velocity, x1: Tensor, x0: Tensor, t: Tensor, y: Tensor | None = None) -> Tensor:
    """Flow-matching loss of each row, [B] (eq. 1): the mean over elements of (velocity(x_t, t, y) - (x1 - x0))^2.

    `x1` and `x0` are [B, C, h, w], `t` [B] in [0, 1], `y` [B] or None; each row is one (sample, t, noise).
    `model` has to be in evaluation mode.
    """
    point = interpolate(x0, x1, t)
    return (model(point.x_t, t, y) - point.u).square().flatten(1).mean(1)


def measure_samples(
    values: np.ndarray,
    measure: Measure,
    latents: Callable[[Tensor], Tensor],
    t: Tensor,
    x0: Tensor,
    labels: Tensor | None = None,
    *,
    batches: Iterable[slice],
) -> None:
    """Fills `values`, float64 [K, n, T, M], with K measures v_i(t_k, x0^(m)) of every sample.

    `measure(x1, x0, t, y)` returns K tensors [B], such as `(sample_losses(model, x1, x0, t, y),)`. `latents` maps rows,
    int64 [b] on the CPU, to data float32 [b, C, h, w] on the device of the computation. `t` [T], `x0` [M, C, h, w] and
    `labels` [n] are as in `sample_losses`. `batches` are slices of the n T M triples (sample, t, noise), such as
    `missing_batches` of a resumable table; their size affects rounding only.
    """
    flat = values.reshape(len(values), -1)
    with torch.no_grad():
        for batch in batches:
            triple = torch.arange(batch.start, batch.stop)
            row, k, m = triple // (len(t) * len(x0)), triple // len(x0) % len(t), triple % len(x0)
            first, last = int(row[0]), int(row[-1])
            x1 = latents(torch.arange(first, last + 1))
            x1 = x1[(row - first).to(x1.device)]
            y = None if labels is None else labels[row].to(x1.device)
            measured = torch.stack(list(measure(x1, x0[m].to(x1), t[k].to(x1), y)))
            flat[:, batch] = measured.cpu().double().numpy()


def normalise(values: np.ndarray) -> np.ndarray:
    """Scores s_i, float64 [n] with mean 1, from the values [n, T, M] of one measure.

    mu(t_k) is summed exactly, so scores do not depend on the order of samples. Raises UserError if a mu(t_k) is not
    finite and positive.
    """
    n, timesteps, noises = values.shape
    mean = np.array([math.fsum(values[:, k].ravel()) / (n * noises) for k in range(timesteps)])
    bad = np.flatnonzero(~(np.isfinite(mean) & (mean > 0)))
    if bad.size:
        raise UserError(f"the mean score at timestep {bad[0]} is {mean[bad[0]]}; train the surrogate model again")
    return (values / mean[:, None]).mean(axis=(1, 2))
