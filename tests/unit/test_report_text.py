from steadyflow.report.text import table_lines


def test_rows_are_aligned_left_and_numbers_right_with_nothing_trailing():
    assert table_lines([("a", "b"), ("long", "c")]) == ["a     b", "long  c"]
    assert table_lines([("what", "n"), ("x", "1,000")], right=(1,)) == ["what      n", "x     1,000"]
