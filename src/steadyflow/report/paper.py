"""The papers' printed numbers, to stand beside ours (resources/paper/scalars.csv)."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from steadyflow.ground.artifacts import read_rows
from steadyflow.ground.constants import PAPER_DATASETS


@dataclass(frozen=True)
class PaperValue:
    """One printed number. `value` and `sd` keep the digits, and the ranges, of the print; empty: not reported."""

    dataset: str
    quantity: str
    variant: str
    reference: str
    value: str
    sd: str
    unit: str
    n: str
    source: str
    note: str

    def __str__(self) -> str:
        return f"{self.value} ± {self.sd}" if self.sd else self.value


@dataclass(frozen=True)
class Printed:
    """What the papers print of one dataset.

    dataset: a key of PAPER_DATASETS; "" where a study reproduces none, which has no values then
    """

    dataset: str
    values: Sequence[PaperValue]

    @property
    def name(self) -> str:
        """The dataset in words, like "CelebA-HQ 256"; "" for none."""
        return PAPER_DATASETS.get(self.dataset, "")


def read_paper_values(path: Path | str) -> list[PaperValue]:
    """Every row of a scalars.csv. Raises UserError when its columns are not the known ones."""
    return read_rows(path, PaperValue)


def printed_of(values: Sequence[PaperValue], dataset: str) -> Printed:
    """Those of one dataset; `dataset` is a key of PAPER_DATASETS, or "" for none."""
    return Printed(dataset, [value for value in values if dataset and value.dataset == dataset])


def paper_value(paper: Printed, quantity: str, run: str, reference: str = "") -> PaperValue | None:
    """What the papers print for one quantity of one run, or None where they print nothing.

    Runs are found by their names, with or without the dataset's at the end: `loss-0.5` or `loss-0.5-ffhq`. A number
    that is printed of several criteria at once is that of each.
    """
    own, other = (name.removesuffix(f"-{paper.dataset}") for name in (run, reference))
    of_quantity = {(v.variant, v.reference): v for v in paper.values if v.quantity == quantity}
    return next((of_quantity[pair] for pair in _spellings(own, other) if pair in of_quantity), None)


_OF_CRITERION = re.compile(r"(?P<criterion>random|(?:loss|grad|cluster_p|cluster_b)(?:_inv)?)-(?P<fraction>[0-9.]+)")


def _spellings(run: str, reference: str) -> Iterator[tuple[str, str]]:
    """(variant, reference) under which scalars.csv may have this pair, the one that is its own first."""
    yield run, reference
    if pruned := _OF_CRITERION.fullmatch(run):
        criterion, fraction = pruned["criterion"], pruned["fraction"]
        yield f"each_criterion-{fraction}", reference
        yield "each_criterion", reference
        if reference == f"{criterion}_inv-{fraction}":
            yield f"criterion-{fraction}", f"inverse-{fraction}"
