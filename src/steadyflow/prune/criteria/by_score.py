"""Samples by a score of difficulty: the ends of its range, or equally many of all parts of it. `ids`, `score`: [n]."""

import numpy as np

from steadyflow.ground.artifacts import UserError
from steadyflow.prune.picking import check_keep, first_of_each, int64, shuffled_rows
from steadyflow.prune.quotas import balanced_quotas, keep_count


def score_ids(ids: np.ndarray, score: np.ndarray, keep: int, *, lowest: bool) -> np.ndarray:
    """The `keep` samples of highest (or lowest) score; equal scores go to the lower id.

    Raises UserError when `keep` is outside 1..n or a score is not finite.
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
    """Coverage-centric selection: without the hardest, equal budgets over strata of equal width of the score.

    The share `hardest_cut` of highest scores goes first; what small strata cannot give is spread over the others;
    inside a stratum the draw is random (Zheng et al., ICLR 2023, algorithm 1: beta and k are `hardest_cut`, `strata`).
    `purpose` keeps two scores of one seed apart.
    Raises UserError when `keep` is outside 1..(what the cut leaves) or a score is not finite.
    """
    left = np.isin(ids, score_ids(ids, score, keep_count(len(ids), hardest_cut), lowest=True))
    ids, score = int64(ids)[left], score[left]
    check_keep(keep, len(ids))
    edges = np.linspace(score.min(), score.max(), strata + 1)[1:-1]
    stratum = np.searchsorted(edges, score, side="right")
    quotas = balanced_quotas(np.bincount(stratum, minlength=strata), keep)
    return first_of_each(ids, stratum, quotas, shuffled_rows(ids, seed, purpose))
