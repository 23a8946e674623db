"""Criteria by difficulty score: one end of its range, or equal budgets over its range. `ids` and `score` are [n]."""

import numpy as np

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.picking import check_keep, first_of_each, int64, shuffled_rows
from steadyflow.prune.quotas import balanced_quotas, keep_count


def score_ids(ids: np.ndarray, score: np.ndarray, keep: int, *, lowest: bool) -> np.ndarray:
    """The `keep` samples of highest (or lowest) score; of equal scores the lower id is kept.

    Raises UserError if `keep` is outside 1..n or a score is not finite.
    """
    check_keep(keep, len(ids))
    bad = np.asarray(ids)[~np.isfinite(score)]
    if bad.size:
        raise UserError(f"{bad.size} scores are not finite, the first of id {bad[0]}; delete the scores and run again")
    order = np.lexsort((ids, score if lowest else -score))
    return np.sort(int64(ids)[order[:keep]])


def stratified_ids(
    ids: np.ndarray, score: np.ndarray, keep: int, seed: int, hardest_cut: float, strata: int, *, purpose: str
) -> np.ndarray:
    """Coverage-centric selection (Zheng et al., ICLR 2023, algorithm 1; beta and k are `hardest_cut` and `strata`).

    The fraction `hardest_cut` of highest scores is removed. The rest is divided into strata of equal width of the
    score, with equal budgets; those of strata that are too small are redistributed; inside a stratum the draw is
    random. `purpose` makes the draws for different scores with one seed independent.
    Raises UserError if `keep` is outside 1..(number left by the cut) or a score is not finite.
    """
    left = np.isin(ids, score_ids(ids, score, keep_count(len(ids), hardest_cut), lowest=True))
    ids, score = int64(ids)[left], score[left]
    check_keep(keep, len(ids))
    edges = np.linspace(score.min(), score.max(), strata + 1)[1:-1]
    stratum = np.searchsorted(edges, score, side="right")
    quotas = balanced_quotas(np.bincount(stratum, minlength=strata), keep)
    return first_of_each(ids, stratum, quotas, shuffled_rows(ids, seed, purpose))
