"""A study without runs: tokenizers are trained, measured and shown beside each other."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from workspace import Workspace, edited, jobs_of

from steadyflow.artifacts import read_array, read_json, read_weights
from steadyflow.data.images import ImageStore, read_manifest
from steadyflow.evaluate.metrics import Metric

pytestmark = pytest.mark.pipeline

STUDY = yaml.safe_load("""
name: tokenizers
datasets:
  digits: {source: digits, resolution: 16, val_fraction: 0.2}
tokenizers:
  plain: &plain
    label: without
    width: 8
    multipliers: [1, 2]
    blocks: 1
    codebook_size: 32
    codebook_init: data
    perceptual: none
    adversarial: none
    precision: fp32
    steps: 20
    batch_size: 16
    learning_rate: 2.0e-3
    ema_decay: 0.9
  gan:
    <<: *plain
    label: with
    adversarial: {start: 10, width: 8, layers: 1}
encoders:
  probe: {width: 8, feature_dim: 16, steps: 20}
evaluations:
  digits: {}
""")
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


def test_what_is_shown_is_what_was_measured(done: tuple[Workspace, Path, set[str]]) -> None:
    import torch

    from steadyflow.models import VQVAE, to_model_range

    space, _, _ = done
    shown = read_array(space.target("digits", "metrics", "reconstructions.npy"))
    assert (shown.shape, shown.dtype) == ((3, 16, 16, 16, 1), np.uint8)
    manifest = read_manifest(space.target("digits", "manifest.parquet"))
    ids = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    images = ImageStore(space.target("digits", "images")).read(ids)
    np.testing.assert_array_equal(shown[0], images[:16])
    for row, name in enumerate(("plain", "gan"), start=1):
        folder = space.target("digits", "tokenizers", name)
        model = VQVAE(**read_json(folder / "config.json")["architecture"])
        model.load_state_dict(read_weights(folder / "weights.safetensors"))
        with torch.no_grad():
            copies = model.decode(model.encode(to_model_range(torch.from_numpy(images)))).movedim(1, -1).numpy()
        copies = np.clip(np.rint((copies + 1) * 127.5), 0, 255)
        # A rounding step where sums came out in another order.
        assert abs(copies[:16] - shown[row]).max() <= 1
        error = np.square(copies - images).mean(axis=(1, 2, 3))
        psnr = metrics_of(space).query("run == @name and metric == 'psnr'")["value"].item()
        assert psnr == pytest.approx(np.mean(10 * np.log10(255**2 / error)), abs=0.01)


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
