"""The exact flow of a normal distribution, the null model: it knows the mean and covariance of the data and no more.

If data are x1 ~ N(m, C) and noise is x0 ~ N(0, I), then x_t = (1-t) x0 + t x1 ~ N(t m, (1-t)^2 I + t^2 C), and the
marginal velocity E[x1 - x0 | x_t = x] is linear in x:

    u(x, t) = m + (t C - (1-t) I) ((1-t)^2 I + t^2 C)^-1 (x - t m)

Its flow takes x0 to x1 = m + C^(1/2) x0. In the eigenbasis of C both are products with one number per eigenvalue.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from steadyflow.ground.artifacts import UserError

_FLOOR = 1e-7
"""Smallest eigenvalue, relative to the largest. Where data do not vary at all, the velocity at t=1 is 0/0; the floor
makes it the limit from t < 1, and is below what float32 resolves."""
_TINY = 1e-30
_SUBSPACE_ITERATIONS = 6
_OVERSAMPLING = 1.1


@dataclass(frozen=True)
class Gaussian:
    """N(m, C) in d dimensions with C = V diag(values) V' + rest (I - V V').

    mean: m [d]
    vectors: V [d, r] with orthonormal columns
    values: [r], variances along them
    rest: scalar, the variance in every direction orthogonal to V; None if r = d, where there is none
    """

    mean: Tensor
    vectors: Tensor
    values: Tensor
    rest: Tensor | None = None

    def velocity(self, x: Tensor, t: Tensor | float) -> Tensor:
        """u(x, t) for x [B, d] and t [B], or one t for all: [B, d]."""
        time = torch.as_tensor(t, dtype=x.dtype, device=x.device).expand(len(x))[:, None]

        def gain(variance: Tensor) -> Tensor:
            return (time * variance - (1 - time)) / ((1 - time).square() + time.square() * variance)

        return self.mean + self._scaled(x - time * self.mean, gain)

    def transport(self, x0: Tensor) -> Tensor:
        """x1 = m + C^(1/2) x0 for x0 [B, d]: [B, d]."""
        return self.mean + self._scaled(x0, torch.sqrt)

    def _scaled(self, z: Tensor, gain: Callable[[Tensor], Tensor]) -> Tensor:
        """gain(C) z: every component of z [B, d] in the eigenbasis times the gain of its variance."""
        variances = self.values if self.rest is None else torch.cat([self.values, self.rest.reshape(1)])
        gains = gain(torch.maximum(variances, _FLOOR * variances.max() + _TINY)[None])
        along, components = gains[:, : len(self.values)], z @ self.vectors
        if self.rest is None:
            return (along * components) @ self.vectors.T
        others = gains[:, -1:]
        return others * z + ((along - others) * components) @ self.vectors.T


def gaussian_velocity(x: Tensor, t: Tensor | float, mean: Tensor, covariance: Tensor) -> Tensor:
    """The marginal velocity of N(mean, covariance) at x [B, d] and t ([B], or a number) in [0, 1]: [B, d].

    mean [d] and covariance [d, d], symmetric and positive semidefinite, are of the dtype of x, float32 or float64. For
    many calls, decompose the covariance once: `decompose(mean, covariance).velocity`. Raises UserError as `decompose`
    does.
    """
    return decompose(mean, covariance).velocity(x, t)


def gaussian_transport(x0: Tensor, mean: Tensor, covariance: Tensor) -> Tensor:
    """Where the flow of N(mean, covariance) takes x0 [B, d] at t=1: mean + covariance^(1/2) x0, [B, d].

    Arguments and errors as in `gaussian_velocity`; x0 is 0-mean, unit-variance noise.
    """
    return decompose(mean, covariance).transport(x0)


def decompose(mean: Tensor, covariance: Tensor, rank: int | None = None) -> Gaussian:
    """N(mean [d], covariance [d, d]) by its `rank` largest eigenvalues and the mean of the others; None: by all.

    Of a covariance of higher rank, the trace is kept. For rank < d the eigenvectors are found by randomised subspace
    iteration (Halko et al., 2011) from a fixed seed.

    Raises UserError if shapes do not fit, a number is not finite, or the covariance is not symmetric or has a negative
    eigenvalue beyond rounding.
    """
    d = len(mean)
    if covariance.shape != (d, d) or mean.ndim != 1:
        raise UserError(f"a mean of shape {list(mean.shape)} and a covariance of {list(covariance.shape)} do not fit")
    if not bool(covariance.isfinite().all() and mean.isfinite().all()):
        raise UserError("the mean or the covariance holds a number that is not finite")
    scale = covariance.diagonal().abs().max()
    rounding = 100 * torch.finfo(covariance.dtype).eps * scale
    if not torch.allclose(covariance, covariance.T, rtol=0.0, atol=float(rounding)):
        raise UserError("the covariance is not symmetric")
    if rank is None or rank >= d:
        values, vectors = torch.linalg.eigh(covariance)
        if float(values.min()) < -d * float(rounding):
            raise UserError(f"the covariance has the negative eigenvalue {float(values.min()):.3g}")
        return Gaussian(mean, vectors, values.clamp(min=0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        width = min(d, int(_OVERSAMPLING * rank) + 10)
        vectors, values, _ = torch.svd_lowrank(covariance, q=width, niter=_SUBSPACE_ITERATIONS)
    vectors, values = vectors[:, :rank].contiguous(), values[:rank]
    rest = ((covariance.diagonal().sum() - values.sum()) / (d - rank)).clamp(min=0)
    return Gaussian(mean, vectors, values, rest)
