"""The flow-matching loss of a velocity field on held-out images, over the time t."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from steadyflow.evaluate.estimate import mean_with_interval
from steadyflow.evaluate.metrics import Metric, interval
from steadyflow.flow import interpolate
from steadyflow.ground import noise
from steadyflow.train import Samples

HELD_OUT_LOSS = "held_out_loss"


@torch.no_grad()
def held_out_losses(
    field: nn.Module, samples: Samples, *, bins: int, device: torch.device, seed: int = 0, batch_size: int = 128
) -> np.ndarray:
    """||v(x_t, t) - (x1 - x0)||^2 / d of every sample in each of `bins` equal bins of t: float64 [samples, bins].

    Noise and time depend on (seed, sample, bin) only, so the losses of two fields on the same samples are matched.
    """
    field = field.to(device).eval()
    rows = [_losses(field, samples, some, bins, device, seed) for some in torch.arange(samples.size).split(batch_size)]
    return torch.cat(rows).numpy()


def _losses(field: nn.Module, samples: Samples, rows: Tensor, bins: int, device: torch.device, seed: int) -> Tensor:
    x1, slots = samples.load(rows).to(device), rows.to(device)
    y = None if samples.labels is None else samples.labels[slots]
    losses = []
    for place in range(bins):
        x0 = noise.normal(seed, "validation noise", slots, samples.shape, step=place, device=device)
        u = noise.uniform(seed, "validation time", slots, step=place, device=device)
        point = interpolate(x0, x1, t := (place + u) / bins)
        losses.append((field(point.x_t, t, y).float() - point.u).square().flatten(1).mean(1).cpu().double())
    return torch.stack(losses, dim=1)


def loss_metrics(losses: np.ndarray, fields: Mapping[str, Any]) -> list[Metric]:
    """`held_out_loss`, and `held_out_loss[t]` of each bin by its lower end, of `held_out_losses` [n, bins].

    `fields`: dataset, run, seed and hashes of every metric. Intervals are over images.
    """
    n, bins = losses.shape
    parts = {HELD_OUT_LOSS: losses.mean(axis=1)}
    parts |= {f"{HELD_OUT_LOSS}[{place / bins:g}]": losses[:, place] for place in range(bins)}
    return [
        Metric(
            **fields,
            reference="",
            metric=name,
            encoder="latent",
            protocol=f"flow-matching loss on {n} held-out images, one noise and time each in {bins} bins of t",
            n=n,
            sd=float(values.std(ddof=1)),
            **interval(mean_with_interval(values)),
        )
        for name, values in parts.items()
    ]
