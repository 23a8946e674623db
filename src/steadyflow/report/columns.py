"""A table is built column by column: what is shown, and what goes to the CSV."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from steadyflow.evaluate.metrics import Metric, find_metric
from steadyflow.report.numbers import NOTHING, decimals_for, value_alone
from steadyflow.report.paper import PaperValue
from steadyflow.report.shared_seeds import with_mark
from steadyflow.report.typeset import Column, Table


@dataclass(frozen=True)
class Filled:
    """One shown column: its heading, its cells from top to bottom, and its CSV columns by name."""

    column: Column
    cells: Sequence[str]
    raw: Mapping[str, Sequence[Any]]


def text_column(
    header: str, cells: Sequence[str], raw: Mapping[str, Sequence[Any]], *, numeric: bool = False
) -> Filled:
    """Words, or numbers that need no rounding."""
    return Filled(Column(header, numeric=numeric), cells, raw)


def name_column(header: str, kind: str, labels: Mapping[str, str]) -> Filled:
    """The first column of a table of runs or tokenizers: labels shown, names and labels in the CSV."""
    return text_column(header, list(labels.values()), {kind: list(labels), "label": list(labels.values())})


def model_column(labels: Mapping[str, str]) -> Filled:
    return name_column("Model", "run", labels)


def pair_columns(
    pairs: Sequence[tuple[str, str]], labels: Mapping[str, str], shared_seeds: Collection[tuple[str, str]]
) -> tuple[Filled, Filled]:
    """The first columns of a table of pairs (run, reference), with a mark on those whose trainings share a seed."""
    runs, references = [run for run, _ in pairs], [reference for _, reference in pairs]
    return (
        text_column("Model", [with_mark(labels[pair[0]], pair, shared_seeds) for pair in pairs], {"run": runs}),
        text_column(
            "Against",
            [labels[reference] for reference in references],
            {"reference": references, "shared_seed": [pair in shared_seeds for pair in pairs]},
        ),
    )


def measured_column(
    header: str,
    measures: Sequence[Metric],
    show: Callable[[Metric, int], str],
    *,
    group: str = "",
    decimals: int | None = None,
    raw_prefix: str = "",
    raw_suffix: str = "",
) -> Filled:
    """Measured numbers of one metric, all with the same decimals (None: as many as their size asks for).

    `raw_prefix` and `raw_suffix` stand around the names of the CSV columns, where several columns are of one metric.
    """
    shown_decimals = decimals_for(m.value for m in measures) if decimals is None else decimals
    metric = raw_prefix + (measures[0].metric if measures else header) + raw_suffix
    raw: dict[str, list[float]] = {metric: [m.value for m in measures]}
    raw |= {f"{metric}_{field}": [getattr(m, field) for m in measures] for field in ("ci_low", "ci_high", "sd", "n")}
    return Filled(Column(header, group), [show(m, shown_decimals) for m in measures], raw)


def optional_column(
    header: str, metrics: pd.DataFrame, metric: str, labels: Mapping[str, str], *, decimals: int | None = None
) -> Filled:
    """The values alone, their intervals in the CSV; "not measured" in every row where no row has this metric."""
    if metric not in set(metrics["metric"]):
        return text_column(header, ["not measured"] * len(labels), {metric: [float("nan")] * len(labels)})
    measures = [find_metric(metrics, metric, name) for name in labels]
    return measured_column(header, measures, value_alone, decimals=decimals)


def paper_columns(header: str, quantity: str, values: Sequence[PaperValue | None], *, group: str = "") -> list[Filled]:
    """One column of the paper's numbers as printed, with a dash where it prints none; no column where it prints none
    at all, or the study does not reproduce its dataset."""
    if not any(values):
        return []
    raw = {
        f"paper_{quantity}": [v.value if v else "" for v in values],
        f"paper_{quantity}_sd": [v.sd if v else "" for v in values],
    }
    return [Filled(Column(header, group), [str(v) if v else NOTHING for v in values], raw)]


def words(name: str) -> str:
    """A name of the study as a heading has it."""
    return name.replace("_", " ")


def assemble(title: str, caption: str, *filled: Filled) -> Table:
    """Columns from left to right as one table."""
    raw = pd.DataFrame({name: list(values) for column in filled for name, values in column.raw.items()})
    rows = tuple(zip(*(f.cells for f in filled), strict=True))
    return Table(title, caption, tuple(f.column for f in filled), rows, raw)
