"""Everything that a study promises is there, and says what it should."""

import base64
import html
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from support.workspace import Finished, half_written

from steadyflow.evaluate.metrics import Metric, read_metrics
from steadyflow.ground.artifacts import file_hash, read_array, read_json, read_weights
from steadyflow.ground.noise import noise
from steadyflow.models import VQVAE, Probe, build_velocity, to_model_range, to_uint8
from steadyflow.stages.exhibits import FIGURES, TABLES
from steadyflow.study import load_study

pytestmark = pytest.mark.pipeline

DATASET = "digits"


@pytest.fixture(scope="module")
def root(finished: Finished) -> Path:
    return finished.target(DATASET)


@pytest.fixture(scope="module")
def manifest(root: Path) -> pd.DataFrame:
    return pd.read_parquet(root / "manifest.parquet")


@pytest.fixture(scope="module")
def evaluated(finished: Finished) -> list[str]:
    return [run for run in finished.raw["runs"] if run != "surrogate"]


def traced(evaluated: list[str]) -> list[str]:
    """A diffusion run has no path."""
    return [run for run in evaluated if run != "diffusion"]


def test_every_artifact_is_there(finished: Finished, root: Path, evaluated: list[str]) -> None:
    runs = [f"runs/{run}/{name}" for run in finished.raw["runs"] for name in ("weights.safetensors", "run.json")]
    samples = [f"samples/{run}/euler/{name}" for run in evaluated for name in ("images.npy", "latents.npy")]
    samples += [f"samples/{run}/euler/paths.{suffix}" for run in traced(evaluated) for suffix in ("npy", "json")]
    subsets = [f"subsets/{name}.{suffix}" for name in finished.raw["subsets"] for suffix in ("parquet", "json", "txt")]
    expected = [
        "manifest.parquet",
        "dataset.json",
        "images/data-00000.arrow",
        "tokenizers/vqvae/weights.safetensors",
        "tokenizers/vqvae/curve.parquet",
        "metrics/reconstructions.npy",
        "latents/vqvae.json",
        "embeddings/probe.npy",
        "clusters/k10.parquet",
        "clusters/by_k/k10.json",
        "scores/surrogate.parquet",
        *runs,
        *samples,
        *subsets,
    ]
    assert [name for name in expected if not (root / name).stat().st_size] == []


@pytest.mark.parametrize("table", TABLES)
def test_a_table_holds_a_line_for_each_run_in_every_format(root: Path, table: str) -> None:
    csv = pd.read_csv(root / "tables" / f"{table}.csv")
    assert len(csv) >= 1
    markdown = (root / "tables" / f"{table}.md").read_text("utf-8")
    assert len(re.findall(r"^\|", markdown, re.MULTILINE)) >= len(csv.index.drop_duplicates()) > 0
    assert "\\begin{tabular}" in (root / "tables" / f"{table}.tex").read_text("utf-8")
    html = (root / "tables" / f"{table}.html").read_text("utf-8")
    assert "<table" in html
    if table == "tokenizers":
        assert csv["tokenizer"].tolist() == ["vqvae"]
        return
    if table in ("similarity_by_mode", "mode_balance"):
        of_modes = {"similarity_by_mode": ["threes", "eights"], "mode_balance": ["threes_and_eights", "unpruned"]}
        assert csv["run"].tolist() == of_modes[table]
        return
    if table == "classifiers":
        assert csv["attribute"].tolist() == ["label"]
        return
    if table == "claims":
        assert len(csv) == 43 and set(csv["verdict"]) <= {"holds", "fails", "undecided", "not measured"}
        return
    for text in (markdown, html):
        # The label where there is one, the name where there is none. In opposite subsets only the pair is listed.
        assert "balanced clusters" in text
        assert "cluster_b_inv-0.5" in text
        assert "conditional" in text or table == "similarity_to_inverse"


@pytest.mark.parametrize("figure", FIGURES)
def test_a_figure_opens_and_is_not_blank(root: Path, figure: str) -> None:
    with Image.open(root / "figures" / f"{figure}.png") as image:
        pixels = np.asarray(image.convert("L"))
    assert min(pixels.shape) > 100
    assert pixels.std() > 1
    pdf = (root / "figures" / f"{figure}.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")


class _Resources(HTMLParser):
    """What a browser would load with a page."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        wanted = {"script": "src", "link": "href", "img": "src", "iframe": "src"}.get(tag)
        self.found += [value or "" for name, value in attrs if name == wanted]


def test_the_report_is_one_file_with_every_table_and_figure(finished: Finished, root: Path) -> None:
    reports = finished.target("reports")
    assert {path.name for path in reports.iterdir()} == {"prune", "tiny.html"}
    assert [path.name for path in (reports / "prune").iterdir()] == ["tiny.html"]
    page = (reports / "tiny.html").read_text("utf-8")
    resources = _Resources()
    resources.feed(page)
    assert [place for place in resources.found if not place.startswith(("data:", "#"))] == []
    assert re.findall(r"@import|url\(['\"]?http", page) == []
    for entry in [*TABLES.values(), *FIGURES.values()]:
        assert entry.title in page
        assert json.dumps(html.escape(entry.caption, quote=False))[1:-1] in page
    for file in [*root.glob("figures/*.png"), *root.glob("tables/*.html")]:
        assert base64.b64encode(file.read_bytes()).decode() in page, file


def test_metrics_are_tidy(finished: Finished, root: Path, evaluated: list[str]) -> None:
    kinds = {
        kind: pd.read_parquet(root / "metrics" / f"{kind}.parquet")
        for kind in ("tokenizers", "similarity", "fairness", "paths")
    }
    kinds["quality"] = read_metrics(sorted(root.glob("metrics/quality/*.parquet")))
    for kind, table in kinds.items():
        assert list(table.columns) == list(Metric.__dataclass_fields__)
        assert set(table["dataset"]) == {DATASET}
        assert not table.duplicated(["run", "reference", "metric", "encoder", "protocol"]).any()
        # The log10 ratios and overlaps have no interval; where there is one, it holds the value.
        assert table["value"].notna().all(), kind
        bounded = table.dropna(subset=["ci_low", "ci_high"])
        assert (bounded["ci_low"] <= bounded["ci_high"]).all()
        assert (table["n"] > 0).all()
    mixture = "threes_and_eights"
    study = load_study(finished.path)
    assert set(kinds["quality"]["run"]) == {*evaluated, mixture, *study.null_runs(DATASET)}
    measures = {"fd", "fd_infinity", "fd_train", "kid", "precision", "recall", "f_score", "density", "coverage"}
    measures |= {"clipped_density", "clipped_coverage", "diversity"}
    alone = {"f_mem", "authenticity"}
    null = {"nn_ratio", "fd_gap", "gl", "gl_held_out", *(f"{share}_held_out" for share in alone)}
    of_run = kinds["quality"].groupby("run")["metric"].agg(set)
    assert of_run[mixture] == measures
    assert of_run["unpruned"] == measures | alone | null
    assert of_run["threes"] == measures | alone | null | {"kept_ratio"}
    # Held-out images are of another population than balanced clusters.
    assert of_run["cluster_b-0.5"] == measures | alone | {"kept_ratio"}
    assert set(kinds["fairness"]["run"]) > set(evaluated)
    compared = set(map(tuple, kinds["similarity"][["run", "reference"]].to_numpy()))
    others = {(run, "unpruned") for run in evaluated if run != "unpruned"}
    anchors = {("unpruned", "unpruned"), ("validation_images", "validation_images")}
    nulls = set(study.null_pairs(DATASET))
    assert compared == others | {("cluster_b-0.5", "cluster_b_inv-0.5")} | anchors | nulls
    by_class = kinds["similarity"]["metric"].str.contains("[", regex=False)
    assert (kinds["similarity"][~by_class].query("run != 'validation_images'")["n"] == 64).all()
    told = kinds["similarity"][by_class & (kinds["similarity"]["run"] == "threes")].set_index("metric")["n"]
    assert told.filter(like="cosine_matched[probe.label=").sum() <= 64
    # A mode of which the probe sees fewer than two samples has no row.
    assert told.get("cosine_matched[kept mode]") == told.get("cosine_matched[probe.label=3]")
    assert told["cosine_matched[removed mode]"] <= 64
    compared = set(map(tuple, kinds["paths"][["run", "reference"]].to_numpy()))
    assert compared == {pair for pair in others if "diffusion" not in pair} | {("cluster_b-0.5", "cluster_b_inv-0.5")}
    assert (kinds["paths"]["n"] == finished.raw["evaluations"][DATASET]["paths"]).all()


def test_paths_lead_from_the_shared_noise_to_the_samples(root: Path, evaluated: list[str]) -> None:
    assert not list((root / "samples" / "diffusion" / "euler").glob("paths.*"))
    for run in traced(evaluated):
        samples = root / "samples" / run / "euler"
        found, said = read_array(samples / "paths.npy"), read_json(samples / "paths.json")
        assert (found.shape, found.dtype) == ((5, 8, 4, 8, 8), np.float32)
        assert said["times"] == [0, 0.25, 0.5, 0.75, 1]
        assert said["weights_hash"] == read_json(samples / "sampling.json")["weights_hash"]
        assert said["spec"] == {**read_json(samples / "sampling.json")["spec"], "count": 8}
        # Where latents are flipped in training, so is the noise once that is undone.
        sign = -1 if run == "flipped" else 1
        assert np.array_equal(sign * found[0], noise(0, range(8), (4, 8, 8)).numpy()), run
        assert np.allclose(found[-1], read_array(samples / "latents.npy")[:8], atol=1e-4), run


def test_deviations_of_paths_are_those_of_the_stored_paths(root: Path) -> None:
    a, b = (
        np.array(read_array(root / "samples" / run / "euler" / "paths.npy"), np.float64)
        for run in ("cluster_b-0.5", "unpruned")
    )
    apart = np.linalg.norm((a[:, :, None] - b[:, None]).reshape(5, 8, 8, -1), axis=-1)
    deviation = (apart[1:] + apart[:-1]).sum(axis=0) / 8
    metrics = pd.read_parquet(root / "metrics" / "paths.parquet").query("run == 'cluster_b-0.5'")
    rows = metrics[metrics["reference"] == "unpruned"].set_index("metric")["value"]
    off = ~np.eye(8, dtype=bool)
    assert rows["path_deviation_matched"] == pytest.approx(np.diag(deviation).mean())
    assert rows["path_deviation_unmatched"] == pytest.approx(deviation[off].mean())
    bands = pd.read_parquet(root / "metrics" / "path_distances.parquet").query("run == 'cluster_b-0.5'")
    bands = bands[bands["reference"] == "unpruned"]
    assert bands["t"].tolist() == [0, 0.25, 0.5, 0.75, 1]
    np.testing.assert_allclose(bands["matched_median"], [np.median(np.diag(table)) for table in apart], atol=1e-6)
    np.testing.assert_allclose(bands["unmatched_high"], [np.quantile(table[off], 0.95) for table in apart], rtol=1e-6)


def test_fairness_is_that_of_what_the_probe_sees(root: Path, manifest: pd.DataFrame) -> None:
    """From pixels to a divergence, by the network itself."""
    config = read_json(root / "encoders" / "probe" / "config.json")
    probe = Probe(**config["architecture"]).eval()
    probe.load_state_dict(read_weights(root / "encoders" / "probe" / "weights.safetensors"))
    images = torch.from_numpy(np.array(read_array(root / "samples" / "unpruned" / "euler" / "images.npy")))
    with torch.no_grad():
        seen = probe.classify(probe(to_model_range(images)))["label"].argmax(dim=1).numpy()
    told, said = (root / "attributes" / "probe" / "unpruned" / f"euler.{suffix}" for suffix in ("parquet", "json"))
    np.testing.assert_array_equal(pd.read_parquet(told)["label"], seen)
    assert read_json(said)["features_hash"] == file_hash(root / "features" / "probe" / "unpruned" / "euler.npy")
    train = manifest["split"] == "train"
    training = pd.read_parquet(root / "attributes" / "probe" / "dataset.parquet")["label"]
    assert len(training) == len(manifest)
    p, q, labels = (
        np.bincount(codes, minlength=10) / len(codes) for codes in (seen, training[train], manifest["label"][train])
    )
    uniform = np.full(10, 0.1)
    expected = {
        ("unpruned", "uniform", "probe"): divergence(p, uniform),
        ("unpruned", "training_data", "probe"): divergence(p, q),
        ("training_data", "uniform", "probe"): divergence(q, uniform),
        ("training_data", "uniform", "labels"): divergence(labels, uniform),
    }
    metrics = pd.read_parquet(root / "metrics" / "fairness.parquet").set_index(["run", "reference", "encoder"])
    shares = metrics[metrics["metric"].str.startswith("share[")]
    assert shares.loc["unpruned"].groupby("metric")["value"].sum().to_list() == pytest.approx(p)
    metrics = metrics.drop(shares.index.unique())
    right = metrics.loc[("validation_images", "labels", "probe")].set_index("metric")["value"]
    assert right["accuracy_label"] == pytest.approx(config["val_accuracy"]["label"])
    held_out = manifest.loc[manifest["split"] == "val", "label"]
    assert right["chance_label"] == pytest.approx(held_out.value_counts(normalize=True).max())
    metrics = metrics.drop(("validation_images", "labels", "probe"))
    assert not metrics.index.duplicated().any() and set(metrics["metric"]) == {"kl_label"}
    for row, value in expected.items():
        assert metrics.loc[row, "value"] == pytest.approx(value, rel=1e-6), row
    assert metrics.loc[("unpruned", "uniform", "probe"), "protocol"] == "euler 4 steps, 0 unknown"
    table = pd.read_csv(root / "tables" / "fairness.csv")
    assert table["label"].tolist()[:2] == ["Training data, labels", "Training data"]
    assert table["probe_kl_label_to_uniform"][0] == pytest.approx(expected["training_data", "uniform", "labels"])


def divergence(p: np.ndarray, q: np.ndarray) -> float:
    with np.errstate(divide="ignore"):
        return sum(a * np.log(a / b) for a, b in zip(p, q, strict=True) if a)


def test_function_evaluations_are_counted(finished: Finished, root: Path, evaluated: list[str]) -> None:
    steps = finished.raw["samplings"]["euler"]["steps"]
    # Guidance asks the network twice a step; diffusion has steps of its own.
    other = {"conditional": 2 * steps, "diffusion": finished.raw["samplings"]["euler"]["diffusion"]["steps"]}
    for run in evaluated:
        sampling = read_json(root / "samples" / run / "euler" / "sampling.json")
        assert sampling["evaluations_per_image"] == other.get(run, steps)


@pytest.mark.parametrize("run", ["unpruned", "flipped"])
def test_stored_latents_are_those_that_were_decoded(root: Path, run: str) -> None:
    """A run on flipped latents stores what the tokenizer knows: distances between runs compare like with like."""
    tokenizer = VQVAE(**read_json(root / "tokenizers" / "vqvae" / "config.json")["architecture"]).eval()
    tokenizer.load_state_dict(read_weights(root / "tokenizers" / "vqvae" / "weights.safetensors"))
    samples = root / "samples" / run / "euler"
    latents, scale = np.array(read_array(samples / "latents.npy")), read_json(samples / "sampling.json")["scale"]
    with torch.no_grad():
        decoded = to_uint8(tokenizer.decode(torch.from_numpy(latents) / scale)).numpy()
    assert np.abs(decoded.astype(int) - read_array(samples / "images.npy")).max() <= 1


def test_a_flip_is_undone(finished: Finished, root: Path) -> None:
    """Euler written out, through the run on flipped latents."""
    run, samples = root / "runs" / "flipped", root / "samples" / "flipped" / "euler"
    description = read_json(run / "run.json")
    assert description["spec"]["latent_transform"] == "flip_all"
    model = build_velocity(**description["architecture"]).eval()
    model.load_state_dict(read_weights(run / "weights.safetensors"))
    x, steps = noise(0, range(64), (4, 8, 8)), finished.raw["samplings"]["euler"]["steps"]
    with torch.no_grad():
        for i in range(steps):
            x = x + model(x, torch.full((64,), i / steps), None) / steps
    assert torch.allclose(-x, torch.from_numpy(np.array(read_array(samples / "latents.npy"))), atol=1e-4)


def test_samples_are_images_of_the_study(root: Path, evaluated: list[str]) -> None:
    for run in evaluated:
        images = read_array(root / "samples" / run / "euler" / "images.npy")
        latents = read_array(root / "samples" / run / "euler" / "latents.npy")
        assert (images.shape, images.dtype) == ((64, 16, 16, 1), np.uint8)
        assert latents.shape == (64, 4, 8, 8)
        assert np.isfinite(latents).all()


def test_subsets_list_the_kept_keys(finished: Finished, root: Path, manifest: pd.DataFrame) -> None:
    n_train = int((manifest["split"] == "train").sum())
    of_label = (manifest["split"] == "train") & manifest["label"].isin([3, 8])
    kept_count = dict.fromkeys(finished.raw["subsets"], (n_train + 1) // 2)
    kept_count |= {"cluster_b-0.75": n_train // 4}
    kept_count |= {name: int((of_label & (manifest["label"] == k)).sum()) for name, k in (("threes", 3), ("eights", 8))}
    for name in finished.raw["subsets"]:
        subset = pd.read_parquet(root / "subsets" / f"{name}.parquet")
        rule = read_json(root / "subsets" / f"{name}.json")
        assert len(subset) == subset["id"].nunique() == rule["n_kept"] == kept_count[name]
        assert rule["n_from"] == n_train
        kept = manifest.set_index("id").loc[subset["id"]]
        assert set(kept["split"]) == {"train"}
        assert (root / "subsets" / f"{name}.txt").read_text("utf-8") == "".join(f"{key}\n" for key in kept["key"])


def test_opposite_cluster_subsets_keep_opposite_ends(root: Path) -> None:
    clusters = pd.read_parquet(root / "clusters" / "k10.parquet").set_index("id")
    near, far = (
        pd.read_parquet(root / "subsets" / f"{name}-0.5.parquet")["id"] for name in ("cluster_b", "cluster_b_inv")
    )
    for _, members in clusters.groupby("cluster"):
        kept = members.loc[members.index.isin(near), "distance"]
        dropped = members.loc[~members.index.isin(near), "distance"]
        assert dropped.empty or kept.max() <= dropped.min()
    assert clusters.loc[far, "distance"].mean() > clusters.loc[near, "distance"].mean()


def test_sidecars_name_what_was_read(root: Path) -> None:
    info = read_json(root / "dataset.json")
    tokenizer = read_json(root / "tokenizers" / "vqvae" / "config.json")
    latents = read_json(root / "latents" / "vqvae.json")
    encoder = read_json(root / "encoders" / "probe" / "config.json")
    clusters = read_json(root / "clusters" / "k10.json")
    run = read_json(root / "runs" / "cluster_b-0.5" / "run.json")
    assert tokenizer["weights_hash"] == latents["tokenizer_hash"]
    assert tokenizer["weights_hash"] == file_hash(root / "tokenizers" / "vqvae" / "weights.safetensors")
    assert info["content_hash"] == latents["dataset_hash"] == tokenizer["inputs"]["dataset"] == encoder["dataset_hash"]
    assert read_json(root / "embeddings" / "probe.json")["encoder_hash"] == encoder["weights_hash"]
    assert read_json(root / "features" / "probe" / "unpruned" / "euler.json")["encoder_hash"] == encoder["weights_hash"]
    assert clusters["embeddings_hash"] == file_hash(root / "embeddings" / "probe.npy")
    assert sum(clusters["sizes"]) == info["counts"]["train"]
    assert run["weights_hash"] == file_hash(root / "runs" / "cluster_b-0.5" / "weights.safetensors")
    assert run["n_train"] == len(pd.read_parquet(root / "subsets" / "cluster_b-0.5.parquet"))
    assert {"steadyflow", "torch", "commit"} <= run["provenance"].keys()


def test_weights_are_safetensors_and_states_are_gone(finished: Finished, root: Path) -> None:
    for file in root.rglob("weights.safetensors"):
        assert read_weights(file)
    # Ledgers stay: they are what print_progress.py counts.
    assert {path.suffix for path in finished.target("state").rglob("*") if path.is_file()} == {".json"}
    assert not finished.target("lock.json").exists()
    # Nothing half-written was left beside the results.
    assert half_written(finished.results) == []


def test_every_heavy_job_has_a_log_and_a_benchmark(finished: Finished) -> None:
    for run in finished.raw["runs"]:
        benchmark = pd.read_csv(finished.target("benchmarks", DATASET, "runs", f"{run}.tsv"), sep="\t")
        assert benchmark["s"].item() > 0
        assert finished.target("logs", DATASET, "runs", f"{run}.log").exists()


def test_surrogate_scores_are_finite_for_every_training_image(root: Path, manifest: pd.DataFrame) -> None:
    scores = pd.read_parquet(root / "scores" / "surrogate.parquet")
    assert list(scores.columns) == ["id", "loss", "grad"]
    assert scores["id"].tolist() == manifest.loc[manifest["split"] == "train", "id"].tolist()
    assert np.isfinite(scores[["loss", "grad"]].to_numpy()).all()
    assert json.loads((root / "scores" / "surrogate.json").read_text())["n"] == len(scores)
