"""Text for a terminal: aligned tables, durations and optional numbers."""

import math
from collections.abc import Collection, Sequence


def table_lines(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows of cells, all of one length, as aligned lines; the columns `right` are aligned at their right edges."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [str.rjust if column in right else str.ljust for column in range(len(widths))]
    aligned = (map(lambda cell, side, width: side(cell, width), row, sides, widths) for row in rows)
    return ["  ".join(cells).rstrip() for cells in aligned]


def duration(seconds: float | None) -> str:
    """Like 45 s, 12 min, 3 h 20 min, 2 d 4 h; "" where it is not known."""
    if seconds is None:
        return ""
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 100:
        return f"{seconds:.0f} s"
    if minutes < 100:
        return f"{minutes} min"
    if hours < 48:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"


def number_or_blank(value: float | None, form: str, unit: str = "") -> str:
    """`value` in the format `form`, followed by `unit`; "" where it is None or NaN."""
    return "" if value is None or math.isnan(value) else f"{value:{form}}{unit}"
