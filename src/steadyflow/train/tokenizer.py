"""Training of the tokenizer: reconstruction with a perceptual and an adversarial term, as in taming VQ-GAN."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from steadyflow.ground.distributed import all_reduce
from steadyflow.models import VQVAE, hinge, to_model_range
from steadyflow.train.engine import Batch, Execution, Load, Objective, Schedule, Trained, train

# Number of images from whose encodings a codebook is initialised, unless it needs more.
FIRST_IMAGES = 64


@dataclass(frozen=True)
class PerceptualTerm:
    """`weight` times `distance(a, b)`, which maps images [B,C,H,W] in [-1, 1] to [B]."""

    distance: Callable[[Tensor, Tensor], Tensor]
    weight: float


@dataclass(frozen=True)
class AdversarialTerm:
    """Used from step `start` on. `discriminator` maps images in [-1, 1] to logits; `weight` is that of the generator's
    term."""

    discriminator: nn.Module
    start: int
    weight: float


@dataclass(frozen=True)
class Revival:
    """Every `every` steps, codes that were not used since are replaced by encodings of that step's images."""

    every: int
    seed: int


def reconstruction(
    commitment: float,
    *,
    perceptual: PerceptualTerm | None = None,
    adversarial: AdversarialTerm | None = None,
    revival: Revival | None = None,
) -> Objective:
    """The VQ-VAE's loss (taming VQ-GAN): the sum of its terms, each logged by its name.

    `batch.x` is uint8 [B,H,W,C]. Also logged: the number of codes that the global batch uses, the number of revived
    codes, and the adaptive weight. The discriminator's loss is one of the terms. Its images are detached, so its
    gradient in the tokenizer is zero; the generator's term uses detached weights of the discriminator.
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
            added, adversarial_terms = _adversarial(adversarial, batch, x, reconstructed, error, model.last_layer)
            loss, terms = loss + added, terms | adversarial_terms
        return loss, {**terms, **logged}

    return objective


def _adversarial(
    term: AdversarialTerm, batch: Batch, x: Tensor, reconstructed: Tensor, error: Tensor, last_layer: Tensor
) -> tuple[Tensor, dict[str, Tensor]]:
    """The generator's term plus the discriminator's loss, and both to be logged; NaN before `term.start`.

    The generator's term has an adaptive weight: the norm of the gradient of the reconstruction `error` at the decoder's
    last layer, divided by that of the term itself (Esser et al., 2021, eq. 7).
    """
    if batch.step < term.start:
        return x.new_zeros(()), dict.fromkeys(
            ("adversarial", "discriminator", "adaptive_weight"), x.new_tensor(float("nan"))
        )
    frozen = {name: parameter.detach() for name, parameter in term.discriminator.named_parameters()}
    fooling = -functional_call(term.discriminator, frozen, (reconstructed,)).float().mean()
    of_error, of_fooling = (
        all_reduce(torch.autograd.grad(loss * batch.share, last_layer, retain_graph=True)[0]).norm()
        for loss in (error, fooling)
    )
    balance = (of_error / of_fooling.clamp(min=1e-3)).clamp(max=1e4).detach()
    generating = term.weight * balance * fooling
    discriminating = hinge(term.discriminator(x), term.discriminator(reconstructed.detach()))
    logged = {"adversarial": generating, "discriminator": discriminating, "adaptive_weight": balance}
    return generating + discriminating, logged


def fresh_tokenizer(architecture: Mapping[str, Any], seed: int) -> VQVAE:
    """A VQ-VAE with random weights. Seeds torch's generator, from which a discriminator may be initialised next."""
    torch.manual_seed(seed)
    return VQVAE(**architecture)


@torch.no_grad()
def initialise_codebook(model: VQVAE, load: Load, size: int, resolution: int, seed: int) -> None:
    """Initialises the codes with random encodings of the first FIRST_IMAGES images, or of as many as are needed to have
    a position for every code. There are `size` images of `resolution`^2 pixels; `load` as in `train`."""
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
    execution: Execution,
    *,
    commitment: float,
    perceptual: PerceptualTerm | None = None,
    adversarial: AdversarialTerm | None = None,
    revival: Revival | None = None,
) -> Trained:
    """Trains a tokenizer on `size` images; `load` returns uint8 [B,H,W,C]. The terms are those of `reconstruction`, the
    other arguments those of `train`."""
    return train(
        model,
        reconstruction(commitment, perceptual=perceptual, adversarial=adversarial, revival=revival),
        load,
        size,
        schedule,
        execution,
        adversary=adversarial.discriminator if adversarial else None,
    )
