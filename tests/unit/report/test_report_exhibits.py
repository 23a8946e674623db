"""Every file of report/tables and report/figures is well-formed, and one that is not is named."""

import inspect

import pytest
from docutils.core import publish_parts
from docutils.utils import SystemMessage

from steadyflow.ground.artifacts import UserError
from steadyflow.report.exhibits import read_exhibit
from steadyflow.report.typeset import Table
from steadyflow.stages.exhibits import FIGURES, TABLES, checked
from steadyflow.stages.readings import CONDITIONS, READINGS

EXHIBITS = [*TABLES.values(), *FIGURES.values()]
EXHIBIT = '''"""A caption
on two lines."""

TITLE = "A title"
CATEGORY = "Quality"
NEEDS = "runs"


def _helper(anything):
    return anything


def table(quality, labels, *, encoders):
    return _helper(quality)
'''


@pytest.mark.parametrize("exhibit", EXHIBITS, ids=lambda exhibit: f"{exhibit.kind} {exhibit.name}")
def test_every_exhibit_is_what_its_text_says(exhibit):
    assert tuple(inspect.signature(exhibit.make).parameters) == exhibit.reads
    returned = inspect.get_annotations(exhibit.make)["return"]
    assert returned is Table if exhibit.kind == "table" else str(returned).startswith("list[")
    try:
        publish_parts(exhibit.caption, writer="html", settings_overrides={"halt_level": 2})
    except SystemMessage as message:
        pytest.fail(f"{exhibit.file}: its caption is no reStructuredText: {message}")


def test_every_reading_and_every_condition_is_of_use():
    assert {name for exhibit in EXHIBITS for name in exhibit.reads} == set(READINGS)
    assert {exhibit.needs for exhibit in EXHIBITS} == set(CONDITIONS)


def read(folder, text):
    file = folder / "measured.py"
    file.write_text(text, encoding="utf-8")
    return read_exhibit(file, "table")


def test_an_exhibit_is_read_from_its_text(tmp_path):
    found = read(tmp_path, EXHIBIT)
    assert (found.name, found.kind, found.caption) == ("measured", "table", "A caption on two lines.")
    assert (found.title, found.category, found.needs) == ("A title", "Quality", "runs")
    assert found.reads == ("quality", "labels", "encoders")


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('"""A caption\non two lines."""', "", "has no docstring"),
        ('TITLE = "A title"\n', "", "has no TITLE"),
        ('TITLE = "A title"', "TITLE = make_title()", "has no TITLE"),
        ('NEEDS = "runs"', 'NEEDS = ""', "has no NEEDS"),
        ('"Quality"', '"Beauty"', "CATEGORY 'Beauty' is none of Data, "),
        ("def table", "def tables", "public function is to be `table`, found tables"),
        ("def _helper", "def helper", "public function is to be `table`, found helper, table"),
        ("*, encoders", "encoders=()", "neither defaults nor stars"),
        ("*, encoders", "*, encoders=()", "neither defaults nor stars"),
        ("*, encoders", "*encoders", "neither defaults nor stars"),
        ("*, encoders", "**encoders", "neither defaults nor stars"),
    ],
)
def test_what_an_exhibit_lacks_is_said_with_its_file(before, after, message, tmp_path):
    assert before in EXHIBIT
    with pytest.raises(UserError) as raised:
        read(tmp_path, EXHIBIT.replace(before, after))
    assert message in str(raised.value) and "measured.py" in str(raised.value)


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("quality, labels", "quality, lables", "`table` takes lables, and nothing of that name is read"),
        ('"runs"', '"many runs"', "NEEDS 'many runs' is unknown (known: dataset, "),
    ],
)
def test_what_is_not_known_is_named(before, after, message, tmp_path):
    exhibit = read(tmp_path, EXHIBIT.replace(before, after))
    with pytest.raises(UserError) as raised:
        checked({exhibit.name: exhibit})
    assert message in str(raised.value) and "measured.py" in str(raised.value)
