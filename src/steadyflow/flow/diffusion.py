"""Diffusion (DDPM) with the velocity models' networks: noise schedules, forward process, DDIM and ancestral sampling.

Training times k = 0..T-1 increase towards noise, opposite to t of flow matching. The networks get k/T in [0, 1) and
predict the noise. Sampling starts from the shared noise: x_T = x0 ~ N(0, I).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from steadyflow.flow.solvers import Velocity
from steadyflow.ground import noise
from steadyflow.ground.artifacts import UserError


def linear_alphas_cumprod(timesteps: int) -> Tensor:
    """abar_k = prod_(i<=k) (1 - beta_i), float64 [timesteps], with beta from 1e-4 to 0.02 (Ho et al., 2020).

    The betas of 1000 timesteps are scaled by 1000/timesteps, so that the last x_k is close to noise for every number.
    """
    betas = torch.linspace(1e-4, 0.02, timesteps, dtype=torch.float64) * (1000 / timesteps)
    return (1 - betas).cumprod(0)


def cosine_alphas_cumprod(timesteps: int) -> Tensor:
    """abar_k, float64 [timesteps]: cos^2(((k+1)/T + 0.008) / 1.008 * pi/2), beta <= 0.999 (Nichol & Dhariwal, 2021)."""
    angles = (torch.arange(timesteps + 1, dtype=torch.float64) / timesteps + 0.008) / 1.008 * (math.pi / 2)
    squares = angles.cos().square()
    return (squares[1:] / squares[:-1]).clamp(min=1 - 0.999).cumprod(0)


ALPHAS_CUMPROD: dict[str, Callable[[int], Tensor]] = {
    "linear": linear_alphas_cumprod,
    "cosine": cosine_alphas_cumprod,
}
"""Name of the noise schedule -> function of the number of timesteps T that returns abar, float64 [T]."""


def diffuse(x1: Tensor, eps: Tensor, k: Tensor, alphas_cumprod: Tensor) -> Tensor:
    """x_k = sqrt(abar_k) x1 + sqrt(1 - abar_k) eps, for x1, eps [B, ...] and k int64 [B].

    `alphas_cumprod` is abar, float64 [T] on the CPU.
    """
    factors = torch.stack([alphas_cumprod.sqrt(), (1 - alphas_cumprod).sqrt()]).to(x1.dtype).to(x1.device)
    kept, added = factors[:, k].view(2, -1, *(1,) * (x1.ndim - 1))
    return kept * x1 + added * eps


def stride(timesteps: int, steps: int) -> list[int]:
    """The training times of `steps` function evaluations, decreasing to 0: k = floor(i T / steps), i = steps-1..0.

    x0 is used as x_k at the first, k = T - T/steps about, an approximation that is accurate for many steps only.
    Raises UserError if there are more steps than training times.
    """
    if steps > timesteps:
        raise UserError(f"{steps} steps of diffusion are more than its {timesteps} timesteps")
    return [i * timesteps // steps for i in reversed(range(steps))]


def ddim(predict: Velocity, x: Tensor, alphas_cumprod: Tensor, steps: int) -> Tensor:
    """From x = x_T [B, ...] to data by DDIM with eta = 0 (Song et al., 2021): deterministic, `steps` evaluations.

    `predict(x, t)` is the noise predicted at t = k/T [B]; `alphas_cumprod` is abar [T].
    """

    def step(data: Tensor, eps: Tensor, _x: Tensor, _now: float, then: float, _k: int) -> Tensor:
        return then**0.5 * data + (1 - then) ** 0.5 * eps

    return _sample(predict, x, alphas_cumprod, steps, step)


def ancestral(predict: Velocity, x: Tensor, alphas_cumprod: Tensor, steps: int, seed: int, indices: Tensor) -> Tensor:
    """From x = x_T [B, ...] to data by ancestral sampling (Ho et al., 2020), with the variance of the posterior.

    The noise of sample `indices[i]` [B] at time k is keyed by (seed, index, k), independent of batches and devices.
    """

    def step(data: Tensor, _eps: Tensor, x: Tensor, now: float, then: float, k: int) -> Tensor:
        alpha = now / then
        mean = then**0.5 * (1 - alpha) / (1 - now) * data + alpha**0.5 * (1 - then) / (1 - now) * x
        variance = (1 - alpha) * (1 - then) / (1 - now)
        if variance == 0:
            return mean
        fresh = noise.normal(seed, "ancestral noise", indices, x.shape[1:], step=k, device=x.device)
        return mean + variance**0.5 * fresh

    return _sample(predict, x, alphas_cumprod, steps, step)


# (x1 from the prediction, predicted eps, x_k, abar now, abar of the next time, k) -> x at the next time
_Step = Callable[[Tensor, Tensor, Tensor, float, float, int], Tensor]


def _sample(predict: Velocity, x: Tensor, alphas_cumprod: Tensor, steps: int, step: _Step) -> Tensor:
    timesteps = len(alphas_cumprod)
    times = stride(timesteps, steps)
    # The last step ends at the data: abar = 1.
    following = [*alphas_cumprod[times[1:]].tolist(), 1.0]
    for k, then in zip(times, following, strict=True):
        now = float(alphas_cumprod[k])
        eps = predict(x, torch.full((len(x),), k / timesteps, device=x.device))
        data = (x - (1 - now) ** 0.5 * eps) / now**0.5
        x = step(data, eps, x, now, then, k)
    return x
