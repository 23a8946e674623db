"""The papers' printed numbers, to stand beside ours (resources/paper/scalars.csv)."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from steadyflow.artifacts import UserError

Row = TypeVar("Row", bound=Any)


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


def read_rows(path: Path | str, kind: type[Row]) -> list[Row]:
    """Every row of a CSV file as a dataclass of texts. Raises UserError when its columns are not the fields."""
    columns = [field.name for field in fields(kind)]
    with Path(path).open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        if reader.fieldnames != columns:
            raise UserError(f"{path}: expected the columns {', '.join(columns)}, found {reader.fieldnames}")
        return [kind(**row) for row in reader]


def paper_value(
    values: Sequence[PaperValue], quantity: str, variant: str, reference: str = "", *, dataset: str = "celebahq"
) -> PaperValue | None:
    """What the paper prints for one quantity of one variant, or None where it prints nothing."""
    wanted = (dataset, quantity, variant, reference)
    return next((v for v in values if (v.dataset, v.quantity, v.variant, v.reference) == wanted), None)
