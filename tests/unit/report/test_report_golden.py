"""What a table prints and a figure draws is what the metrics' files say, to the last digit."""

import numpy as np
import pandas as pd
import pytest
from support.report_frames import LABELS, TABLES, draw, every_metric, make_table

from steadyflow.evaluate.metrics import read_metrics
from steadyflow.ground.artifacts import write_parquet
from steadyflow.report.typeset import write_table

FIELDS = ("value", "ci_low", "ci_high", "sd", "n")
# Table -> CSV column -> what the metrics say of a row of the table: metric, encoder, reference.
MEASURED = {
    "fd_by_criterion": {"probe_fd": ("fd", "probe", "")},
    "quality": {
        name: (name, "probe", "")
        for name in (
            "fd",
            "fd_infinity",
            "fd_train",
            "kid",
            "precision",
            "recall",
            "f_score",
            "density",
            "coverage",
            "clipped_density",
            "clipped_coverage",
            "diversity",
        )
    },
    "copies": {
        name: (name, "probe", "")
        for name in ("f_mem", "f_mem_held_out", "authenticity", "authenticity_held_out", "gl", "gl_held_out", "fd_gap")
    },
    "similarity_to_unpruned": {
        **{f"probe_cosine_{name}": (f"cosine_{name}", "probe", "unpruned") for name in ("difference", "top1")},
        "latent_l2_matched": ("latent_l2_matched", "latent", "unpruned"),
    },
    "similarity_to_inverse": {
        f"probe_cosine_{name}": (f"cosine_{name}", "probe", "loss_inv-0.5") for name in ("matched", "unmatched")
    },
    "path_deviation": {
        f"path_deviation_{name}": (f"path_deviation_{name}", "latent", None)
        for name in ("matched", "median", "p95", "unmatched")
    },
    # Shares follow from several metrics; their own test computes them.
    "beyond_gaussian_flow": {"fd": ("fd", "probe", ""), "held_out_loss": ("held_out_loss", "latent", "")},
    "replication": {name: (name, "probe", None) for name in ("rp", "rp_threshold")},
    "similarity_by_mode": {
        f"cosine_matched[clip.sex={sex}]": (f"cosine_matched[clip.sex={sex}]", "probe", "unpruned")
        for sex in ("female", "male")
    },
    "mode_balance": {
        **{f"share[sex={sex}]": (f"share[sex={sex}]", "clip", "") for sex in ("female", "male")},
        "probe_fd": ("fd", "probe", ""),
    },
    "fairness": {
        f"{by}_kl_{attribute}_to_{reference}": (f"kl_{attribute}", by, reference)
        for by, attribute in (("probe", "hair_length"), ("clip", "hair_length"), ("clip", "age"))
        for reference in ("uniform", "training_data")
    },
    "memorisation": {"probe_nn_ratio": ("nn_ratio", "probe", ""), "probe_kept_ratio": ("kept_ratio", "probe", "")},
    "tokenizers": {name: (name, "", "") for name in ("psnr", "ssim", "lpips", "sharpness", "perplexity")},
}


@pytest.fixture
def stored(tmp_path):
    """Metrics as a study leaves them: two files of Parquet, read as one."""
    metrics = every_metric()
    for name, part in {"a": metrics[::2], "b": metrics[1::2]}.items():
        write_parquet(tmp_path / f"{name}.parquet", part)
    return read_metrics([tmp_path / "a.parquet", tmp_path / "b.parquet"])


@pytest.mark.parametrize("name", TABLES)
def test_the_csv_holds_exactly_the_numbers_of_the_metrics(name, stored, tmp_path):
    write_table(make_table(name, stored), tmp_path / name)
    csv = pd.read_csv(tmp_path / f"{name}.csv", keep_default_na=False, na_values=[""])
    if name == "claims":
        assert csv["verdict"].tolist() == ["holds", "not measured"]
        return
    rows = stored.set_index(["run", "metric", "encoder", "reference"])
    if name == "classifiers":
        # A row of it is an attribute; its own test compares them.
        return
    compared = 0
    for column, (metric, encoder, reference) in MEASURED[name].items():
        for _, row in csv.iterrows():
            of_labels = row.get("label") == "Training data, labels"
            key = (
                row["tokenizer"] if name == "tokenizers" else row["run"],
                metric,
                "labels" if of_labels else encoder,
                row["reference"] if reference is None else reference,
            )
            # Labels have a row of their own where a classifier predicts the same values.
            there = key in rows.index and not (of_labels and not column.startswith("probe_"))
            for field in FIELDS:
                shown = row[column if field == "value" else f"{column}_{field}"]
                if there:
                    assert shown == rows.loc[key, field], (key, field)
                    compared += 1
                else:
                    assert shown == 0 if field == "n" else pd.isna(shown), (key, field)
    assert compared >= 5


def test_the_columns_above_are_those_of_every_table(stored):
    """But for what similarity tables repeat of the same kind."""
    assert set(MEASURED) == set(TABLES) - {"claims", "classifiers"}
    for name in ("fd_by_criterion", "quality", "path_deviation", "memorisation", "copies", "replication", "fairness"):
        raw = make_table(name, stored).raw
        assert {column for column in raw if f"{column}_ci_low" in raw} == set(MEASURED[name])


def test_a_figure_draws_the_stored_numbers(stored):
    read = {"quality": stored, "groups": {"": LABELS}, "encoders": ["probe"], "reference": "unpruned"}
    axes = draw("fd_by_criterion", **read, inverse_runs=[])[0].axes[0]
    fd = stored[stored["run"].isin(LABELS)].query("metric == 'fd' and encoder == 'probe'").set_index("run")
    order = fd["value"].sort_values().index
    drawn = [container[0].get_xdata()[0] for container in axes.containers]
    assert drawn == fd.loc[order, "value"].tolist()
    ends = [container[2][0].get_segments()[0][:, 0] for container in axes.containers]
    np.testing.assert_allclose(ends, fd.loc[order, ["ci_low", "ci_high"]], rtol=1e-12)
    pairs = {("loss-0.5", "unpruned"): "a", ("loss_inv-0.5", "unpruned"): "b"}
    axes = draw("similarity_by_run", similarity=stored, comparisons={"": pairs})[0].axes[0]
    cosines = stored[stored["encoder"] == "probe"].set_index(["run", "reference", "metric"])["value"]
    means = [container[0].get_xdata()[0] for container in axes.containers]
    kinds = ("cosine_matched", "cosine_unmatched")
    assert means == [cosines[(*pair, kind)] for pair in pairs for kind in kinds]
