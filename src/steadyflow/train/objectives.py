"""What is trained: each objective binds data and seed, and returns `(model, batch) -> loss, followed scalars`."""

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from steadyflow import noise
from steadyflow.flow import interpolate
from steadyflow.models import VQVAE, Probe
from steadyflow.train.engine import Batch, Objective

# rows int64 [B] -> the training samples there.
Gather = Callable[[Tensor], Tensor]


def flow_matching(
    latents: Gather, seed: int, labels: Tensor | None = None, *, no_label: int = 0, label_dropout: float = 0.0
) -> Objective:
    """Conditional flow matching (eq. 1): MSE of the velocity to u = x1 - x0 at t ~ U[0,1].

    `latents(rows)` gives x1 float32 [B,C,h,w]; `labels` int64 [n], None when unconditional, are replaced by
    `no_label` with probability `label_dropout`.
    """

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        x1 = latents(batch.rows)
        x0 = noise.normal(seed, "training noise", batch.slots, x1.shape[1:], step=batch.step, device=x1.device)
        t = noise.uniform(seed, "training time", batch.slots, step=batch.step, device=x1.device)
        y = None
        if labels is not None:
            dropped = (
                noise.uniform(seed, "label dropout", batch.slots, step=batch.step, device=x1.device) < label_dropout
            )
            y = labels[batch.rows].masked_fill(dropped, no_label)
        point = interpolate(x0, x1, t)
        return F.mse_loss(model(point.x_t, t, y), point.u), {}

    return objective


def reconstruction(images: Gather, commitment: float) -> Objective:
    """The VQ-VAE's loss: MSE, codebook loss, and `commitment` times the commitment loss.

    `images(rows)` gives float32 [B,C,H,W] in [-1, 1]. Follows the number of codes that a batch uses.
    """

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, VQVAE)
        x = images(batch.rows)
        quantised = model.codebook(model.encoder(x))
        terms = {
            "mse": F.mse_loss(model.decode(quantised.latents), x),
            "codebook": quantised.codebook_loss,
            "commitment": commitment * quantised.commitment_loss,
        }
        used = torch.bincount(quantised.codes.flatten(), minlength=model.codebook.embedding.num_embeddings) > 0
        return torch.stack(list(terms.values())).sum(), {**terms, "codes_used": used.sum().float()}

    return objective


def classification(images: Gather, codes: Mapping[str, Tensor]) -> Objective:
    """Sum of cross-entropies over attributes; `codes[name]` int64 [n], -1 where unknown. Follows each accuracy."""

    def objective(model: nn.Module, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        assert isinstance(model, Probe)
        logits = model.classify(model(images(batch.rows)))
        target = {name: values[batch.rows] for name, values in codes.items()}
        losses = [F.cross_entropy(logits[name], target[name], ignore_index=-1) for name in codes]
        accuracy = {
            f"accuracy_{name}": (logits[name].argmax(1) == target[name]).float().sum()
            / (target[name] >= 0).float().sum().clamp(min=1)
            for name in codes
        }
        return torch.stack(losses).sum(), accuracy

    return objective
