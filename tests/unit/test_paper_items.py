"""resources/paper/items.csv: what of the papers can be made, and from which study."""

import re
from pathlib import Path

import pytest

from steadyflow.claims import read_claims
from steadyflow.report.paper import read_paper_values
from steadyflow.report.papers_page import papers_page, read_items
from steadyflow.stages.exhibits import EXHIBITS, shown
from steadyflow.study import load_study

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "resources" / "paper"
ITEMS, CLAIMS = read_items(PAPER / "items.csv"), read_claims(PAPER / "claims.csv")
MADE = [(item, study) for item in ITEMS if not item.absent for study in item.studies.split()]


@pytest.mark.parametrize(("item", "study"), MADE, ids=lambda each: getattr(each, "item", each))
def test_each_target_of_an_item_is_one_that_an_evaluation_of_its_study_shows(item, study):
    loaded = load_study(ROOT / "studies" / f"{study}.yaml")
    there = {
        f"{kind}_{name}"
        for kind, exhibits in EXHIBITS.items()
        for dataset in loaded.evaluations
        for name in shown(exhibits, loaded, dataset)
    }
    assert set(item.targets.split()) <= there
    assert item.targets


def test_every_item_that_is_made_has_a_study_and_stands_once():
    assert all(item.studies for item in ITEMS if not item.absent)
    named = [(item.document, item.item) for item in ITEMS]
    assert len(set(named)) == len(named)


def test_what_cannot_be_made_yet():
    """Whoever makes one strikes it off here, in items.csv and in docs/papers.md."""
    absent = {(item.document, item.item) for item in ITEMS if item.absent}
    assert absent == {
        *(("Exploiting Stability", f"Fig. {number}") for number in ("1", "2", "5", "6 top left", "8", "9", "11", "16")),
        ("Exploiting Stability", "Table 4"),
        *(("Closed Form", f"Fig. {number}") for number in (1, 2, 3)),
        *(("OT-CFM slides", slide) for slide in ("Comparison in 2d", "FID along training", "FID by NFE")),
    }


def test_every_figure_and_table_that_numbers_and_claims_are_from_is_an_item():
    named = {(item.document, *_number(item.item)) for item in ITEMS}
    sources = {each.source for each in (*CLAIMS, *read_paper_values(PAPER / "scalars.csv"))}
    cited = {
        (document, *number)
        for source in sources
        for document, _, place in (part.partition(", ") for part in source.split("; "))
        if (number := _number(place))
    }
    assert len(cited) > 15
    assert cited <= named


def _number(place):
    """("Fig.", "4") of "Fig. 4a"; () of a section."""
    found = re.match(r"(Fig\.|Table) (\d+)", place)
    return found.groups() if found else ()


def test_the_page_is_that_of_the_tables():
    page = (ROOT / "docs" / "papers.md").read_text(encoding="utf-8")
    assert page == papers_page(ITEMS, CLAIMS), "python -m steadyflow.report.papers_page > docs/papers.md"
