"""How evenly a set of images is spread over the values of an attribute: Kullback-Leibler divergences in nats."""

from dataclasses import dataclass

import numpy as np
from scipy.special import rel_entr

from steadyflow.artifacts import UserError
from steadyflow.evaluate.estimate import Estimate, generator, percentile_interval


@dataclass(frozen=True)
class AttributeBias(Estimate):
    """A divergence in nats over `known` samples; `unknown` ones had no attribute value and were left out."""

    known: int
    unknown: int


def kl_to_uniform(counts: np.ndarray) -> float:
    """KL(p || uniform) = sum p ln(K p) of `counts` [K], in nats, in [0, ln K]; a zero count adds nothing.

    The plug-in estimate is high by about (K-1)/2N for N samples. Raises UserError when a count is negative or all are
    zero.
    """
    return kl_divergence(counts, np.ones(len(counts)))


def kl_divergence(counts_p: np.ndarray, counts_q: np.ndarray) -> float:
    """KL(p || q) of two sets of counts [K] over the same values, in nats; infinite where only q has none.

    Raises UserError when a count is negative, all of one are zero, or the lengths differ.
    """
    p, q = _probabilities(counts_p), _probabilities(counts_q)
    if len(p) != len(q):
        raise UserError(f"divergence between attributes of {len(p)} and {len(q)} values; compare one attribute")
    return float(rel_entr(p, q).sum())


def kl_with_interval(codes: np.ndarray, num_values: int, repeats: int = 1000, seed: int = 0) -> AttributeBias:
    """KL to uniform of attribute `codes` [n] in 0..num_values-1, with a percentile bootstrap interval over samples.

    -1 is unknown: dropped, and counted in the result. Raises UserError at other codes, or when all are unknown.
    """
    codes = np.asarray(codes)
    outside = codes[(codes < -1) | (codes >= num_values)]
    if outside.size:
        raise UserError(f"attribute code {outside[0]} is outside -1..{num_values - 1} (-1 is unknown)")
    counts = np.bincount(codes[codes >= 0], minlength=num_values)
    known = int(counts.sum())
    value = kl_to_uniform(counts)
    resampled = generator(seed).multinomial(known, counts / known, size=repeats) / known
    low, high = percentile_interval(rel_entr(resampled, 1 / num_values).sum(axis=1))
    return AttributeBias(value, low, high, known, len(codes) - known)


def _probabilities(counts: np.ndarray) -> np.ndarray:
    counts = np.asarray(counts, dtype=np.float64)
    if not (counts >= 0).all() or not counts.sum() > 0:
        raise UserError(f"counts must not be negative, and one must be above zero; got {counts.tolist()}")
    return counts / counts.sum()


def kl_between(
    codes: np.ndarray, reference_codes: np.ndarray, num_values: int, repeats: int = 1000, seed: int = 0
) -> AttributeBias:
    """KL(p || q) of attribute `codes` [n] from `reference_codes` [m], both in 0..num_values-1, with a percentile
    bootstrap interval over both sets.

    Infinite, as an end of the interval may be, where only the reference lacks a value. -1 is unknown: dropped, and
    counted in the result for `codes`. Raises UserError at other codes, or when all of one set are unknown.
    """
    p, q = _counts(codes, num_values), _counts(reference_codes, num_values)
    value, rng = kl_divergence(p, q), generator(seed)
    drawn = [rng.multinomial(counts.sum(), counts / counts.sum(), size=repeats) / counts.sum() for counts in (p, q)]
    low, high = np.quantile(rel_entr(*drawn).sum(axis=1), (0.025, 0.975), method="inverted_cdf")
    known = int(p.sum())
    return AttributeBias(value, float(low), float(high), known, len(codes) - known)


def _counts(codes: np.ndarray, num_values: int) -> np.ndarray:
    """How many of `codes` [n] are each of 0..num_values-1. Raises UserError at codes that are neither these nor -1."""
    codes = np.asarray(codes)
    outside = codes[(codes < -1) | (codes >= num_values)]
    if outside.size:
        raise UserError(f"attribute code {outside[0]} is outside -1..{num_values - 1} (-1 is unknown)")
    return np.bincount(codes[codes >= 0], minlength=num_values)
