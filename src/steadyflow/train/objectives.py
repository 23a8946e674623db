"""What is trained: each objective binds its settings, and returns `(model, batch) -> loss, followed scalars`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from steadyflow import distributed, noise
from steadyflow.distributed import total
from steadyflow.flow import Coupling, diffuse, explicit_target, independent, interpolate
from steadyflow.models import VQVAE, Probe, hinge, to_model_range
from steadyflow.train.engine import Batch, Objective, Watch

NAN = float("nan")


def flow_matching(
    seed: int,
    labels: Tensor | None = None,
    *,
    no_label: int = 0,
    label_dropout: float = 0.0,
    couple: Coupling = independent,
) -> Objective:
    """Conditional flow matching (eq. 1): MSE of the velocity to u = x1 - x0 at t ~ U[0,1].

    `batch.x` is x1 float32 [B,C,h,w]; `labels` int64 [n], None when unconditional, are replaced by `no_label` with
    probability `label_dropout`. `couple` pairs noise and data of the whole global batch.
    """

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        y = _labels(seed, batch, labels, no_label, label_dropout)
        t = noise.uniform(seed, "training time", batch.slots, step=batch.step, device=batch.x.device)
        point = interpolate(_noise(seed, batch, couple), batch.x, t)
        return F.mse_loss(model(point.x_t, t, y).float(), point.u), {}

    return objective


def explicit_flow_matching(
    seed: int,
    labels: Tensor | None = None,
    *,
    latents: Callable[[Tensor], Tensor],
    samples: int,
    candidates: int,
    no_label: int = 0,
    label_dropout: float = 0.0,
) -> Objective:
    """Flow matching to the closed-form velocity of M = `candidates` samples, x1 among them (`flow.explicit_target`).

    The candidates are the global batch and the M minus its size samples that follow it in the data order of the
    `samples`, one draw without replacement in which each x1 may be any. A row with a label sees those of its label,
    about M / classes; a row whose label is hidden sees all, as does an unconditional one. `latents` maps rows int64
    on the CPU to their data [., C, h, w], as the batch's own were loaded. Other arguments as in `flow_matching`.
    """

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        x1 = batch.x
        y = _labels(seed, batch, labels, no_label, label_dropout)
        t = noise.uniform(seed, "training time", batch.slots, step=batch.step, device=x1.device)
        rows = noise.stream_rows(samples, batch.step * batch.size, candidates, seed)
        allowed = None
        if labels is not None and y is not None:
            allowed = (y[:, None] == labels[rows.to(labels.device)]) | (y == no_label)[:, None]
        x0 = _noise(seed, batch)
        u = explicit_target(x0, x1, t, latents(rows).to(x1.device), batch.slots, allowed)
        return F.mse_loss(model(interpolate(x0, x1, t).x_t, t, y).float(), u), {}

    return objective


def losses_over_time(x1: Tensor, y: Tensor | None, seed: int, bins: int = 10) -> Watch:
    """The flow-matching loss of `x1` [B,C,h,w] (and labels `y`) in each of equal bins of t: `val_loss_0.0`, ..., by the
    bin's beginning. Noise and times are keyed, hence the same at every step and for every model."""
    slots = torch.arange(len(x1), device=x1.device)

    @torch.no_grad()
    def watch(model: nn.Module) -> dict[str, float]:
        losses = []
        for place in range(bins):
            x0 = noise.normal(seed, "validation noise", slots, x1.shape[1:], step=place, device=x1.device)
            u = noise.uniform(seed, "validation time", slots, step=place, device=x1.device)
            point = interpolate(x0, x1, t := (place + u) / bins)
            losses.append(F.mse_loss(model(point.x_t, t, y).float(), point.u))
        return {f"val_loss_{place / bins:g}": loss for place, loss in enumerate(torch.stack(losses).tolist())}

    return watch


def denoising(
    seed: int, labels: Tensor | None = None, *, signal: Tensor, no_label: int = 0, label_dropout: float = 0.0
) -> Objective:
    """DDPM (Ho et al., 2020): MSE of the network to the noise of x_k, at whole k ~ U{0..T-1}, given as k/T.

    `signal` is abar, float64 [T] on the CPU (`flow.SIGNALS`). Other arguments, and the noise, as in `flow_matching`.
    """
    timesteps = len(signal)

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        y = _labels(seed, batch, labels, no_label, label_dropout)
        t = noise.uniform(seed, "training time", batch.slots, step=batch.step, device=batch.x.device)
        k = (t * timesteps).long()
        eps = _noise(seed, batch)
        return F.mse_loss(model(diffuse(batch.x, eps, k, signal), k / timesteps, y).float(), eps), {}

    return objective


def _noise(seed: int, batch: Batch, couple: Coupling = independent) -> Tensor:
    """x0 [B, ...] of this process's slots."""

    def drawn(slots: Tensor) -> Tensor:
        shape = batch.x.shape[1:]
        return noise.normal(seed, "training noise", slots, shape, step=batch.step, device=batch.x.device)

    if couple is independent:
        return drawn(batch.slots)
    # Every process can draw all noise; only data has to be fetched from the others.
    whole = drawn(torch.arange(batch.size, device=batch.x.device))
    return couple(whole, distributed.gathered(batch.x))[batch.slots]


def _labels(seed: int, batch: Batch, labels: Tensor | None, no_label: int, dropout: float) -> Tensor | None:
    """The batch's labels int64 [B], some of them hidden."""
    if labels is None:
        return None
    dropped = noise.uniform(seed, "label dropout", batch.slots, step=batch.step, device=batch.x.device) < dropout
    return labels[batch.rows].masked_fill(dropped, no_label)


@dataclass(frozen=True)
class PerceptualTerm:
    """`distance(a, b)` of images [B,C,H,W] in [-1, 1] -> [B], times `weight`."""

    distance: Callable[[Tensor, Tensor], Tensor]
    weight: float


@dataclass(frozen=True)
class AdversarialTerm:
    """`discriminator` of images in [-1, 1] -> logits, from step `start` on; `weight` of the generator's part."""

    discriminator: nn.Module
    start: int
    weight: float


@dataclass(frozen=True)
class Revival:
    """Every `every` steps, codes not chosen since become encodings of that step's images."""

    every: int
    seed: int


def reconstruction(
    commitment: float,
    *,
    perceptual: PerceptualTerm | None = None,
    adversarial: AdversarialTerm | None = None,
    revival: Revival | None = None,
) -> Objective:
    """The VQ-VAE's loss (taming VQ-GAN): the sum of its terms, each followed under its name.

    `batch.x` is uint8 [B,H,W,C]. Followed too: the number of codes that the global batch uses, of codes revived, and
    the adaptive weight. The discriminator's own loss is one of the terms: it moves the discriminator alone, since it
    sees detached images, and the generator's term moves the tokenizer alone, since it sees a frozen discriminator.
    """

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, VQVAE)
        x = to_model_range(batch.x)
        z = model.encoder(x)
        followed: dict[str, Tensor] = {}
        if revival is not None:
            due = batch.step > 0 and batch.step % revival.every == 0
            followed["codes_revived"] = (
                model.codebook.revive(z, batch.slots, batch.size, revival.seed, batch.step) if due else x.new_zeros(())
            )
        quantised = model.codebook(z)
        followed["codes_used"] = (model.codebook.count(quantised.codes) > 0).sum().float()
        copy = model.decode(quantised.latents).float()
        terms = {"mse": F.mse_loss(copy, x)}
        if perceptual is not None:
            terms["perceptual"] = perceptual.weight * perceptual.distance(copy, x).mean()
        error = torch.stack(list(terms.values())).sum()
        terms["codebook"] = quantised.codebook_loss
        terms["commitment"] = commitment * quantised.commitment_loss
        loss = torch.stack(list(terms.values())).sum()
        if adversarial is not None:
            against, contest = _contest(adversarial, batch, x, copy, error, model.last_layer)
            loss, terms = loss + against, terms | contest
        return loss, {**terms, **followed}

    return objective


def _contest(
    term: AdversarialTerm, batch: Batch, x: Tensor, copy: Tensor, error: Tensor, last_layer: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The generator's term plus the discriminator's loss; both followed, NaN before they start.

    The generator's term is balanced by the gradient of the reconstruction `error` at the decoder's last layer over
    its own there (Esser et al., 2021, eq. 7).
    """
    if batch.step < term.start:
        return x.new_zeros(()), dict.fromkeys(("adversarial", "discriminator", "adaptive_weight"), x.new_tensor(NAN))
    frozen = {name: parameter.detach() for name, parameter in term.discriminator.named_parameters()}
    fooling = -functional_call(term.discriminator, frozen, (copy,)).float().mean()
    of_error, of_fooling = (
        total(torch.autograd.grad(loss * batch.share, last_layer, retain_graph=True)[0]).norm()
        for loss in (error, fooling)
    )
    balance = (of_error / of_fooling.clamp(min=1e-3)).clamp(max=1e4).detach()
    generating = term.weight * balance * fooling
    discriminating = hinge(term.discriminator(x), term.discriminator(copy.detach()))
    followed = {"adversarial": generating, "discriminator": discriminating, "adaptive_weight": balance}
    return generating + discriminating, followed


def classification(codes: Mapping[str, Tensor]) -> Objective:
    """Sum of cross-entropies over attributes; `codes[name]` int64 [n], -1 where unknown. Follows each accuracy.

    `batch.x` is uint8 [B,H,W,C]."""

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Probe)
        logits = model.classify(model(to_model_range(batch.x)))
        target = {name: values[batch.rows] for name, values in codes.items()}
        losses = [F.cross_entropy(logits[name], target[name], ignore_index=-1) for name in codes]
        accuracy = {
            f"accuracy_{name}": (logits[name].argmax(1) == target[name]).float().sum()
            / (target[name] >= 0).float().sum().clamp(min=1)
            for name in codes
        }
        return torch.stack(losses).sum(), accuracy

    return objective
