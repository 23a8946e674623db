"""The headline of a finished study."""

import pandas as pd

from steadyflow.monitor.summary import similarity_lines, verdict_line


def test_each_run_is_a_line_under_the_number_of_pairs():
    cosines = {"matched": 0.8, "matched_sd": 0.1, "unmatched": 0.3, "unmatched_sd": 0.2}
    cosines |= {"difference": 0.5, "difference_ci_low": 0.45, "difference_ci_high": 0.55, "matched_n": 2000}
    values = {f"probe_cosine_{name}": value for name, value in cosines.items()}
    table = pd.DataFrame(
        [{"run": run, "label": label, **values} for run, label in (("a", "half"), ("b", "a longer label"), ("c", ""))]
    )
    lines = similarity_lines(table, {"a", "b"}, "probe")
    assert lines[0].startswith("n = 2000; ")
    assert lines[2].startswith("trained on       same noise")
    assert lines[3:] == [
        "half             0.800 ± 0.100   0.300 ± 0.200   0.500 [0.450, 0.550]",
        "a longer label   0.800 ± 0.100   0.300 ± 0.200   0.500 [0.450, 0.550]",
    ]


def test_verdicts_are_counted():
    verdicts = ["holds", "not measured", "not measured", "not measured", "holds", "fails"]
    assert verdict_line(verdicts) == "The papers' claims: 3 not measured, 2 holds, 1 fails"
