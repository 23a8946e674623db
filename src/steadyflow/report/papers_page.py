"""docs/papers.md: what of the papers can be made here, which of their claims are judged, and by what.

python -m steadyflow.report.papers_page > docs/papers.md
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from steadyflow.claims import RULES, Bounds, Claim, read_claims
from steadyflow.ground.artifacts import read_rows
from steadyflow.ground.constants import PAPER_DATASETS
from steadyflow.report.numbers import NOTHING

RESOURCES = Path(__file__).parents[3] / "resources" / "paper"
ABSENT = "absent"


@dataclass(frozen=True)
class PaperItem:
    """One row of items.csv: a figure, table or slide of a paper.

    targets: those that make it, separated by spaces, or "absent"
    studies: the studies that hold its runs, separated by spaces; "" if none does
    note: what differs, "" if nothing does
    """

    document: str
    item: str
    shows: str
    targets: str
    studies: str
    note: str

    @property
    def absent(self) -> bool:
        return self.targets == ABSENT


def read_items(path: Path | str) -> list[PaperItem]:
    """Every row of an items.csv. Raises UserError when its columns are not the fields of a PaperItem."""
    return read_rows(path, PaperItem)


def papers_page(items: Sequence[PaperItem], claims: Sequence[Claim]) -> str:
    """The page as Markdown."""
    absent = sum(item.absent for item in items)
    parts = [_INTRODUCTION.format(count=len(items), absent=absent)]
    for document in dict.fromkeys(item.document for item in items):
        rows = [
            (item.item, item.shows + (f" ({item.note})" if item.note else ""), _made_by(item), _links(item.studies))
            for item in items
            if item.document == document
        ]
        parts += [f"### {document}", _table(("item", "what it shows", "target", "studies"), rows)]
    judged = [
        (f"`{c.id}`", c.claim, c.source, _bound(c), PAPER_DATASETS.get(c.dataset, "any"), c.contradiction or NOTHING)
        for c in claims
    ]
    heads = ("claim", "in words", "source", "holds if", "dataset", "contradicted by")
    bounds = Bounds()
    reasons = [(f"`{name}`", f"{getattr(bounds, name):g}", reason) for name, reason in bounds.reasons.items()]
    parts += [_CLAIMS, _table(heads, judged), _BOUNDS, _table(("bound", "value", "why"), reasons)]
    return "\n\n".join(parts) + "\n"


def _made_by(item: PaperItem) -> str:
    return f"**{ABSENT}**" if item.absent else " ".join(f"`{target}`" for target in item.targets.split())


def _links(studies: str) -> str:
    return " ".join(f"[{name}](../studies/{name}.yaml)" for name in studies.split()) or NOTHING


def _bound(claim: Claim) -> str:
    """What its rule says after "Bound:"."""
    rule = RULES.get(claim.id)
    return " ".join((rule.__doc__ or "").partition("Bound: ")[2].split()) if rule else "no rule: not measured yet"


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(heads), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


_INTRODUCTION = """# The papers

*Made by `python -m steadyflow.report.papers_page` from [resources/paper](../resources/paper/README.md), which says
which documents these are.*

## Figures and tables

Of {count} figures, tables and slides with results, {absent} cannot be made yet. `snakemake TARGET --configfile
studies/STUDY.yaml` makes one of the others. The talk on the closed form shows figures of its paper. Figures 12 and 13
of *Exploiting Stability* are not listed."""

_CLAIMS = """## Claims

The table `claims` of every study judges them ([evaluation.md](evaluation.md)). A claim that is about one dataset is
judged only where a study says `reproduces:` with that dataset."""

_BOUNDS = """## Bounds

Of [claims/bounds.py](../src/steadyflow/claims/bounds.py), as fractions of 1. The table `claims` also has every verdict
at half and at twice of all but `overlap`."""


if __name__ == "__main__":
    print(papers_page(read_items(RESOURCES / "items.csv"), read_claims(RESOURCES / "claims.csv")), end="")
