import pytest

from steadyflow.report.text import duration, number_or_blank, table_lines


def test_rows_are_aligned_left_and_numbers_right_with_nothing_trailing():
    assert table_lines([("a", "b"), ("long", "c")]) == ["a     b", "long  c"]
    assert table_lines([("what", "n"), ("x", "1,000")], right=(1,)) == ["what      n", "x     1,000"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.4, "0 s"),
        (99, "99 s"),
        (100, "2 min"),
        (5940, "99 min"),
        (6000, "1 h 40 min"),
        (12_000, "3 h 20 min"),
        (187_200, "2 d 4 h"),
    ],
)
def test_durations(seconds, text):
    assert duration(seconds) == text


def test_an_unknown_number_is_blank():
    assert number_or_blank(1234.5, ",.0f", " MB") == "1,234 MB"
    assert number_or_blank(None, ".1%") == number_or_blank(float("nan"), ".1%") == ""
