"""The closed-form velocity of a finite dataset (eq. 2), as a training target."""

import torch
from torch import Tensor

# 1 - t of the largest t below 1 that float32 holds.
_NEAREST_TO_1 = 2.0**-24


def explicit_target(
    x0: Tensor, x1: Tensor, t: Tensor, candidates: Tensor, own: Tensor, allowed: Tensor | None = None
) -> Tensor:
    """The closed-form velocity at x_t = (1-t) x0 + t x1 over M candidates b_j, x1 among them: like x0, [B, ...].

    u = sum_j w_j (b_j - x_t) / (1-t) with w = softmax_j(-||x_t - t b_j||^2 / (2 (1-t)^2)) (eq. 2), computed as

        tau = t / (1-t)    l_j = -tau x0.(x1 - b_j) - tau^2/2 ||x1 - b_j||^2    w = softmax(l)
        u = (x1 - x0) + sum_j w_j (b_j - x1) / (1-t)

    whose terms stay small for t near 1. If x1 is uniformly distributed over the data, the mean of u given x_t is the
    velocity of the whole dataset (eq. 1) for every M.

    x0, x1: [B, ...]
    t: [B] in [0, 1]; at t=1, u is the limit
    candidates: [M, ...]
    own: int64 [B], the index of the candidate that is x1
    allowed: bool [B, M], the candidates used for each sample, which include its own; None for all

    Sums are computed in float64, which neither TF32 nor autocast affects.
    """
    shape, dtype = x0.shape, x0.dtype
    x0, x1, b = (x.double().flatten(1) for x in (x0, x1, candidates))
    rest = (1 - t.double()).clamp(min=_NEAREST_TO_1)[:, None]
    tau = t.double()[:, None] / rest
    pull = tau * x0 + tau.square() * x1
    own_logit = (pull * x1).sum(1, keepdim=True) - tau.square() / 2 * x1.square().sum(1, keepdim=True)
    logits = pull @ b.T - tau.square() / 2 * b.square().sum(1) - own_logit
    if allowed is not None:
        logits = logits.masked_fill(~allowed, -torch.inf)
    logits = logits.scatter(1, own[:, None], 0.0)
    correction = (logits.softmax(1) @ b - x1) / rest
    return (x1 - x0 + correction).to(dtype).view(shape)
