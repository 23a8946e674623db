import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from steadyflow.artifacts import UserError
from steadyflow.claims import Finding, read_claims
from steadyflow.report import tables
from steadyflow.report.catalogue import TABLES
from steadyflow.report.columns import assemble, text_column
from steadyflow.report.measures import Measure, find_measure
from steadyflow.report.numbers import decimals_for, number, with_interval, with_sd
from steadyflow.report.paper import paper_value, read_paper_values
from steadyflow.report.typeset import escape_latex, latex, markdown, write_table

ROOT = Path(__file__).parents[2]
PAPER = read_paper_values(ROOT / "resources/paper/scalars.csv")
CLAIMS = read_claims(ROOT / "resources/paper/claims.csv")
NOTHING_FOUND = Finding("not measured")
LABELS = {"unpruned": "all data", "loss-0.5": "highest loss", "loss_inv-0.5": "lowest loss"}
PAIR = ("loss-0.5", "loss_inv-0.5")
COSINES = ("cosine_matched", "cosine_unmatched", "cosine_difference", "cosine_auc", "cosine_top1")
PIXELS = ("psnr", "ssim", "lpips", "sharpness", "perplexity")
TOKENIZERS = {"vq": "without", "vq-gan": "with"}
LOSSES = {"vq": "MSE", "vq-gan": "MSE + GAN"}
DEVIATIONS = tuple(f"path_deviation_{name}" for name in ("matched", "median", "p95", "unmatched"))
PERCEIVED = (("probe", "hair_length"), ("clip", "hair_length"), ("clip", "age"))
SEXES = ("female", "male")
QUALITY = ("fd", "fd_infinity", "kid", "precision", "recall", "f_score", "density", "coverage")
LATENTS = ("latent_l2_matched", "latent_l2_unmatched", "latent_l2_difference")


def row(run, metric, value, reference="", encoder="probe"):
    spread = {"ci_low": value - 0.01, "ci_high": value + 0.02, "sd": 0.05, "n": 2000, "seed": 0}
    spread |= {"note": "", "replicates": tuple(value + np.linspace(-0.001, 0.001, 20))}
    names = {"dataset": "faces", "run": run, "reference": reference, "metric": metric, "encoder": encoder}
    return {**names, "protocol": "euler-50", "value": value, **spread}


@pytest.fixture
def metrics():
    """Every metric of three runs; no two values are equal."""
    values = iter(np.random.default_rng(0).uniform(0.1, 9, 200))
    pairs = [*((run, "unpruned") for run in LABELS if run != "unpruned"), PAIR]
    rows = [row(run, metric, next(values)) for run in LABELS for metric in (*QUALITY, "nn_ratio")]
    rows += [row(run, "kept_ratio", next(values)) for run in LABELS if run != "unpruned"]
    rows.append(row("validation_images", "cosine_unmatched", next(values), "validation_images"))
    runs = ("training_data", *LABELS)
    rows += [row(run, f"kl_{name}", next(values), "uniform", by) for by, name in PERCEIVED for run in runs]
    rows += [row(run, f"kl_{name}", next(values), "training_data", by) for by, name in PERCEIVED for run in LABELS]
    rows.append(row("training_data", "kl_hair_length", 0.25, "uniform", "labels"))
    rows += [row(run, metric, next(values), ref) for run, ref in pairs for metric in COSINES]
    rows += [row(run, metric, next(values), ref, "latent") for run, ref in pairs for metric in LATENTS]
    rows += [row(run, metric, next(values), ref, "latent") for run, ref in pairs for metric in DEVIATIONS]
    rows.append(row(*PAIR[:1], "overlap", 0.0, PAIR[1], ""))
    rows += [row(run, f"share[sex={value}]", next(values), encoder="clip") for run in LABELS for value in SEXES]
    rows += [row(PAIR[0], f"cosine_matched[clip.sex={v}]", next(values), "unpruned") for v in SEXES]
    rows += [row(name, "rfd", next(values)) for name in TOKENIZERS]
    rows += [row(name, metric, next(values), encoder="") for name in TOKENIZERS for metric in PIXELS]
    rows += [row(name, "codes_used", 480.0, encoder="") for name in TOKENIZERS]
    return pd.DataFrame(rows)


@pytest.fixture
def runs():
    columns = {"run": list(LABELS), "criterion": [None, "loss", "loss_inv"], "pruning_fraction": [0.0, 0.5, 0.5]}
    return pd.DataFrame({**columns, "n_train": [20000, 10000, 10000]})


def tokenizers(metrics):
    return tables.tokenizers(metrics, TOKENIZERS, losses=LOSSES, codebook_sizes={"vq": 512, "vq-gan": 8192})


def fairness(metrics, **more):
    told = {"probe": ["hair_length"], "clip": ["hair_length", "age"]}
    words = {"labelled": {("probe", "hair_length")}, "beside": {"hair_length": "kl_gender"}}
    return tables.fairness(metrics, LABELS, PAPER, told=told, **{**words, **more})


def to_unpruned(metrics, encoders=("probe",)):
    return tables.similarity_to_unpruned(metrics, LABELS, PAPER, reference="unpruned", encoders=encoders)


def to_inverse(metrics):
    return tables.similarity_to_inverse(metrics, LABELS, PAPER, pairs=[PAIR], encoders=["probe"])


def by_mode(metrics):
    asked = {"encoder": "probe", "classifier": "clip", "attribute": "sex", "values": SEXES}
    return tables.similarity_by_mode(metrics, {PAIR[0]: "women only"}, reference="unpruned", **asked)


def mode_balance(metrics):
    asked = {"encoders": ["probe"], "classifier": "clip", "attribute": "sex", "values": SEXES}
    steps = dict.fromkeys(LABELS, "50 each")
    return tables.mode_balance(metrics, metrics, LABELS, PAPER, steps=steps, **asked)


def every_table(metrics, runs):
    return {
        "tokenizers": tokenizers(metrics),
        "fd_by_criterion": tables.fd_by_criterion(metrics, runs, LABELS, PAPER, encoders=["probe"]),
        "quality": tables.quality(metrics, LABELS, encoders=["probe"]),
        "claims": tables.claims([(CLAIMS[0], Finding("holds", "0.5 [0.4, 0.6]", 2000)), (CLAIMS[1], NOTHING_FOUND)]),
        "similarity_to_unpruned": to_unpruned(metrics),
        "similarity_to_inverse": to_inverse(metrics),
        "path_deviation": tables.path_deviation(metrics, LABELS, pairs=[("loss-0.5", "unpruned"), PAIR]),
        "similarity_by_mode": by_mode(metrics),
        "mode_balance": mode_balance(metrics),
        "fairness": fairness(metrics),
        "memorisation": tables.memorisation(metrics, LABELS, encoders=["probe"]),
    }


def test_quality_has_our_distance_and_the_papers_beside_it(metrics, runs):
    table = tables.fd_by_criterion(metrics, runs, LABELS, PAPER, encoders=["probe"])
    assert [c.header for c in table.columns[-2:]] == ["FD (probe)", "paper: FID, CelebA-HQ 256 (Inception)"]
    ours = find_measure(metrics, "fd", "loss-0.5").value
    assert table.rows[1][:4] == ("highest loss", "loss", "0.5", "10,000")
    assert table.rows[1][4].startswith(f"{ours:.2f} [{ours - 0.01:.2f}, ")
    assert [r[-1] for r in table.rows] == ["24.24", "33.92", "23.49"]
    assert table.rows[0][1] == "–"
    for fact in ("faces", "n = 2,000", "encoder probe", "euler-50", "seed 0", "95%"):
        assert fact in table.caption


def test_tokenizers_stand_beside_each_other(metrics):
    table = tokenizers(metrics)
    headers = ["Tokenizer", "Trained on", "PSNR (dB)", "SSIM", "LPIPS", "rFD (probe)", "Sharpness", "Codes used"]
    assert [c.header for c in table.columns] == [*headers, "Perplexity"]
    assert table.rows[1][:2] == ("with", "MSE + GAN")
    assert [r[7] for r in table.rows] == ["480 / 512", "480 / 8,192"]
    psnr, rfd = (find_measure(metrics, metric, "vq-gan").value for metric in ("psnr", "rfd"))
    assert table.rows[1][2] == f"{psnr:.2f}"
    assert table.rows[1][5] == f"{rfd:.2f} [{rfd - 0.01:.2f}, {rfd + 0.02:.2f}]"
    assert table.raw["psnr_ci_high"][1] == psnr + 0.02
    assert "encoder probe" in table.caption


def test_what_was_not_measured_says_so(metrics):
    table = tokenizers(metrics[metrics["metric"] != "lpips"])
    assert [r[4] for r in table.rows] == ["not measured", "not measured"]
    assert table.raw["lpips"].isna().all()
    assert "LPIPS is measured where" in table.caption
    assert "LPIPS is measured where" not in tokenizers(metrics).caption


def test_similarity_leaves_out_the_reference_itself(metrics):
    table = to_unpruned(metrics)
    assert [r[0] for r in table.rows] == ["highest loss", "lowest loss", "held-out images"]
    matched = find_measure(metrics, "cosine_matched", "loss-0.5", "unpruned").value
    assert table.rows[0][1] == f"{matched:.3f} ± 0.050"
    assert table.rows[1][-1] == "0.80 ± 0.13"
    assert "0.37 ± 0.11" in table.caption


def test_similarity_of_opposites_finds_the_papers_pair_in_either_order(metrics):
    table = to_inverse(metrics)
    assert table.rows[0][:2] == ("highest loss", "lowest loss")
    assert table.rows[0][2].startswith("0.00")
    assert table.rows[0][-1] == "0.72 ± 0.15"
    swapped = metrics.rename(columns={"run": "reference", "reference": "run"})
    table = tables.similarity_to_inverse(swapped, LABELS, PAPER, pairs=[PAIR[::-1]], encoders=["probe"])
    assert table.rows[0][-1] == "0.72 ± 0.15"


def test_deviations_of_paths_stand_pair_by_pair(metrics):
    table = tables.path_deviation(metrics, LABELS, pairs=[("loss-0.5", "unpruned"), PAIR])
    assert [r[:2] for r in table.rows] == [("highest loss", "all data"), ("highest loss", "lowest loss")]
    assert [(c.group, c.header) for c in table.columns[2:]] == [
        ("from the same noise", "mean"),
        ("from the same noise", "median"),
        ("from the same noise", "95th percentile"),
        ("from different noises", "mean"),
    ]
    found = [find_measure(metrics, metric, *PAIR).value for metric in DEVIATIONS]
    assert table.rows[1][2].startswith(f"{found[0]:.2f} [{found[0] - 0.01:.2f}, ")
    assert table.rows[1][5] == f"{found[3]:.2f} ± 0.05"
    assert list(table.raw["path_deviation_median"])[1] == found[1]
    assert "integral over t" in table.caption and "n = 2,000" in table.caption


def test_similarity_by_mode_has_a_column_for_each_value(metrics):
    table = by_mode(metrics)
    assert [(c.group, c.header) for c in table.columns[1:]] == [
        ("matched, where sex is", "female"),
        ("matched, where sex is", "male"),
        ("", "unmatched"),
    ]
    female = find_measure(metrics, "cosine_matched[clip.sex=female]", PAIR[0], "unpruned").value
    assert table.rows[0][1] == f"{female:.3f} ± 0.050"


def test_balanced_modes_stand_beside_what_they_generate(metrics):
    table = mode_balance(metrics)
    assert [c.header for c in table.columns] == [
        "Model", "female", "male", "FD (probe)", "Training steps", "paper: FD CLIP, CelebA-HQ 256"
    ]  # fmt: skip
    assert table.rows[0][0] == "all data"
    assert table.rows[0][-2:] == ("50 each", "5.29")
    metrics.loc[(metrics["run"] == "loss-0.5") & (metrics["metric"] == "fd"), "n"] = 7
    with pytest.raises(UserError, match="different n"):
        mode_balance(metrics)


def test_fairness_heads_the_papers_column_with_the_papers_attribute(metrics):
    table = fairness(metrics)
    assert [(c.group, c.header) for c in table.columns[1:]] == [
        ("KL to uniform (nats), probe", "hair length"),
        ("KL to training data (nats), probe", "hair length"),
        ("KL to uniform (nats), clip", "hair length"),
        ("KL to uniform (nats), clip", "age"),
        ("KL to training data (nats), clip", "hair length"),
        ("KL to training data (nats), clip", "age"),
        ("paper: KL, CelebA-HQ 256", "gender"),
    ]
    assert [r[-1] for r in table.rows] == ["–", "–", "0.044", "–", "0.040"]
    assert len(fairness(metrics, beside={}).columns) == 7


def test_fairness_mixes_no_classifiers(metrics):
    table = fairness(metrics)

    def value(run, reference, by, attribute):
        found = metrics.query("run == @run and reference == @reference and encoder == @by")
        return found.loc[found["metric"] == f"kl_{attribute}", "value"].item()

    assert [r[0] for r in table.rows[:2]] == ["Training data, labels", "Training data"]
    # Labels are of other values than what CLIP was asked for.
    assert [r[1:7] for r in table.rows[:1]] == [("0.250 [0.240, 0.270]", *"–––––")]
    assert [cell for cell in table.rows[1] if cell == "–"] == ["–"] * 4
    for place, run in enumerate(LABELS, start=2):
        for column, (by, name) in ((1, PERCEIVED[0]), (3, PERCEIVED[1]), (4, PERCEIVED[2])):
            own = value(run, "uniform", by, name)
            assert table.rows[place][column].startswith(f"{own:.3f} [")
            assert table.raw[f"{by}_kl_{name}_to_uniform"][place] == own
        from_training = value(run, "training_data", "clip", "age")
        assert table.rows[place][6] == f"{from_training:.3f}"
        assert table.raw["clip_kl_age_to_training_data_ci_high"][place] == from_training + 0.02


def test_fairness_has_no_row_of_labels_where_no_classifier_tells_the_same(metrics):
    assert [r[0] for r in fairness(metrics, labelled=()).rows] == ["Training data", *LABELS.values()]


def test_fairness_says_how_samples_were_made_and_not_how_many_were_unknown(metrics):
    counted = metrics.assign(protocol=[f"euler-50, {n} unknown" for n in range(len(metrics))])
    caption = fairness(counted).caption
    assert "protocol euler-50; seed" in caption and "left out" in caption


def test_what_is_infinite_says_so(metrics):
    far = metrics["reference"].eq("training_data") & metrics["metric"].eq("kl_age")
    table = fairness(metrics.assign(value=metrics["value"].mask(far, np.inf), ci_high=np.inf))
    assert [r[6] for r in table.rows] == ["–", "–", "∞", "∞", "∞"]
    assert table.rows[2][1].endswith(", ∞]")
    assert r"$\infty$" in latex(table, "tab:fairness")


def test_a_missing_number_is_named(metrics):
    without = metrics[~((metrics["metric"] == "nn_ratio") & (metrics["run"] == "loss-0.5"))]
    with pytest.raises(
        UserError, match=r"run 'loss-0.5' in 'probe' has no metric 'nn_ratio' \(known: coverage, density"
    ):
        tables.memorisation(without, LABELS, encoders=["probe"])


def test_what_is_no_matter_of_course_is_a_dash(metrics):
    table = tables.memorisation(metrics, LABELS, encoders=["probe"])
    assert [row[2] == "–" for row in table.rows] == [True, False, False]


def test_distances_at_different_n_are_refused(metrics, runs):
    metrics.loc[(metrics["run"] == "loss-0.5") & (metrics["metric"] == "fd"), "n"] = 1999
    for table in (
        lambda: tables.fd_by_criterion(metrics, runs, LABELS, PAPER, encoders=["probe"]),
        lambda: tables.quality(metrics, LABELS, encoders=["probe"]),
    ):
        with pytest.raises(UserError, match=r"different n .*'unpruned' n = 2,000, 'loss-0.5' n = 1,999"):
            table()


def test_trainings_that_differ_in_their_seeds_have_a_mean(metrics, runs):
    arm = [("loss-0.5", "loss_inv-0.5")]
    table = tables.fd_by_criterion(metrics, runs, LABELS, PAPER, encoders=["probe"], repeated=arm)
    assert [row[0] for row in table.rows] == [*LABELS.values(), "highest loss, mean of 2 trainings"]
    values = [find_measure(metrics, "fd", run).value for run in arm[0]]
    assert table.raw["probe_fd"].iloc[-1] == pytest.approx(np.mean(values))
    assert table.raw["probe_fd_ci_low"].iloc[-1] < min(values) < max(values) < table.raw["probe_fd_ci_high"].iloc[-1]


def test_every_encoder_has_its_columns(metrics, runs):
    both = pd.concat([metrics, metrics[metrics["encoder"] == "probe"].assign(encoder="clip")], ignore_index=True)
    table = to_unpruned(both, encoders=["probe", "clip"])
    assert [c.group for c in table.columns[1:9]] == ["cosine (probe)"] * 4 + ["cosine (clip)"] * 4
    assert table.raw["clip_cosine_matched"].equals(table.raw["probe_cosine_matched"])
    quality = tables.quality(both, LABELS, encoders=["clip", "probe"])
    assert [row[0] for row in quality.rows] == ["clip"] * 3 + ["probe"] * 3
    distances = tables.fd_by_criterion(both, runs, LABELS, PAPER, encoders=["probe", "clip"])
    assert [c.header for c in distances.columns[4:6]] == ["FD (probe)", "FD (clip)"]


def test_the_ceiling_stands_under_the_runs(metrics):
    itself = [row("unpruned", metric, 0.99, "unpruned") for metric in COSINES]
    itself += [row("unpruned", metric, 0.2, "unpruned", "latent") for metric in LATENTS]
    table = to_unpruned(pd.concat([metrics, pd.DataFrame(itself)]))
    assert [r[0] for r in table.rows[2:]] == ["all data, another solver", "held-out images"]
    assert table.rows[2][1] == "0.990 ± 0.050"
    assert [table.rows[3][column] for column in (1, 3, 4, 5)] == ["–"] * 4


def test_an_ambiguous_number_is_refused(metrics):
    twice = pd.concat([metrics, metrics.assign(encoder="clip")])
    with pytest.raises(UserError, match=r"2 rows of metric 'fd' .*faces/clip.*faces/probe"):
        find_measure(twice, "fd", "unpruned")


def test_a_run_without_a_description_is_named(metrics, runs):
    with pytest.raises(UserError, match=r"run 'loss_inv-0\.5'"):
        tables.fd_by_criterion(metrics, runs.iloc[:2], LABELS, PAPER, encoders=["probe"])


@pytest.mark.parametrize("name", TABLES)
def test_markdown_shows_the_numbers_of_the_csv(name, metrics, runs, tmp_path):
    write_table(every_table(metrics, runs)[name], tmp_path / name)
    raw = pd.read_csv(tmp_path / f"{name}.csv")
    shown = [line for line in (tmp_path / f"{name}.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(shown) == len(raw)
    measured = [c for c in raw if f"{c}_ci_low" in raw]
    assert measured or name == "claims"
    for line, (_, values) in zip(shown, raw.iterrows(), strict=True):
        numbers = [float(text) for text in re.findall(r"(?<![\w.])\d+\.\d+", line.replace("−", "-"))]
        for column in (c for c in measured if np.isfinite(values[c]) and c != "kid"):
            assert any(abs(n - values[column]) <= 0.006 for n in numbers), (column, line)
    precise = find_measure(metrics, "fd", "unpruned").value
    if name == "fd_by_criterion":
        assert raw["probe_fd"][0] == precise


def measure(value, ci_low=np.nan, ci_high=np.nan, sd=np.nan):
    return Measure("d", "r", "", "m", "probe", "p", value, 10, 0, ci_low, ci_high, sd)


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


def test_latex_groups_span_their_columns(metrics):
    text = latex(to_unpruned(metrics), "tab:s")
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
    assert not [v for v in PAPER if re.search(r"\b00[0-4]\b", v.source)]


def test_paper_values_of_an_unknown_shape_are_refused(tmp_path):
    (tmp_path / "p.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match="expected the columns dataset"):
        read_paper_values(tmp_path / "p.csv")


def test_the_catalogue_is_light_and_every_entry_has_its_function_and_caption():
    code = (
        "import sys; import steadyflow.report.catalogue; "
        "print(*{'matplotlib', 'pandas', 'numpy', 'torch'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
    for name, entry in TABLES.items():
        assert callable(getattr(tables, name))
        assert entry.title
        assert entry.category
        assert (ROOT / f"workflow/report/table_{name}.rst").read_text().strip()
