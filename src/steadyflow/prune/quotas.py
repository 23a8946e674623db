"""How many samples to keep, in all and from each group: exact in integers, never above what a group has."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from steadyflow.ground.artifacts import UserError


def keep_count(n: int, pruning_fraction: float) -> int:
    """|S'| = round((1 - pr) |S|), where pr is the fraction REMOVED, in [0, 1); a half rounds up.

    Exact on pr as it is written: 0.95 of 10 leaves 1 (0.5 rounded up), although 1 - 0.95 in binary is above 0.05.
    Raises UserError when pr is outside [0, 1).
    """
    if not 0 <= pruning_fraction < 1:
        raise UserError(f"pruning_fraction is the fraction removed, in [0, 1); got {pruning_fraction}")
    kept = (1 - Fraction(str(float(pruning_fraction)))) * n
    return int(kept + Fraction(1, 2))


def proportional_quotas(sizes: Sequence[int] | np.ndarray, keep: int) -> np.ndarray:
    """Quotas in proportion to `sizes` [k] by the largest remainder, int64 [k]; they sum to `keep`.

    Equal remainders go to the lower index. Raises UserError when `keep` is outside 0..sum(sizes).
    """
    size = _checked(sizes, keep)
    whole, remainder = np.divmod(size * keep, max(int(size.sum()), 1))
    short = keep - int(whole.sum())
    whole[np.argsort(-remainder, kind="stable")[:short]] += 1
    return whole


def balanced_quotas(sizes: Sequence[int] | np.ndarray, keep: int) -> np.ndarray:
    """Equal quotas, int64 [k]; what small groups cannot give is spread over the others until the sum is `keep`.

    This is max-min fair: min(size, level) at the highest level that fits, and the last few, one each, from the
    groups of lower index that have more. Raises UserError when `keep` is outside 0..sum(sizes).
    """
    size = _checked(sizes, keep)
    level, left = 0, keep
    while (open_groups := int(np.count_nonzero(size > level))) and left >= open_groups:
        # Rise to the next group that runs dry, or as far as the rest allows.
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
