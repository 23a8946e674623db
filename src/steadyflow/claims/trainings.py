"""The mean over pairs of trainings of two arms, with what is between trainings in its interval.

A value of training i of one arm and j of the other is y_ij = mean + a_i + b_j + e_ij. Pairs without a common training
are independent, given the noises, and their spread is V = var a + var b + var e. Pairs that all have one training in
common spread by var a + var e alone: that training is one draw, which no number of others makes more certain.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from steadyflow.evaluate.estimate import BetweenRuns, Estimate, between_runs, jackknifed


@dataclass(frozen=True)
class Pairs:
    """The values of pairs of trainings of two arms; `one_in_common`: whether all these have one training in common."""

    values: Sequence[Estimate]
    one_in_common: bool = False

    @property
    def variance_in_one(self) -> float:
        """V over the variance between pairs that these show. Where one training is in common it is 2 if both arms are
        equally variable, var a = var b, and less where e varies too."""
        return 2.0 if self.one_in_common else 1.0

    @property
    def variance_of_mean(self) -> float:
        """The variance of their mean over V: 1 / n, or, where one training is in common, (n + 1) / 2n if var a = var b,
        that of var b + var a / n, and less where e varies too."""
        n = len(self.values)
        return (n + 1) / (2 * n) if self.one_in_common else 1 / n


def variance_of_a_pair(several: Iterable[Pairs]) -> BetweenRuns | None:
    """V, pooled over all of `several` that hold at least two pairs, with replicates; None if none does."""
    repeated = [pairs for pairs in several if all(value.replicates for value in pairs.values)]
    found = [(pairs.variance_in_one, spread) for pairs in repeated if (spread := between_runs([pairs.values]))]
    degrees = sum(spread.degrees for _, spread in found)
    if not degrees:
        return None
    return BetweenRuns(
        sum(factor * spread.variance * spread.degrees for factor, spread in found) / degrees,
        sum(factor * spread.of_noises * spread.degrees for factor, spread in found) / degrees,
        degrees,
    )


def mean_over_pairs(pairs: Pairs, elsewhere: BetweenRuns | None = None) -> Estimate:
    """The mean over pairs, with a 95% interval of noises and trainings.

    Its margin is the root of the sum of the squared margins of the two (Graybill and Wang, 1980): Student's over the
    jackknife of the noises, and over V without what noises have in it. One quantile for both, by Satterthwaite's
    degrees of freedom, would cover 0.89 of two pairs, since these may lie close by chance. V is that of these pairs if
    there are several, else `elsewhere`, that of other arms; without either the interval is of the noises alone. It is
    infinite where there are too few samples for replicates.
    """
    value = float(np.mean([each.value for each in pairs.values]))
    if not all(each.replicates for each in pairs.values):
        return Estimate(value, -math.inf, math.inf)
    of_noises = jackknifed(value, np.mean([each.replicates for each in pairs.values], axis=0).tolist())
    square, degrees = (of_noises.ci_high - value) ** 2, of_noises.degrees
    if between := variance_of_a_pair([pairs]) or elsewhere:
        of_trainings = max(between.variance - between.of_noises, 0.0) * pairs.variance_of_mean
        square += float(stats.t.ppf(0.975, between.degrees)) ** 2 * of_trainings
        # For other levels than 95%, by the heavier tail of the two.
        degrees = min(degrees, between.degrees)
    margin = math.sqrt(square)
    return Estimate(value, value - margin, value + margin, of_noises.replicates, degrees)
