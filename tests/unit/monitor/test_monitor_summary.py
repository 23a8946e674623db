"""The headline of a finished study."""

import pandas as pd

from steadyflow.monitor.summary import beyond_lines, similarity_lines, verdict_line


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


def test_shares_stand_beside_those_of_the_gaussian_flows_and_dashes_where_nothing_was_measured():
    nan = float("nan")
    shares = {"share_kept": (88, 87, 90), "share_kept_gaussian": (99, 98, 99), "share_beyond": (61, 58, 64)}
    ends = ("", "_ci_low", "_ci_high")
    half = {name + end: v / 100 for name, values in shares.items() for end, v in zip(ends, values, strict=True)}
    alone = dict.fromkeys(half, nan)
    numbers = {"fd": 13.24, "fd_gaussian": 46.61, "held_out_loss": 0.6149, "held_out_loss_gaussian": 0.7231}
    flow = {"fd": 46.61, "fd_gaussian": nan, "held_out_loss": nan, "held_out_loss_gaussian": nan}
    head, first, second = beyond_lines(
        pd.DataFrame([{"label": "random half", **half, **numbers}, {"label": "Gaussian flow", **alone, **flow}])
    )
    assert head.split()[:6] == ["%", "of", "the", "mapping", "kept", "by"]
    assert first.split("  ")[0] == "random half"
    for part in ("88 [87, 90]", "99 [98, 99]", "61 [58, 64]", "13.2 (46.6)", "0.615 (0.723)"):
        assert part in first
    assert second.split() == ["Gaussian", "flow", "–", "–", "–", "46.6", "–"]
