"""A study without runs: tokenizers are trained, measured and shown beside each other."""

import hashlib
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from support.tiny import TINY_TOKENIZER
from support.workspace import Workspace, digests, edited, half_written, jobs_of

from steadyflow.data.images import ImageStore, read_manifest
from steadyflow.evaluate.metrics import Metric
from steadyflow.ground.artifacts import read_array, read_json, read_weights
from steadyflow.ground.constants import VGG16_WEIGHTS

pytestmark = pytest.mark.pipeline

STUDY = yaml.safe_load("""
name: tokenizers
datasets:
  digits: {source: digits, resolution: 16, val_fraction: 0.2}
tokenizers:
  plain: {label: without}
  gan: {label: with, adversarial: {start: 10, width: 8, layers: 1}}
encoders:
  probe: {width: 8, feature_dim: 16, steps: 20}
evaluations:
  digits: {}
""")
STUDY["tokenizers"] = {name: {**TINY_TOKENIZER, **spec} for name, spec in STUDY["tokenizers"].items()}
SHOWN = {"write_tokenizers", "draw_dataset_samples", "draw_tokenizer_reconstructions", "draw_tokenizer_curves"}


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path, set[str]]:
    """`all` of the study: the workspace, the study, and the jobs that ran."""
    space = Workspace(tmp_path_factory.mktemp("tokenizers"))
    study = space.write(STUDY)
    return space, study, jobs_of(space.run("all", study=study))


def metrics_of(space: Workspace) -> pd.DataFrame:
    return pd.read_parquet(space.target("digits", "metrics", "tokenizers.parquet"))


def test_only_what_tokenizers_need_is_made(done: tuple[Workspace, Path, set[str]]) -> None:
    _, _, jobs = done
    made = {"prepare_dataset", "train_tokenizer", "train_probe", "measure_tokenizers", "report"}
    gathered = {"all", "all_tables", "all_figures", "prune"}
    assert {job.split()[0] for job in jobs} - gathered == made | SHOWN


def test_every_tokenizer_is_measured(done: tuple[Workspace, Path, set[str]]) -> None:
    space, _, _ = done
    table = metrics_of(space)
    assert list(table.columns) == list(Metric.__dataclass_fields__)
    measured = {"psnr", "ssim", "sharpness", "codes_used", "perplexity", "rfd"}
    assert {run: set(rows["metric"]) for run, rows in table.groupby("run")} == {"plain": measured, "gan": measured}
    assert not table.duplicated(["run", "metric"]).any()
    split = read_manifest(space.target("digits", "manifest.parquet"))["split"]
    assert set(table["n"]) == {(split == "val").sum()}
    bounded = table.dropna(subset="ci_low")
    assert set(bounded["metric"]) == measured - {"codes_used", "perplexity"}
    assert ((bounded["ci_low"] <= bounded["value"]) & (bounded["value"] <= bounded["ci_high"])).all()
    assert table.query("metric == 'codes_used'")["value"].between(1, 32).all()


def held_out(space: Workspace) -> np.ndarray:
    manifest = read_manifest(space.target("digits", "manifest.parquet"))
    return ImageStore(space.target("digits", "images")).read(manifest.loc[manifest["split"] == "val", "id"].to_numpy())


def copies_of(space: Workspace, tokenizer: str) -> np.ndarray:
    """What a tokenizer makes of the held-out images, rounded, float [n, H, W, C]."""
    import torch

    from steadyflow.models import VQVAE, to_model_range

    folder = space.target("digits", "tokenizers", tokenizer)
    model = VQVAE(**read_json(folder / "config.json")["architecture"])
    model.load_state_dict(read_weights(folder / "weights.safetensors"))
    with torch.no_grad():
        decoded = model.decode(model.encode(to_model_range(torch.from_numpy(held_out(space))))).movedim(1, -1).numpy()
    return np.clip(np.rint((decoded + 1) * 127.5), 0, 255)


def test_what_is_shown_is_what_was_measured(done: tuple[Workspace, Path, set[str]]) -> None:
    space, _, _ = done
    shown = read_array(space.target("digits", "metrics", "reconstructions.npy"))
    assert (shown.shape, shown.dtype) == ((3, 16, 16, 16, 1), np.uint8)
    images = held_out(space)
    np.testing.assert_array_equal(shown[0], images[:16])
    for row, name in enumerate(("plain", "gan"), start=1):
        copies = copies_of(space, name)
        # A rounding step where sums came out in another order.
        assert abs(copies[:16] - shown[row]).max() <= 1
        error = np.square(copies - images).mean(axis=(1, 2, 3))
        psnr = metrics_of(space).query("run == @name and metric == 'psnr'")["value"].item()
        assert psnr == pytest.approx(np.mean(10 * np.log10(255**2 / error)), abs=0.01)


@pytest.fixture(scope="module")
def vgg16(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of the right shape with random weights, and beside it a lock that asks for it."""
    import torch
    from torchvision import models

    path = tmp_path_factory.mktemp("downloads") / "weights" / VGG16_WEIGHTS
    path.parent.mkdir()
    torch.save(models.vgg16(weights=None).features.state_dict(prefix="features."), path)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = f'["{VGG16_WEIGHTS}"]\nurl = "http://127.0.0.1/vgg"\nsha256 = "{digest}"\nlicence = "none"\n'
    path.with_name("weights.lock").write_text(entry, encoding="utf-8")
    return path


# As above, 4 steps of it.
WITH_LPIPS = {
    "tokenizers/gan/steps": 4,
    "tokenizers/gan/adversarial/start": 0,
    "tokenizers/gan/perceptual": {"weight": 0.5},
}


def with_lpips(
    space: Workspace, script: str, *flags: str, vgg16: Path, downloads: Path
) -> subprocess.CompletedProcess[str]:
    """A script of the study whose tokenizer `gan` has a perceptual term; the lock is that beside the file."""
    study = space.write(edited(STUDY, {**WITH_LPIPS, "downloads": str(downloads)}), "lpips.yaml")
    lock = str(vgg16.with_name("weights.lock"))
    names = ("--dataset=digits", *flags, f"--weights-lock={lock}", "--device=cpu")
    return space.script(script, *names, study=study, environment={"WEIGHTS_LOCK": lock})


def test_lpips_is_trained_with(done: tuple[Workspace, Path, set[str]], vgg16: Path, tmp_path: Path) -> None:
    space = done[0].linked(tmp_path)
    ended = with_lpips(space, "train_tokenizer", "--tokenizer=gan", vgg16=vgg16, downloads=vgg16.parents[1])
    assert ended.returncode == 0, ended.stderr
    curve = pd.read_parquet(space.target("digits", "tokenizers", "gan", "curve.parquet"))
    assert (curve["perceptual"] > 0).all()
    assert np.allclose(
        curve["loss"],
        curve[["mse", "perceptual", "codebook", "commitment", "adversarial", "discriminator"]].sum(axis=1),
        rtol=1e-4,
    )


def test_other_weights_than_the_locked_are_refused(
    done: tuple[Workspace, Path, set[str]], vgg16: Path, tmp_path: Path
) -> None:
    space, other = done[0].linked(tmp_path), tmp_path / "downloads" / "weights" / VGG16_WEIGHTS
    other.parent.mkdir(parents=True)
    other.write_bytes(vgg16.read_bytes()[:-1] + b"?")
    before = digests(space.target("digits"))
    ended = with_lpips(space, "train_tokenizer", "--tokenizer=gan", vgg16=vgg16, downloads=tmp_path / "downloads")
    assert ended.returncode == 1 and ended.stderr.startswith(f"error: {other}: ") and "sha256" in ended.stderr
    assert digests(space.target("digits")) == before


def test_lpips_is_measured_with_a_vgg16(done: tuple[Workspace, Path, set[str]], vgg16: Path, tmp_path: Path) -> None:
    import torch

    from steadyflow.models import to_model_range
    from steadyflow.models.perceptual import Lpips

    space = done[0].linked(tmp_path)
    ended = with_lpips(space, "measure_tokenizers", "--batch-size=50", vgg16=vgg16, downloads=vgg16.parents[1])
    assert ended.returncode == 0, ended.stderr
    found = metrics_of(space)
    rest = found[found["metric"] != "lpips"].reset_index(drop=True)
    pd.testing.assert_frame_equal(rest, metrics_of(done[0]), rtol=1e-3)
    images, copies = (
        to_model_range(torch.from_numpy(x.astype(np.uint8))) for x in (held_out(space), copies_of(space, "gan"))
    )
    with torch.no_grad():
        expected = Lpips(vgg16)(images, copies).numpy()
    measured = found[(found["metric"] == "lpips") & (found["run"] == "gan")].iloc[0]
    assert measured["value"] == pytest.approx(expected.mean(), rel=1e-2)
    assert measured["sd"] == pytest.approx(expected.std(ddof=1), rel=1e-2)
    assert (measured["n"], measured["encoder"]) == (len(images), vgg16.stem)
    assert half_written(space.results) == []


def test_the_table_says_what_was_trained_on_and_what_was_not_measured(done: tuple[Workspace, Path, set[str]]) -> None:
    space, _, _ = done
    table = pd.read_csv(space.target("digits", "tables", "tokenizers.csv"))
    assert table["label"].tolist() == ["without", "with"]
    assert table["losses"].tolist() == ["MSE", "MSE + GAN"]
    assert table["codebook_size"].tolist() == [32, 32]
    markdown = space.target("digits", "tables", "tokenizers.md").read_text("utf-8")
    assert markdown.count("not measured") == 2


@pytest.mark.parametrize(
    ("edit", "jobs"),
    [
        ({"tokenizers/gan/label": "another"}, SHOWN | {"report"}),
        ({"evaluations/digits/seed": 1}, SHOWN | {"report"}),
        ({"evaluations/digits/tokenizers": ["gan"]}, {"measure_tokenizers", *SHOWN, "report"}),
        (
            {"tokenizers/gan/adversarial/weight": 0.1},
            {"train_tokenizer", "measure_tokenizers", "report"} | SHOWN - {"draw_dataset_samples"},
        ),
    ],
    ids=["label", "seed", "fewer", "weight"],
)
def test_an_edit_reruns_what_depends_on_it(
    done: tuple[Workspace, Path, set[str]], edit: dict[str, object], jobs: set[str]
) -> None:
    space, _, _ = done
    planned = space.planned("all", study=space.write(edited(STUDY, edit), "edited.yaml"))
    assert {job.split()[0] for job in planned} == jobs
    assert not [job for job in planned if job.startswith("train") and job.endswith("plain")]
