"""The tokenizer's training: reconstruction with a perceptual and an adversarial term (taming VQ-GAN)."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from steadyflow.ground.distributed import total
from steadyflow.models import VQVAE, hinge, to_model_range
from steadyflow.train.clock import EVERY_MINUTE, Cadence, Deadline, no_deadline
from steadyflow.train.engine import Batch, Load, Objective, Schedule, Trained, train

# Images whose encodings a codebook may be drawn from, unless it needs more.
FIRST_IMAGES = 64


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
    """The VQ-VAE's loss (taming VQ-GAN): the sum of its terms, each logged under its name.

    `batch.x` is uint8 [B,H,W,C]. Logged too: the number of codes that the global batch uses, of codes revived, and
    the adaptive weight. The discriminator's own loss is one of the terms: it moves the discriminator alone, since it
    sees detached images, and the generator's term moves the tokenizer alone, since it sees a frozen discriminator.
    """

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, VQVAE)
        x = to_model_range(batch.x)
        z = model.encoder(x)
        logged: dict[str, Tensor] = {}
        if revival is not None:
            due = batch.step > 0 and batch.step % revival.every == 0
            logged["codes_revived"] = (
                model.codebook.revive(z, batch.slots, batch.size, revival.seed, batch.step) if due else x.new_zeros(())
            )
        quantised = model.codebook(z)
        logged["codes_used"] = (model.codebook.count(quantised.codes) > 0).sum().float()
        reconstructed = model.decode(quantised.latents).float()
        terms = {"mse": F.mse_loss(reconstructed, x)}
        if perceptual is not None:
            terms["perceptual"] = perceptual.weight * perceptual.distance(reconstructed, x).mean()
        error = torch.stack(list(terms.values())).sum()
        terms["codebook"] = quantised.codebook_loss
        terms["commitment"] = commitment * quantised.commitment_loss
        loss = torch.stack(list(terms.values())).sum()
        if adversarial is not None:
            against, contest = _contest(adversarial, batch, x, reconstructed, error, model.last_layer)
            loss, terms = loss + against, terms | contest
        return loss, {**terms, **logged}

    return objective


def _contest(
    term: AdversarialTerm, batch: Batch, x: Tensor, reconstructed: Tensor, error: Tensor, last_layer: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The generator's term plus the discriminator's loss; both logged, NaN before they start.

    The generator's term is balanced by the gradient of the reconstruction `error` at the decoder's last layer over
    its own there (Esser et al., 2021, eq. 7).
    """
    if batch.step < term.start:
        return x.new_zeros(()), dict.fromkeys(
            ("adversarial", "discriminator", "adaptive_weight"), x.new_tensor(float("nan"))
        )
    frozen = {name: parameter.detach() for name, parameter in term.discriminator.named_parameters()}
    fooling = -functional_call(term.discriminator, frozen, (reconstructed,)).float().mean()
    of_error, of_fooling = (
        total(torch.autograd.grad(loss * batch.share, last_layer, retain_graph=True)[0]).norm()
        for loss in (error, fooling)
    )
    balance = (of_error / of_fooling.clamp(min=1e-3)).clamp(max=1e4).detach()
    generating = term.weight * balance * fooling
    discriminating = hinge(term.discriminator(x), term.discriminator(reconstructed.detach()))
    logged = {"adversarial": generating, "discriminator": discriminating, "adaptive_weight": balance}
    return generating + discriminating, logged


def fresh_tokenizer(architecture: Mapping[str, Any], seed: int) -> VQVAE:
    """A VQ-VAE with random weights. Seeds torch's generator, from which a discriminator may be drawn next."""
    torch.manual_seed(seed)
    return VQVAE(**architecture)


@torch.no_grad()
def initialise_codebook(model: VQVAE, load: Load, size: int, resolution: int, seed: int) -> None:
    """Codes become encodings drawn from the first of `size` images of `resolution`^2 pixels: of FIRST_IMAGES, or of as
    many as have a position for every code. `load` as in `train`."""
    positions = (resolution // model.downsampling) ** 2
    codes = len(model.codebook.embedding.weight)
    first = torch.arange(min(max(FIRST_IMAGES, -(-codes // positions)), size))
    encodings = [model.encoder(to_model_range(load(part))) for part in first.split(8)]
    model.codebook.initialise_from(torch.cat(encodings), seed)


def train_tokenizer(
    model: VQVAE,
    load: Load,
    size: int,
    schedule: Schedule,
    *,
    commitment: float,
    perceptual: PerceptualTerm | None = None,
    adversarial: AdversarialTerm | None = None,
    revival: Revival | None = None,
    state_path: Path,
    identity: str,
    device: torch.device,
    cadence: Cadence = EVERY_MINUTE,
    deadline: Deadline = no_deadline,
    name: str = "tokenizer",
) -> Trained:
    """Trains a tokenizer on `size` images, of which `load` gives uint8 [B,H,W,C]. Terms are as in `reconstruction`, the
    rest as in `train`."""
    return train(
        model,
        reconstruction(commitment, perceptual=perceptual, adversarial=adversarial, revival=revival),
        load,
        size,
        schedule,
        state_path=state_path,
        identity=identity,
        device=device,
        adversary=adversarial.discriminator if adversarial else None,
        cadence=cadence,
        deadline=deadline,
        name=name,
    )
