"""The data of a velocity model's training, opened from files; and its training as one call."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch

from steadyflow.data.images import DatasetInfo
from steadyflow.ground.artifacts import UserError, write_array, write_json
from steadyflow.models import build_velocity
from steadyflow.train import (
    Execution,
    Schedule,
    open_velocity_data,
    train_velocity,
    velocity_architecture,
    velocity_objective,
)

CPU = torch.device("cpu")
LATENTS = np.random.default_rng(0).standard_normal((12, 4, 4, 4)).astype(np.float16)
SPLIT = ["train"] * 8 + ["val"] * 4


@pytest.fixture
def folder(tmp_path):
    write_array(tmp_path / "latents.npy", LATENTS)
    write_json(tmp_path / "latents.json", {"scale": 0.5})
    pd.DataFrame({"id": range(12), "split": SPLIT, "label": np.arange(12) % 3}).to_parquet(
        tmp_path / "manifest.parquet"
    )
    pd.DataFrame({"id": [1, 6], "multiplicity": [2, 1]}).to_parquet(tmp_path / "subset.parquet")
    describe(tmp_path, ["a", "b", "c"])
    return tmp_path


def describe(folder, classes):
    counts = {"train": 8, "val": 4, "skipped": 0}
    info = DatasetInfo("toy", 12, counts, classes, {}, 8, 1, [], "hash", {})
    write_json(folder / "dataset.json", dataclasses.asdict(info))


def opened(folder, subset=None, transform="none", conditional=False):
    common = {"transform": transform, "conditional": conditional, "device": CPU, "place": "runs.mine"}
    return open_velocity_data(folder, folder / "latents.npy", subset, **common)


def test_a_subset_is_read_as_often_as_it_says_scaled_and_transformed(folder):
    data = opened(folder, folder / "subset.parquet", "flip_all", conditional=True)
    assert (data.samples.size, data.images, data.validation.size) == (3, 2, 4)
    wanted = -0.5 * torch.from_numpy(LATENTS.astype(np.float32))
    assert torch.equal(data.samples.load(torch.tensor([2, 0, 1])), wanted[[6, 1, 1]])
    assert torch.equal(data.validation.load(torch.arange(4)), wanted[8:])
    assert data.samples.labels.tolist() == [1, 1, 0] and data.validation.labels.tolist() == [2, 0, 1, 2]
    assert data.samples.num_classes == data.samples.no_label == 3
    assert opened(folder).samples.size == 8 and opened(folder).samples.labels is None


def test_the_hashes_are_of_all_that_is_read(folder):
    whole, conditional = opened(folder).hashes, opened(folder, conditional=True).hashes
    assert conditional.keys() - whole.keys() == {"labels"}
    assert opened(folder, folder / "subset.parquet").hashes["ids"] != whole["ids"]
    write_array(folder / "latents.npy", LATENTS + 1)
    assert opened(folder).hashes["latents"] != whole["latents"]


def test_what_the_data_cannot_do_is_named(folder):
    with pytest.raises(UserError, match=r"^runs\.mine\.latent_transform: rows of \[1\] numbers, for 4 channels"):
        opened(folder, transform=[[1.0]])
    describe(folder, None)
    with pytest.raises(UserError, match=r"^runs\.mine\.conditional: the dataset has no classes \(.*dataset\.json\)$"):
        opened(folder, conditional=True)


def test_a_velocity_is_trained_and_its_loss_over_time_follows(folder):
    data = opened(folder, conditional=True)
    architecture = velocity_architecture("DiT-T/2", data.samples)
    assert architecture == {"name": "DiT-T/2", "latent_channels": 4, "latent_size": 4, "num_classes": 3}
    torch.manual_seed(0)
    trained = train_velocity(
        build_velocity(**architecture),
        velocity_objective("flow_matching", data.samples, 0, label_dropout=0.1, coupling="ot"),
        data.samples,
        Schedule(3, 4, 1e-3, 0.9, 0),
        Execution(folder / "state.pt", "id", CPU),
        validation=data.validation,
    )
    assert trained.curve["step"].tolist() == [1, 2, 3]
    assert [f"val_loss_{k / 10:g}" for k in range(10)] == [name for name in trained.curve if name.startswith("val")]
    assert trained.curve.filter(like="val_loss").notna().all(axis=None)
