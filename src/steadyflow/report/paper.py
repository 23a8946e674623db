"""The papers' printed numbers, to stand beside ours (resources/paper/scalars.csv)."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from steadyflow.ground.artifacts import read_rows


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


def read_paper_values(path: Path | str) -> list[PaperValue]:
    """Every row of a scalars.csv. Raises UserError when its columns are not the known ones."""
    return read_rows(path, PaperValue)


def paper_value(
    values: Sequence[PaperValue], quantity: str, variant: str, reference: str = "", *, dataset: str = "celebahq"
) -> PaperValue | None:
    """What the paper prints for one quantity of one variant, or None where it prints nothing."""
    wanted = (dataset, quantity, variant, reference)
    return next((v for v in values if (v.dataset, v.quantity, v.variant, v.reference) == wanted), None)
