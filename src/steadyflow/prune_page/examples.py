"""Examples of kept and dropped images: at random, and from the two ends of what a subset was chosen by."""

import numpy as np
import numpy.typing as npt

from steadyflow.prune_page.facts import Examples

EXAMPLES_PER_ROW, FEWEST_EXAMPLES, EXAMPLES_PER_DATASET = 12, 3, 192

Ids = npt.NDArray[np.int64]


def examples_per_row(subsets: int) -> int:
    """How many images each row of examples has, so that many subsets do not make a large page."""
    return max(FEWEST_EXAMPLES, min(EXAMPLES_PER_ROW, EXAMPLES_PER_DATASET // (4 * subsets)))


def random_examples(shuffled: Ids, kept: Ids, count: int) -> list[Examples]:
    """The first `count` kept and the first `count` dropped images of a random order, the same for all subsets."""
    is_kept = np.isin(shuffled, kept)
    return [Examples(side, "drawn at random", shuffled[is_kept == side][:count].tolist()) for side in (True, False)]


def extreme_examples(ids: Ids, value: npt.NDArray[np.floating], what: str, kept: Ids, count: int) -> list[Examples]:
    """The two ends of the order of `ids` [n] by `value` [n]: the `count` lowest kept and highest dropped images, or the
    reverse. None where all are kept.

    Which end is kept follows from the mean of either side, so no criterion has to declare it.
    """
    is_kept = np.isin(ids, kept)
    if is_kept.all():
        return []
    order = np.lexsort((ids, value))
    low_kept = value[is_kept].mean() <= value[~is_kept].mean()

    def end(side: bool) -> Examples:
        lowest = side == low_kept
        ranked = order if lowest else order[::-1]
        shown = ids[ranked[is_kept[ranked] == side][:count]].tolist()
        return Examples(side, f"{'lowest' if lowest else 'highest'} {what}", shown)

    return [end(True), end(False)]
