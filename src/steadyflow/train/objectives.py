"""Objectives of velocity models: functions that bind settings and return (model, batch) -> loss, logged scalars."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadyflow.flow import ALPHAS_CUMPROD, COUPLINGS, Coupling, diffuse, explicit_target, independent, interpolate
from steadyflow.ground import distributed, noise
from steadyflow.ground.artifacts import UserError
from steadyflow.train.engine import Batch, Objective, Validation
from steadyflow.train.samples import Samples


def velocity_objective(
    kind: str, samples: Samples, seed: int, *, label_dropout: float = 0.0, **settings: Any
) -> Objective:
    """The objective of a `kind` in OBJECTIVES; `settings` are the further arguments of its function.

    Raises UserError for an unknown kind.
    """
    if kind not in OBJECTIVES:
        raise UserError(f"unknown objective '{kind}' (known: {', '.join(OBJECTIVES)})")
    return OBJECTIVES[kind](samples, seed, label_dropout=label_dropout, **settings)


def flow_matching(
    samples: Samples, seed: int, *, label_dropout: float = 0.0, coupling: str = "independent"
) -> Objective:
    """Conditional flow matching (eq. 1): MSE between the predicted velocity and u = x1 - x0, at t ~ U[0,1].

    `batch.x` is x1, float32 [B,C,h,w], of `samples`; a label is replaced by "no label" with probability
    `label_dropout`. `coupling`, one of flow.COUPLINGS, pairs noise and data of the whole global batch.
    """
    couple = COUPLINGS[coupling]

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        y = _labels(samples, seed, batch, label_dropout)
        t = noise.uniform(seed, "training time", batch.slots, step=batch.step, device=batch.x.device)
        point = interpolate(_noise(seed, batch, couple), batch.x, t)
        return F.mse_loss(model(point.x_t, t, y).float(), point.u), {}

    return objective


def logit_normal_flow_matching(samples: Samples, seed: int, *, label_dropout: float = 0.0, scale: float) -> Objective:
    """Flow matching (eq. 1) at t = sigmoid(`scale` z), z ~ N(0, 1), instead of t ~ U[0,1] (Esser et al., 2024, eq. 19
    with m = 0). Other arguments as in `flow_matching`."""

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        y = _labels(samples, seed, batch, label_dropout)
        z = noise.normal(seed, "logit-normal time", batch.slots, (), step=batch.step, device=batch.x.device)
        t = torch.sigmoid(scale * z)
        point = interpolate(_noise(seed, batch), batch.x, t)
        return F.mse_loss(model(point.x_t, t, y).float(), point.u), {}

    return objective


def explicit_flow_matching(samples: Samples, seed: int, *, label_dropout: float = 0.0, candidates: int) -> Objective:
    """Flow matching to the closed-form velocity of M = `candidates` samples that include x1 (`flow.explicit_target`).

    The candidates are the global batch and the samples that follow it in the data order (`noise.rows_around_batch`):
    one draw without replacement, in which each x1 is equally likely to be any candidate. For a sample with a label they
    are restricted to those with the same label, about M / classes; without a label, or after label dropout, all are
    used. Other arguments as in `flow_matching`. Raises UserError if there are fewer samples than candidates.
    """
    if candidates > samples.size:
        raise UserError(
            f"candidates: {candidates} are more than the {samples.size} training samples that they are drawn from; "
            f"name {samples.size} at most"
        )

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        x1 = batch.x
        y = _labels(samples, seed, batch, label_dropout)
        t = noise.uniform(seed, "training time", batch.slots, step=batch.step, device=x1.device)
        rows = noise.rows_around_batch(samples.size, batch.size, seed, batch.step, candidates)
        own = (rows == batch.rows.cpu()[:, None]).int().argmax(dim=1).to(x1.device)
        allowed = None
        if samples.labels is not None and y is not None:
            same = y[:, None] == samples.labels[rows.to(samples.labels.device)]
            allowed = same | (y == samples.no_label)[:, None]
        x0 = _noise(seed, batch)
        u = explicit_target(x0, x1, t, samples.load(rows).to(x1.device), own, allowed)
        return F.mse_loss(model(interpolate(x0, x1, t).x_t, t, y).float(), u), {}

    return objective


def denoising(samples: Samples, seed: int, *, label_dropout: float = 0.0, schedule: str, timesteps: int) -> Objective:
    """DDPM (Ho et al., 2020): MSE between the predicted noise and that of x_k, at k ~ U{0..T-1}; the network gets k/T.

    `schedule` is one of flow.ALPHAS_CUMPROD, T = `timesteps`. Other arguments, and the noise, as in `flow_matching`.
    """
    alphas_cumprod = ALPHAS_CUMPROD[schedule](timesteps)

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        y = _labels(samples, seed, batch, label_dropout)
        t = noise.uniform(seed, "training time", batch.slots, step=batch.step, device=batch.x.device)
        k = (t * timesteps).long()
        eps = _noise(seed, batch)
        return F.mse_loss(model(diffuse(batch.x, eps, k, alphas_cumprod), k / timesteps, y).float(), eps), {}

    return objective


OBJECTIVES: dict[str, Callable[..., Objective]] = {
    "flow_matching": flow_matching,
    "logit_normal_flow_matching": logit_normal_flow_matching,
    "explicit_flow_matching": explicit_flow_matching,
    "diffusion": denoising,
}
"""Kind -> function (samples, seed, label_dropout=..., further settings) -> objective."""


def validation_losses(samples: Samples, seed: int, device: torch.device, bins: int = 10) -> Validation:
    """Logs the flow-matching loss of `samples` in each of `bins` equal bins of t, named by the bin's lower end
    (`val_loss_0`, `val_loss_0.1`, ...). Noise and times are the same at every step and for every model."""
    slots = torch.arange(samples.size, device=device)
    x1, y = samples.load(torch.arange(samples.size)).to(device), samples.labels

    @torch.no_grad()
    def measure(model: nn.Module) -> dict[str, float]:
        losses = []
        for place in range(bins):
            x0 = noise.normal(seed, "validation noise", slots, samples.shape, step=place, device=device)
            u = noise.uniform(seed, "validation time", slots, step=place, device=device)
            point = interpolate(x0, x1, t := (place + u) / bins)
            losses.append(F.mse_loss(model(point.x_t, t, y).float(), point.u))
        return {f"val_loss_{place / bins:g}": loss for place, loss in enumerate(torch.stack(losses).tolist())}

    return measure


def _noise(seed: int, batch: Batch, couple: Coupling = independent) -> Tensor:
    """x0 [B, ...] for this process's shard."""

    def drawn(slots: Tensor) -> Tensor:
        shape = batch.x.shape[1:]
        return noise.normal(seed, "training noise", slots, shape, step=batch.step, device=batch.x.device)

    if couple is independent:
        return drawn(batch.slots)
    # Noise is keyed, so every process draws that of the global batch; only data has to be gathered.
    whole = drawn(torch.arange(batch.size, device=batch.x.device))
    return couple(whole, distributed.all_gather(batch.x))[batch.slots]


def _labels(samples: Samples, seed: int, batch: Batch, dropout: float) -> Tensor | None:
    """The batch's labels int64 [B] after label dropout; None if unconditional."""
    if samples.labels is None:
        return None
    dropped = noise.uniform(seed, "label dropout", batch.slots, step=batch.step, device=batch.x.device) < dropout
    return samples.labels[batch.rows].masked_fill(dropped, samples.no_label)
