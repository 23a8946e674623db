import re

import numpy as np
import pytest
from support.report_frames import PAPER, PAPER_VALUES, every_metric, make_table

from steadyflow.evaluate.metrics import Metric
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import PAPER_DATASETS
from steadyflow.report.columns import assemble, text_column
from steadyflow.report.numbers import decimals_for, number, with_interval, with_sd
from steadyflow.report.paper import paper_value, printed_of, read_paper_values
from steadyflow.report.typeset import escape_latex, latex, markdown


def measure(value, ci_low=np.nan, ci_high=np.nan, sd=np.nan):
    return Metric("d", "r", "", "m", "probe", "p", value, n=10, seed=0, ci_low=ci_low, ci_high=ci_high, sd=sd)


def test_numbers_read_well():
    assert with_interval(measure(1.234, 1.1, 1.349), 2) == "1.23 [1.10, 1.35]"
    assert with_interval(measure(1.234), 2) == "1.23"
    assert with_sd(measure(-0.5, sd=0.25), 2) == "−0.50 ± 0.25"
    assert number(-0.0001, 2) == "0.00"
    assert number(np.nan, 2) == "–"
    assert [decimals_for(v) for v in ([24.2], [0.081, 0.05], [1530.0], [])] == [1, 4, 0, 2]


def test_latex_prints_what_was_meant():
    assert escape_latex(r"50% of a_b & c#1 ±{x}\y") == r"50\% of a\_b \& c\#1 $\pm$\{x\}\textbackslash{}y"
    text = latex(assemble("T", "C", text_column("A_1", ["[x]", "a|b"], {"a": [1, 2]})), "tab:t")
    assert "A\\_1 \\\\" in text
    assert "\n{}[x] \\\\" in text
    assert r"\begin{tabular}{l}" in text
    assert r"\cmidrule" not in text


def test_latex_groups_span_their_columns():
    text = latex(make_table("similarity_to_unpruned", every_metric()), "tab:s")
    assert r"\multicolumn{4}{c}{cosine (probe)} & \multicolumn{2}{c}{latent distance (L2)}" in text
    assert r"\cmidrule(lr){2-5} \cmidrule(lr){6-7} \cmidrule(lr){8-8}" in text
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0]
    spans = [line.count("&") + sum(int(n) - 1 for n in re.findall(r"multicolumn\{(\d)", line))
             for line in body.splitlines() if line.endswith(r"\\")]  # fmt: skip
    assert set(spans) == {7}


def test_markdown_keeps_a_bar_inside_its_cell():
    assert r"| a\|b |" in markdown(assemble("T", "C", text_column("A", ["a|b"], {"a": [1]})))


def test_paper_values_keep_their_digits_and_name_their_source():
    value = paper_value(PAPER, "fid", "cluster_b-0.5")
    assert value is not None
    assert (str(value), value.source) == ("22.80", "Amazing Stability, Table 1a; Exploiting Stability, App. A.1")
    assert str(paper_value(PAPER, "arcface", "half_a", "half_b")) == "0.69 ± 0.12"
    assert paper_value(PAPER, "fid", "no such run") is None
    # Two architectures are compared with each other in one paper, and with the reference in the other.
    assert str(paper_value(PAPER, "arcface", "DiT-XL-2", "DiT-S-4")) == "0.81 ± 0.12"
    assert str(paper_value(PAPER, "arcface", "DiT-XL-2", "unpruned")) == "0.81"


def test_paper_values_are_those_of_one_dataset():
    assert printed_of(PAPER_VALUES, "").values == []
    assert {v.dataset for v in printed_of(PAPER_VALUES, "celebahq-512").values} == {"celebahq-512"}
    assert paper_value(printed_of(PAPER_VALUES, "ffhq"), "arcface", "unmatched", "any") is None
    assert {v.dataset for v in PAPER_VALUES} - {"synth"} <= PAPER_DATASETS.keys()


def test_table_2_is_in_numbers():
    """Female and male fraction, FD in CLIP, thousands of iterations, as printed."""
    printed = {
        "male_only+female_only": (50, 50, "6.25", 50),
        "cluster_b_gender": (55, 45, "5.62", 80),
        "gender_oversampled": (55, 45, "5.40", 120),
        "unpruned": (67, 33, "5.29", 140),
    }
    for run, (female, male, fd, thousands) in printed.items():
        values = {q: paper_value(PAPER, q, run).value for q in ("share_female", "share_male", "training_iterations")}
        assert values == {
            "share_female": f"0.{female}", "share_male": f"0.{male}", "training_iterations": f"{thousands}000"
        }  # fmt: skip
        assert paper_value(PAPER, "fd_clip", run).value == fd
    assert not [v for v in PAPER_VALUES if re.search(r"\b00[0-4]\b", v.source)]


def test_paper_values_of_an_unknown_shape_are_refused(tmp_path):
    (tmp_path / "p.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the columns dataset"):
        read_paper_values(tmp_path / "p.csv")
