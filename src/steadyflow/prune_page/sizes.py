"""Sizes of clusters and of attributes' groups, before and after pruning."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from steadyflow.prune_page.facts import Grouping

ATTRIBUTES_SHOWN = 6


def grouping(title: str, names: Sequence[str], codes: npt.NDArray[np.int64], kept: npt.NDArray[np.bool_]) -> Grouping:
    """Sizes of the groups that `codes` [n] (0..len(names)-1, -1 unknown) make of all and of the `kept` [n] images."""
    sizes = [np.bincount(chosen[chosen >= 0], minlength=len(names)).tolist() for chosen in (codes, codes[kept])]
    return Grouping(title, names, *sizes)


def most_shifted(groupings: Sequence[Grouping]) -> list[Grouping]:
    """The ATTRIBUTES_SHOWN groupings whose shares pruning changes most, the greatest change first."""
    return sorted(groupings, key=lambda entry: -entry.shift)[:ATTRIBUTES_SHOWN]


def largest_first(entry: Grouping) -> Grouping:
    """The same groups by their sizes before pruning, in falling order; equal ones keep their order."""
    order = np.argsort(-np.asarray(entry.before), kind="stable").tolist()
    columns = ([column[place] for place in order] for column in (entry.names, entry.before, entry.after))
    return Grouping(entry.title, *columns)
