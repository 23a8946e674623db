"""A table as four files: .csv for machines, .md for GitHub, .tex (booktabs) for the paper, .html for the report.

Not pandas' Styler, which was tried. In LaTeX it has no rule under grouped headings, no font size, no guard for a cell
that begins with a bracket after the end of a row, and escapes neither ± and − nor <: the same bytes take 26 lines, a
third of them edits of its output, where `latex` and its helpers take 35. In HTML it gives every cell an id and the
classes of its row and column, half as many bytes again, and numeric headings no class; Markdown needs one more package
(tabulate).
"""

from dataclasses import dataclass
from html import escape
from itertools import groupby
from pathlib import Path

import pandas as pd

from steadyflow.ground.artifacts import atomic_path, write_text


@dataclass(frozen=True)
class Column:
    """A heading. Neighbours of the same `group` share a heading above theirs."""

    header: str
    group: str = ""
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """`rows` as a reader sees them, one string per column; `raw` the same in full precision."""

    title: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[str, ...], ...]
    raw: pd.DataFrame


def write_table(table: Table, stem: Path | str) -> None:
    """Writes `stem`.csv, `stem`.md, `stem`.tex and `stem`.html."""
    stem = Path(stem)
    with atomic_path(f"{stem}.csv") as temporary:
        table.raw.to_csv(temporary, index=False)
    write_text(f"{stem}.md", markdown(table))
    write_text(f"{stem}.html", html(table))
    write_text(f"{stem}.tex", latex(table, label=f"tab:{stem.name}"))


def markdown(table: Table) -> str:
    """A GitHub table under its title. Markdown has one heading line, so a group becomes a prefix."""
    headers = [f"{c.group}: {c.header}" if c.group else c.header for c in table.columns]
    lines = [
        _markdown_row(headers),
        _markdown_row(["---:" if c.numeric else ":---" for c in table.columns]),
        *map(_markdown_row, table.rows),
    ]
    return f"### {table.title}\n\n" + "\n".join(lines) + f"\n\n{table.caption}\n"


def _markdown_row(cells: tuple[str, ...] | list[str]) -> str:
    return "| " + " | ".join(cell.replace("|", r"\|") for cell in cells) + " |"


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>
body {{ font: 14px/1.45 system-ui, sans-serif; color: #222; margin: 1.5rem; }}
table {{ border-collapse: collapse; border-top: 2px solid #222; border-bottom: 2px solid #222; }}
th, td {{ padding: .3rem .7rem; text-align: left; vertical-align: bottom; white-space: nowrap; }}
thead tr:last-child th {{ border-bottom: 1px solid #222; white-space: normal; }}
.number {{ text-align: right; font-variant-numeric: tabular-nums; }}
.group {{ text-align: center; border-bottom: 1px solid #999; }}
p {{ max-width: 60rem; color: #555; }}
</style></head><body><h1 style="font-size: 1.2rem">{title}</h1><table><thead>
{head}
</thead><tbody>
{body}
</tbody></table><p>{caption}</p></body></html>
"""


def html(table: Table) -> str:
    """A page that needs nothing but itself."""

    def row(tag: str, cells: tuple[str, ...]) -> str:
        kinds = [' class="number"' if column.numeric else "" for column in table.columns]
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for kind, cell in zip(kinds, cells, strict=True))

    head = [row("th", tuple(column.header for column in table.columns))]
    groups = [(name, len(list(members))) for name, members in groupby(column.group for column in table.columns)]
    if any(name for name, _ in groups):
        kinds = {True: ' class="group"', False: ""}
        above = [f'<th colspan="{span}"{kinds[bool(name)]}>{escape(name)}</th>' for name, span in groups]
        head.insert(0, "".join(above))
    return _PAGE.format(
        title=escape(table.title),
        caption=escape(table.caption),
        head="\n".join(f"<tr>{cells}</tr>" for cells in head),
        body="\n".join(f"<tr>{row('td', cells)}</tr>" for cells in table.rows),
    )


def latex(table: Table, label: str) -> str:
    """A booktabs table. Needs `\\usepackage{booktabs}`."""
    headings = [_latex_groups(table.columns)] if any(c.group for c in table.columns) else []
    headings.append(_latex_row(tuple(c.header for c in table.columns)))
    # A wide table spans both columns of a two-column page.
    environment = "table*" if len(table.columns) > 5 else "table"
    return "\n".join(
        [
            rf"\begin{{{environment}}}",
            r"\centering\small",
            rf"\caption{{{escape_latex(table.title)}. {escape_latex(table.caption)}}}",
            rf"\label{{{label}}}",
            rf"\begin{{tabular}}{{{''.join('r' if c.numeric else 'l' for c in table.columns)}}}",
            r"\toprule",
            *headings,
            r"\midrule",
            *map(_latex_row, table.rows),
            r"\bottomrule",
            r"\end{tabular}",
            rf"\end{{{environment}}}",
            "",
        ]
    )


def _latex_row(cells: tuple[str, ...]) -> str:
    return " & ".join(map(_latex_cell, cells)) + r" \\"


def _latex_cell(text: str) -> str:
    # After the \\ of the row above, a bracket would be read as its optional argument.
    return "{}" + escape_latex(text) if text.startswith(("[", "*")) else escape_latex(text)


def _latex_groups(columns: tuple[Column, ...]) -> str:
    """The line of group headings, and a rule under each."""
    cells, rules, first = [], [], 1
    for group, members in groupby(columns, key=lambda c: c.group):
        width = len(list(members))
        cells.append(rf"\multicolumn{{{width}}}{{c}}{{{escape_latex(group)}}}" if group else " & " * (width - 1))
        if group:
            rules.append(rf"\cmidrule(lr){{{first}-{first + width - 1}}}")
        first += width
    return " & ".join(cells) + r" \\" + "\n" + " ".join(rules)


_LATEX = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "<": r"\textless{}",
        ">": r"\textgreater{}",
        "|": r"\textbar{}",
        "±": r"$\pm$",
        "−": r"$-$",
        "–": "--",
        "×": r"$\times$",
        "∞": r"$\infty$",
        "†": r"$\dagger$",
        "→": r"$\rightarrow$",
        **{character: "\\" + character for character in "&%$#_{}"},
    }
)


def escape_latex(text: str) -> str:
    """Plain text as LaTeX that prints the same characters."""
    return text.translate(_LATEX)
