"""Balance of a set of images over the values of an attribute, by Kullback-Leibler divergences in nats."""

from dataclasses import dataclass

import numpy as np
from scipy.special import rel_entr

from steadyflow.evaluate.estimate import GROUPS, Estimate, generator, groups_of
from steadyflow.ground.artifacts import UserError

_TIE = 1e-12  # nats
_STRONGEST = 64.0  # largest tilt, at which all weight is on one value


@dataclass(frozen=True)
class AttributeBias(Estimate):
    """A divergence in nats over `known` samples; `unknown` is the number of excluded samples without a value."""

    known: int = 0
    unknown: int = 0


def kl_to_uniform(counts: np.ndarray) -> float:
    """KL(p || uniform) = sum p ln(K p) of `counts` [K], in nats, in [0, ln K].

    The plug-in estimate has a bias of about (K-1)/2N for N samples. Raises UserError if a count is negative or all are
    zero.
    """
    return kl_divergence(counts, np.ones(len(counts)))


def kl_divergence(counts_p: np.ndarray, counts_q: np.ndarray) -> float:
    """KL(p || q) of two sets of counts [K] of the same values, in nats; infinite if a value has count 0 only in q.

    Raises UserError if a count is negative, all of one set are zero, or the lengths differ.
    """
    p, q = _probabilities(counts_p), _probabilities(counts_q)
    if len(p) != len(q):
        raise UserError(f"divergence between attributes of {len(p)} and {len(q)} values; compare one attribute")
    return float(rel_entr(p, q).sum())


def kl_with_interval(
    codes: np.ndarray, num_values: int, *, repeats: int = 1000, seed: int = 0, num_classes: int = 1
) -> AttributeBias:
    """KL of attribute `codes` [n] in 0..num_values-1 from uniform, in nats, by the plug-in estimate.

    The code -1 is unknown: such samples are excluded, and counted in the result. The 95% interval covers the sampling
    of codes, by bootstrap tilting (Efron, 1981): it contains the divergences of those distributions, on the exponential
    family through the uniform and the observed one, under which the observed value is likely. This accounts for the
    plug-in estimate's bias of (K-1)/2n, for which a percentile interval never covers the truth near balance. It takes
    codes as independent, so it is too wide for a conditional run whose attribute goes with its label; the replicates,
    with `num_classes` as in `estimate.groups_of`, know it.
    Raises UserError for other codes, or if all are unknown.
    """
    return _divergence(codes, num_values, np.ones(num_values), None, repeats, seed, num_classes)


def kl_between(
    codes: np.ndarray,
    reference_codes: np.ndarray,
    num_values: int,
    *,
    repeats: int = 1000,
    seed: int = 0,
    num_classes: int = 1,
) -> AttributeBias:
    """KL of attribute `codes` [n] from `reference_codes` [m], both in 0..num_values-1, in nats.

    The interval is as in `kl_with_interval`, for the sampling of both sets. Infinite, and without an interval, if only
    the reference lacks a value. Unknown codes and errors as in `kl_with_interval`, for either set.
    """
    reference = _counts(reference_codes, num_values)
    return _divergence(codes, num_values, reference, int(reference.sum()), repeats, seed, num_classes)


def _divergence(
    codes: np.ndarray,
    num_values: int,
    reference: np.ndarray,
    m: int | None,
    repeats: int,
    seed: int,
    num_classes: int,
) -> AttributeBias:
    """KL from the distribution of counts `reference` [num_values], of `m` sampled items or exact (None)."""
    codes, counts, q = np.asarray(codes), _counts(codes, num_values), _probabilities(reference)
    known, value = int(counts.sum()), kl_divergence(counts, reference)
    unknown = len(codes) - known
    if np.isinf(value):
        return AttributeBias(value, np.nan, np.nan, known=known, unknown=unknown)
    # Values that occur in neither set are ignored.
    low, high = _tilted_interval(counts[q > 0], q[q > 0], value, repeats, seed, m)
    without = _without_groups(codes, num_values, q, num_classes)
    return AttributeBias(value, low, high, without, known=known, unknown=unknown)


def _without_groups(codes: np.ndarray, num_values: int, q: np.ndarray, num_classes: int) -> tuple[float, ...]:
    """The divergence without each group of samples; () if that leaves none for a group."""
    table = np.zeros((GROUPS, num_values))
    known = np.flatnonzero(codes >= 0)
    np.add.at(table, (groups_of(known, num_classes), codes[known]), 1)
    left = table.sum(axis=0) - table
    if not left.sum(axis=1).all():
        return ()
    return tuple(rel_entr(left / left.sum(axis=1, keepdims=True), q).sum(axis=1).tolist())


def _tilted_interval(
    counts: np.ndarray, q: np.ndarray, value: float, repeats: int, seed: int, m: int | None
) -> tuple[float, float]:
    """`m`: number of items of the reference distribution `q`, None if it is exact."""
    n, k = int(counts.sum()), len(counts)
    if k == 1:
        return 0.0, 0.0
    # Half a count is added to each value, so that the distributions have no zeros.
    p = (counts + q * k / 2) / (n + k / 2)
    if rel_entr(p, q).sum() < 1e-3 / n:
        # If observed and reference are equal, the direction of the tilt does not matter.
        p = p * np.exp(np.where(np.arange(k) % 2, 1, -1) / n**0.5)
        p /= p.sum()

    def tilted(strength: float) -> np.ndarray:
        logarithm = (1 - strength) * np.log(q) + strength * np.log(p)
        weights = np.exp(logarithm - logarithm.max())
        return weights / weights.sum()

    def share_above(strength: float) -> float:
        """Probability of a larger divergence than observed, ties counted half, under the tilted distribution."""
        rng = generator(seed)
        against = q if m is None else rng.multinomial(m, q, size=repeats) / m
        drawn = rel_entr(rng.multinomial(n, tilted(strength), size=repeats) / n, against).sum(axis=1)
        return float(np.mean((drawn > value + _TIE) + 0.5 * (np.abs(drawn - value) <= _TIE)))

    def divergence_where(share: float) -> float:
        low, high = 0.0, 1.0
        while share_above(high) < share and high < _STRONGEST:
            low, high = high, 2 * high
        for _ in range(20):
            middle = (low + high) / 2
            low, high = (middle, high) if share_above(middle) < share else (low, middle)
        return float(rel_entr(tilted((low + high) / 2), q).sum())

    at_reference = share_above(0.0)
    return (0.0 if at_reference > 0.025 else divergence_where(0.025)), divergence_where(0.975)


def _probabilities(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts, dtype=np.float64)
    if not (counts >= 0).all() or not counts.sum() > 0:
        raise UserError(f"counts must not be negative, and one must be above zero; got {counts.tolist()}")
    return counts / counts.sum()


def _counts(codes: np.ndarray, num_values: int) -> np.ndarray:
    """Counts of 0..num_values-1 in `codes` [n]. Raises UserError for codes that are neither these nor -1."""
    codes = np.asarray(codes)
    outside = codes[(codes < -1) | (codes >= num_values)]
    if outside.size:
        raise UserError(f"attribute code {outside[0]} is outside -1..{num_values - 1} (-1 is unknown)")
    return np.bincount(codes[codes >= 0], minlength=num_values)
