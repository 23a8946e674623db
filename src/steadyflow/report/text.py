"""Tables for a terminal."""

from collections.abc import Collection, Sequence


def table_lines(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    """Rows of text, all of one length, as aligned lines; `right`: the columns whose cells end, not begin, together."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    sides = [str.rjust if column in right else str.ljust for column in range(len(widths))]
    aligned = (map(lambda cell, side, width: side(cell, width), row, sides, widths) for row in rows)
    return ["  ".join(cells).rstrip() for cells in aligned]
