"""The number of samples to keep, in total and of each group, in exact integer arithmetic."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from steadyflow.ground.artifacts import UserError


def keep_count(n: int, pruning_fraction: float) -> int:
    """|S'| = round((1 - pr) |S|), where pr is the fraction REMOVED, in [0, 1); half is rounded up.

    Exact for the decimal pr: 0.95 of 10 leaves 1 (0.5 rounded up). Raises UserError if pr is outside [0, 1).
    """
    if not 0 <= pruning_fraction < 1:
        raise UserError(f"pruning_fraction is the fraction removed, in [0, 1); got {pruning_fraction}")
    kept = (1 - Fraction(str(float(pruning_fraction)))) * n
    return int(kept + Fraction(1, 2))


def proportional_quotas(sizes: Sequence[int] | np.ndarray, keep: int) -> np.ndarray:
    """Quotas proportional to `sizes` [k] by the largest-remainder method, int64 [k]; they sum to `keep`.

    Of equal remainders the lower index is rounded up. Raises UserError if `keep` is outside 0..sum(sizes).
    """
    size = _checked(sizes, keep)
    whole, remainder = np.divmod(size * keep, max(int(size.sum()), 1))
    short = keep - int(whole.sum())
    whole[np.argsort(-remainder, kind="stable")[:short]] += 1
    return whole


def balanced_quotas(sizes: Sequence[int] | np.ndarray, keep: int) -> np.ndarray:
    """Equal quotas, int64 [k], limited by the groups' `sizes` and redistributed such that they sum to `keep`.

    They are max-min fair: min(size, level) at the highest possible level, and one more for groups of lower index until
    the sum is reached. Raises UserError if `keep` is outside 0..sum(sizes).
    """
    size = _checked(sizes, keep)
    level, left = 0, keep
    while (open_groups := int(np.count_nonzero(size > level))) and left >= open_groups:
        # Raise the level to the size of the next smallest group, or as far as possible.
        step = min(int(np.min(size[size > level])) - level, left // open_groups)
        level, left = level + step, left - step * open_groups
    quotas = np.minimum(size, level)
    quotas[np.flatnonzero(size > level)[:left]] += 1
    return quotas


def _checked(sizes: Sequence[int] | np.ndarray, keep: int) -> np.ndarray:
    size = np.asarray(sizes, dtype=np.int64)
    if not 0 <= keep <= size.sum():
        raise UserError(f"cannot keep {keep} of {size.sum()} samples; ask for 0..{size.sum()}")
    return size
