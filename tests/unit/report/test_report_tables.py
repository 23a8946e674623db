import re

import numpy as np
import pandas as pd
import pytest
from support.report_frames import (
    CLAIMS,
    COSINES,
    DEVIATIONS,
    LABELS,
    LATENTS,
    NO_PAPER,
    NULL_LABELS,
    PAIR,
    PAPER_VALUES,
    PERCEIVED,
    TABLES,
    TRAINING_SETS,
    every_metric,
    make_table,
    metric_row,
)

from steadyflow.evaluate.metrics import find_metric
from steadyflow.ground.artifacts import UserError
from steadyflow.report.paper import printed_of
from steadyflow.report.typeset import latex, write_table


@pytest.fixture
def metrics():
    return every_metric()


def test_quality_has_our_distance_and_the_papers_beside_it(metrics):
    table = make_table("fd_by_criterion", metrics)
    assert [c.header for c in table.columns[-2:]] == ["FD (probe)", "paper: FID, CelebA-HQ 256 (Inception)"]
    ours = find_metric(metrics, "fd", "loss-0.5").value
    assert table.rows[1][:4] == ("highest loss", "loss", "0.5", "10,000")
    assert table.rows[1][4].startswith(f"{ours:.2f} [{ours - 0.01:.2f}, ")
    assert [r[-1] for r in table.rows] == ["24.24", "33.92", "23.49"]
    assert table.rows[0][1] == "–"
    for fact in ("faces", "n = 2,000", "encoder probe", "euler-50", "seed 0", "95%"):
        assert fact in table.caption


def test_tokenizers_stand_beside_each_other(metrics):
    table = make_table("tokenizers", metrics)
    headers = ["Tokenizer", "Trained on", "PSNR (dB)", "SSIM", "LPIPS", "rFD (probe)", "Sharpness", "Codes used"]
    assert [c.header for c in table.columns] == [*headers, "Perplexity"]
    assert table.rows[1][:2] == ("with", "MSE + GAN")
    assert [r[7] for r in table.rows] == ["480 / 512", "480 / 8,192"]
    psnr, rfd = (find_metric(metrics, metric, "vq-gan").value for metric in ("psnr", "rfd"))
    assert table.rows[1][2] == f"{psnr:.2f}"
    assert table.rows[1][5] == f"{rfd:.2f} [{rfd - 0.01:.2f}, {rfd + 0.02:.2f}]"
    assert table.raw["psnr_ci_high"][1] == psnr + 0.02
    assert "encoder probe" in table.caption


def test_what_was_not_measured_says_so(metrics):
    table = make_table("tokenizers", metrics[metrics["metric"] != "lpips"])
    assert [r[4] for r in table.rows] == ["not measured", "not measured"]
    assert table.raw["lpips"].isna().all()
    assert "LPIPS is measured where" in table.caption
    assert "LPIPS is measured where" not in make_table("tokenizers", metrics).caption


def test_similarity_leaves_out_the_reference_itself(metrics):
    table = make_table("similarity_to_unpruned", metrics)
    assert [r[0] for r in table.rows] == ["highest loss", "lowest loss", *NULL_LABELS.values(), "held-out images"]
    matched = find_metric(metrics, "cosine_matched", "loss-0.5", "unpruned").value
    assert table.rows[0][1] == f"{matched:.3f} ± 0.050"
    assert table.rows[1][-1] == "0.80 ± 0.13"
    assert "0.37 ± 0.11" in table.caption


def test_similarity_of_opposites_finds_the_papers_pair_in_either_order(metrics):
    table = make_table("similarity_to_inverse", metrics)
    assert table.rows[0][:2] == ("highest loss", "lowest loss")
    assert table.rows[0][2].startswith("0.00")
    assert table.rows[0][-1] == "0.72 ± 0.15"
    swapped = metrics.rename(columns={"run": "reference", "reference": "run"})
    table = make_table("similarity_to_inverse", swapped, inverse_pairs=[PAIR[::-1]])
    assert table.rows[0][-1] == "0.72 ± 0.15"


def test_deviations_of_paths_stand_pair_by_pair(metrics):
    table = make_table("path_deviation", metrics)
    assert [r[:2] for r in table.rows] == [("highest loss", "all data"), ("highest loss", "lowest loss")]
    assert [(c.group, c.header) for c in table.columns[2:]] == [
        ("from the same noise", "mean"),
        ("from the same noise", "median"),
        ("from the same noise", "95th percentile"),
        ("from different noises", "mean"),
    ]
    found = [find_metric(metrics, metric, *PAIR).value for metric in DEVIATIONS]
    assert table.rows[1][2].startswith(f"{found[0]:.2f} [{found[0] - 0.01:.2f}, ")
    assert table.rows[1][5] == f"{found[3]:.2f} ± 0.05"
    assert list(table.raw["path_deviation_median"])[1] == found[1]
    assert "integral over t" in table.caption and "n = 2,000" in table.caption


def test_similarity_by_mode_has_a_column_for_each_value(metrics):
    table = make_table("similarity_by_mode", metrics)
    assert [(c.group, c.header) for c in table.columns[1:]] == [
        ("matched, where sex is", "female"),
        ("matched, where sex is", "male"),
        ("", "unmatched"),
    ]
    female = find_metric(metrics, "cosine_matched[clip.sex=female]", PAIR[0], "unpruned").value
    assert table.rows[0][1] == f"{female:.3f} ± 0.050"


def test_balanced_modes_stand_beside_what_they_generate(metrics):
    table = make_table("mode_balance", metrics)
    assert [(c.group, c.header) for c in table.columns] == [
        ("", "Model"),
        ("generated share", "female"),
        ("generated share", "male"),
        ("", "FD (probe)"),
        ("", "Training steps"),
        *(("paper: CelebA-HQ 256", header) for header in ("female", "male", "FD CLIP", "steps")),
    ]
    assert table.rows[0][0] == "all data"
    assert table.rows[0][-5:] == ("50 each", "0.67", "0.33", "5.29", "140000")
    assert table.rows[1][-4:] == ("–", "–", "–", "–")
    metrics.loc[(metrics["run"] == "loss-0.5") & (metrics["metric"] == "fd"), "n"] = 7
    with pytest.raises(UserError, match="different n"):
        make_table("mode_balance", metrics)


def test_fairness_heads_the_papers_column_with_the_papers_attribute(metrics):
    table = make_table("fairness", metrics)
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
    assert len(make_table("fairness", metrics, paper_attributes={}).columns) == 7


PAPERS_TABLES = (
    "fd_by_criterion",
    "similarity_to_unpruned",
    "similarity_to_inverse",
    "mode_balance",
    "fairness",
    "claims",
)


@pytest.mark.parametrize("name", PAPERS_TABLES)
def test_the_papers_numbers_stand_in_a_table_only_where_the_study_reproduces_their_dataset(name, metrics):
    with_them, without = (make_table(name, metrics, **paper) for paper in ({}, {"paper": NO_PAPER}))

    def theirs(table):
        return [column for column in table.raw if column.startswith(("paper_", "measured_by", "contradiction"))]

    assert theirs(with_them)
    assert theirs(without) == []
    assert "24.24" not in repr(without) and "CelebA" not in repr(without) and "paper's" not in without.caption


def test_each_dataset_of_the_papers_has_its_own_numbers_beside_ours(metrics):
    """Whose runs may end in the dataset's name."""

    def column(name, dataset, renamed, **changes):
        runs = {run: renamed.get(run, run) for run in LABELS}
        own = metrics.replace({"run": runs, "reference": runs})
        sets = TRAINING_SETS.replace({"run": runs})
        table = make_table(
            name,
            own,
            paper=printed_of(PAPER_VALUES, dataset),
            labels={runs[run]: label for run, label in LABELS.items()},
            training_sets=sets,
            reference=runs["unpruned"],
            **changes,
        )
        return table.columns[-1], [row[-1] for row in table.rows], table.caption

    at_512 = {"unpruned": "unpruned-celebahq-512", "loss-0.5": "cluster_b-0.5-celebahq-512"}
    head, cells, _ = column("fd_by_criterion", "celebahq-512", at_512)
    assert (head.header, cells) == ("paper: FID, CelebA-HQ 512 (Inception)", ["27.06", "24.99", "–"])
    head, cells, _ = column("similarity_to_unpruned", "celebahq-512", at_512)
    assert (head.group, cells[:2]) == ("paper: ArcFace, CelebA-HQ 512", ["0.84", "–"])
    head, cells, caption = column(
        "similarity_to_unpruned", "ffhq", {"loss-0.5": "loss-0.25", "loss_inv-0.5": "cluster_b_inv-0.5"}
    )
    assert (head.group, cells[:2]) == ("paper: ArcFace, FFHQ 256", ["0.81 ± 0.12", "0.77 ± 0.12"])
    assert "The paper's unmatched ArcFace similarity is 0.30 ± 0.10." in caption
    _, cells, _ = column("similarity_to_inverse", "ffhq", {})
    assert cells == ["0.71 ± 0.13"]
    head, cells, _ = column("similarity_to_unpruned", "imagenet", {"loss-0.5": "random-0.9-imagenet"})
    assert (head.group, cells[:2]) == ("paper: DINO, ImageNet 256", ["0.71-0.74 ± 0.13-0.14"] * 2)
    # No FID is printed of FFHQ, so no column of dashes.
    assert column("fd_by_criterion", "ffhq", {})[0].header == "FD (probe)"


def test_claims_say_how_far_their_verdict_follows_from_the_bound(metrics):
    table = make_table("claims", metrics)
    assert [c.header for c in table.columns] == [
        "Claim", "Source", "Verdict", "Under other bounds", "Measured here", "In the papers", "Contradicted by", "n"
    ]  # fmt: skip
    assert [row[3] for row in table.rows] == ["half: holds; twice: fails", "–"]
    assert table.rows[1][5:7] == (CLAIMS[1].measured_by, CLAIMS[1].contradiction)
    assert "This study reproduces CelebA-HQ 256" in table.caption
    assert "none of the papers' datasets" in make_table("claims", metrics, paper=NO_PAPER).caption


def test_fairness_mixes_no_classifiers(metrics):
    table = make_table("fairness", metrics)

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
    assert [r[0] for r in make_table("fairness", metrics, labelled_attributes=()).rows] == [
        "Training data",
        *LABELS.values(),
    ]


def test_fairness_says_how_samples_were_made_and_not_how_many_were_unknown(metrics):
    counted = metrics.assign(protocol=[f"euler-50, {n} unknown" for n in range(len(metrics))])
    caption = make_table("fairness", counted).caption
    assert "protocol euler-50; seed" in caption and "left out" in caption


def test_what_is_infinite_says_so(metrics):
    far = metrics["reference"].eq("training_data") & metrics["metric"].eq("kl_age")
    table = make_table("fairness", metrics.assign(value=metrics["value"].mask(far, np.inf), ci_high=np.inf))
    assert [r[6] for r in table.rows] == ["–", "–", "∞", "∞", "∞"]
    assert table.rows[2][1].endswith(", ∞]")
    assert r"$\infty$" in latex(table, "tab:fairness")


def test_a_missing_number_is_named(metrics):
    without = metrics[~((metrics["metric"] == "nn_ratio") & (metrics["run"] == "unpruned"))]
    with pytest.raises(UserError, match=r"run 'unpruned' in 'probe' has no metric 'nn_ratio' \(known: authenticity, "):
        make_table("memorisation", without)


def test_what_is_no_matter_of_course_is_a_dash(metrics):
    table = make_table("memorisation", metrics)
    assert [row[2] == "–" for row in table.rows] == [True, False, False]
    # Held-out images are of another population than most subsets.
    without = metrics[~((metrics["metric"] == "nn_ratio") & (metrics["run"] == "loss-0.5"))]
    assert [row[1] == "–" for row in make_table("memorisation", without).rows] == [False, True, False]


def test_the_distances_to_held_out_and_to_training_images_are_named(metrics):
    headers = [column.header for column in make_table("quality", metrics).columns]
    assert headers[2:5] == ["FD (held-out)", "FD∞ (held-out)", "FD (training)"]
    few = (metrics["metric"] == "fd_train") & (metrics["run"] == "unpruned")
    noted = metrics.assign(note=metrics["note"].mask(few, "probe: only 9 images for 64 dimensions"))
    assert "only 9 images" in make_table("quality", noted).caption


def test_copies_stand_beside_those_of_held_out_images(metrics):
    columns = make_table("copies", metrics).columns
    assert [(column.group, column.header) for column in columns[2:8]] == [
        (share, of) for share in ("f_mem", "Authenticity", "GL") for of in ("samples", "held-out")
    ]


def test_distances_at_different_n_are_refused(metrics):
    metrics.loc[(metrics["run"] == "loss-0.5") & (metrics["metric"] == "fd"), "n"] = 1999
    for table in (
        lambda: make_table("fd_by_criterion", metrics),
        lambda: make_table("quality", metrics),
    ):
        with pytest.raises(UserError, match=r"different n .*'unpruned' n = 2,000, 'loss-0.5' n = 1,999"):
            table()


def test_trainings_that_differ_in_their_seeds_have_a_mean(metrics):
    arm = [("loss-0.5", "loss_inv-0.5")]
    table = make_table("fd_by_criterion", metrics, repeated_runs=arm)
    assert [row[0] for row in table.rows] == [*LABELS.values(), "highest loss, mean of 2 trainings"]
    values = [find_metric(metrics, "fd", run).value for run in arm[0]]
    assert table.raw["probe_fd"].iloc[-1] == pytest.approx(np.mean(values))
    assert table.raw["probe_fd_ci_low"].iloc[-1] < min(values) < max(values) < table.raw["probe_fd_ci_high"].iloc[-1]


def test_every_encoder_has_its_columns(metrics):
    both = pd.concat([metrics, metrics[metrics["encoder"] == "probe"].assign(encoder="clip")], ignore_index=True)
    table = make_table("similarity_to_unpruned", both, similarity_encoders=["probe", "clip"])
    assert [c.group for c in table.columns[1:9]] == ["cosine (probe)"] * 4 + ["cosine (clip)"] * 4
    assert table.raw["clip_cosine_matched"].equals(table.raw["probe_cosine_matched"])
    quality = make_table("quality", both, encoders=["clip", "probe"])
    assert [row[0] for row in quality.rows] == ["clip"] * 3 + ["probe"] * 3
    distances = make_table("fd_by_criterion", both, encoders=["probe", "clip"])
    assert [c.header for c in distances.columns[4:6]] == ["FD (probe)", "FD (clip)"]


def test_the_ceiling_stands_under_the_runs(metrics):
    itself = [metric_row("unpruned", metric, 0.99, "unpruned") for metric in COSINES]
    itself += [metric_row("unpruned", metric, 0.2, "unpruned", "latent") for metric in LATENTS]
    table = make_table("similarity_to_unpruned", pd.concat([metrics, pd.DataFrame(itself)]))
    assert [r[0] for r in table.rows[2:]] == [*NULL_LABELS.values(), "all data, another solver", "held-out images"]
    assert table.rows[4][1] == "0.990 ± 0.050"
    assert [table.rows[5][column] for column in (1, 3, 4, 5)] == ["–"] * 4


def test_an_ambiguous_number_is_refused(metrics):
    twice = pd.concat([metrics, metrics.assign(encoder="clip")])
    with pytest.raises(UserError, match=r"2 rows of metric 'fd' .*faces/clip.*faces/probe"):
        find_metric(twice, "fd", "unpruned")


def test_a_run_without_a_description_is_named(metrics):
    with pytest.raises(UserError, match=r"run 'loss_inv-0\.5'"):
        make_table("fd_by_criterion", metrics, training_sets=TRAINING_SETS.iloc[:2])


@pytest.mark.parametrize("name", TABLES)
def test_markdown_shows_the_numbers_of_the_csv(name, metrics, tmp_path):
    write_table(make_table(name, metrics), tmp_path / name)
    raw = pd.read_csv(tmp_path / f"{name}.csv")
    shown = [line for line in (tmp_path / f"{name}.md").read_text().splitlines() if line.startswith("| ")][2:]
    assert len(shown) == len(raw)
    # Shares are shown in percent, which the test of their table reads.
    measured = [c for c in raw if f"{c}_ci_low" in raw and not c.startswith("share_")]
    assert measured or name == "claims"
    for line, (_, values) in zip(shown, raw.iterrows(), strict=True):
        numbers = [float(text) for text in re.findall(r"(?<![\w.])\d+\.\d+", line.replace("−", "-"))]
        for column in (c for c in measured if np.isfinite(values[c]) and c != "kid"):
            assert any(abs(n - values[column]) <= 0.006 for n in numbers), (column, line)
    precise = find_metric(metrics, "fd", "unpruned").value
    if name == "fd_by_criterion":
        assert raw["probe_fd"][0] == precise


def test_a_classifiers_accuracy_stands_beside_what_it_tells(metrics):
    by_hand = make_table("classifiers", metrics).raw.set_index(["classifier", "attribute"])
    probe = by_hand.loc["probe", "hair_length"]
    assert (probe["accuracy"], probe["chance"], probe["trusted"]) == (0.92, 0.55, "yes")
    of_training = metrics[(metrics["run"] == "training_data") & (metrics["metric"] == "kl_hair_length")]
    kl = of_training.set_index("encoder")["value"]
    assert (probe["kl_by_classifier"], probe["kl_by_labels"]) == (kl["probe"], kl["labels"])
    assert np.isnan(by_hand.loc[("clip", "age"), "accuracy"]) and by_hand.loc[("clip", "age"), "trusted"] == "–"
    caption = make_table("fairness", metrics).caption
    assert (
        "Right about held-out images, and the share of their most frequent value: hair length by probe 92% (55%)."
        in caption
    )


def test_pairs_of_one_seed_are_marked_and_the_caption_says_what_that_means(metrics):
    shared = [("loss_inv-0.5", "unpruned"), PAIR]
    to_unpruned = make_table("similarity_to_unpruned", metrics, shared_seeds=shared)
    assert [row[0] for row in to_unpruned.rows[:2]] == ["highest loss", "lowest loss †"]
    assert to_unpruned.raw["label"].tolist()[1] == "lowest loss"
    assert to_unpruned.raw["run"][to_unpruned.raw["shared_seed"]].tolist() == ["loss_inv-0.5"]
    to_inverse, paths = (
        make_table(name, metrics, shared_seeds=shared) for name in ("similarity_to_inverse", "path_deviation")
    )
    assert to_inverse.rows[0][:2] == ("highest loss †", "lowest loss")
    assert [row[0] for row in paths.rows] == ["highest loss", "highest loss †"]
    by_mode = make_table("similarity_by_mode", metrics, shared_seeds=[("loss-0.5", "unpruned")])
    assert by_mode.rows[0][0] == "women only †"
    for table in (to_unpruned, to_inverse, paths, by_mode):
        assert "† Not independent: both trainings have the same seed" in table.caption
    # A pair of another table is none of this one's concern.
    assert "†" not in make_table("similarity_to_unpruned", metrics, shared_seeds=[PAIR]).caption
    assert r"lowest loss $\dagger$" in latex(to_unpruned, "tab:s")


def test_beyond_the_gaussian_flow_stand_shares_of_models_and_flows_and_what_is_better():
    def pair(run, other, measure, matched, unmatched):
        return [metric_row(run, f"{measure}_{part}", value, other)
                for part, value in (("matched", matched), ("unmatched", unmatched))]  # fmt: skip

    flows = {"unpruned": "unpruned.gaussian", "loss-0.5": "loss-0.5.gaussian"}
    rows = pair("loss-0.5", "unpruned", "cosine", 0.8, 0.2) + pair("loss-0.5", "unpruned", "beyond", 0.5, 0.0)
    rows += pair("loss-0.5.gaussian", "unpruned.gaussian", "cosine", 0.99, 0.2)
    rows += pair("unpruned.gaussian", "unpruned", "cosine", 0.6, 0.2)
    fd = {"unpruned": 10.0, "loss-0.5": 11.0, "unpruned.gaussian": 30.0, "loss-0.5.gaussian": 31.0}
    losses = [metric_row(run, "held_out_loss", value / 50, encoder="latent") for run, value in fd.items()]
    table = make_table(
        "beyond_gaussian_flow",
        pd.DataFrame(rows + [metric_row(run, "fd", value) for run, value in fd.items()]),
        held_out_losses=pd.DataFrame(losses),
        labels={"unpruned": "all data", "loss-0.5": "highest loss"},
        pair_labels={("loss-0.5", "unpruned"): "highest loss"},
        null_models=flows,
        null_labels={"unpruned.gaussian": "Gaussian flow of all data"},
    )
    reference, half, flow = table.rows
    assert reference == ("all data", "–", "–", "–", "10.0", "30.0", "0.200", "0.600")
    # (0.8 - 0.2) / (1 - 0.2), (0.99 - 0.2) / (1 - 0.2), 0.5.
    assert [cell.partition(" ")[0] for cell in half[1:4]] == ["75%", "99%", "50%"]
    assert half[4:] == ("11.0", "31.0", "0.220", "0.620")
    assert (flow[0], flow[1].partition(" ")[0]) == ("Gaussian flow of all data", "50%")
    assert flow[2:] == ("–", "–", "30.0", "–", "0.600", "–")
    assert table.raw["share_kept"].tolist()[1:] == pytest.approx([0.75, 0.5])
