"""Every criterion through the real Snakefile, on the digits of the finished study; and a run on repeated images."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from support.workspace import Finished, edited

from steadyflow.ground.artifacts import file_hash, read_json, spec_hash
from steadyflow.prune import CRITERIA, keep_count, overlap
from steadyflow.study.specs import Subset

pytestmark = pytest.mark.pipeline

HALF = {"pruning_fraction": 0.5}
OF_EACH = {
    **{f"{name}-x": {"criterion": name, **HALF} for name in CRITERIA if name.startswith(("cluster_", "loss", "grad"))},
    "cluster_oversampled-x": {"criterion": "cluster_oversampled"},
    "random-x": {"criterion": "random", **HALF},
    "random_half-x": {"criterion": "random_half", "part": "a"},
    "kernel-x": {"criterion": "kernel", **HALF},
    "kernel_p-x": {"criterion": "kernel_p", **HALF, "space": "embeddings"},
    "kernel_b-x": {"criterion": "kernel_b", **HALF},
    "k_centre-x": {"criterion": "k_centre", **HALF, "space": "embeddings"},
    "semdedup-x": {"criterion": "semdedup", **HALF},
    "attribute_value-x": {"criterion": "attribute_value", "attribute": "label", "value": "3"},
    "attribute_balanced-x": {"criterion": "attribute_balanced", "attribute": "label", **HALF},
    "attribute_oversampled-x": {"criterion": "attribute_oversampled", "attribute": "label"},
    "drop_clusters-x": {"criterion": "drop_clusters", "drop": 5},
    "intersection-x": {"criterion": "intersection", "of": ["random-x", "loss-x"]},
    "complement-x": {"criterion": "complement", "of": "intersection-x"},
    "listed-x": {"criterion": "listed", "entries": "ids"},
}
# The study has several clusterings.
for _spec in OF_EACH.values():
    if "group" in CRITERIA[_spec["criterion"]].needs and "attribute" not in _spec:
        _spec["clusters"] = "k10"


@pytest.fixture(scope="module")
def finished(finished: Finished, tmp_path_factory: pytest.TempPathFactory) -> Finished:
    """A copy: more subsets are compared in a file that the study has already."""
    return finished.linked(tmp_path_factory.mktemp("subsets"))


@pytest.fixture(scope="module")
def listed(finished: Finished) -> Path:
    path = finished.directory / "some ids.json"
    path.write_text(json.dumps(train_ids(finished)[5:50:3].tolist()))
    return path


@pytest.fixture(scope="module")
def study(finished: Finished, listed: Path) -> Path:
    """Made, and one short training on repeated images."""
    edits = {f"subsets/{name}": spec for name, spec in OF_EACH.items()}
    edits |= {"subsets/listed-x/file": str(listed), "runs/repeated": {"subset": "cluster_oversampled-x", "steps": 2}}
    runs = ["unpruned", "cluster_b-0.5", "cluster_b_inv-0.5"]
    edits["evaluations/digits"] = {"sampling": "euler", "reference": "unpruned", "runs": runs}
    path = finished.write(edited(finished.raw, edits), "subsets.yaml")
    finished.run(*chosen(finished), finished.target("digits", "runs", "repeated", "run.json"), study=path)
    return path


def chosen(finished: Finished) -> list[Path]:
    """Every subset, and their comparison; `prune` has lists of what each drops too, and a page of them."""
    root = finished.target("digits")
    return [root / "subsets.json", *(root / "subsets" / f"{name}.parquet" for name in OF_EACH)]


def train_ids(finished: Finished) -> np.ndarray:
    manifest = pd.read_parquet(finished.target("digits", "manifest.parquet"))
    return manifest.loc[manifest["split"] == "train", "id"].to_numpy()


def subset(finished: Finished, name: str) -> pd.DataFrame:
    return pd.read_parquet(finished.target("digits", "subsets", f"{name}.parquet"))


def test_there_is_one_of_each_criterion() -> None:
    kinds = get_args(get_args(Subset)[0])
    named = {name for kind in kinds for name in get_args(kind.model_fields["criterion"].annotation)}
    assert {spec["criterion"] for spec in OF_EACH.values()} == named


@pytest.mark.parametrize("name", OF_EACH)
def test_a_subset_says_what_it_is(finished: Finished, study: Path, name: str) -> None:
    ids, table = train_ids(finished), subset(finished, name)
    rule = read_json(finished.target("digits", "subsets", f"{name}.json"))
    assert (np.diff(table["id"]) > 0).all()
    assert np.isin(table["id"], ids).all()
    assert (rule["n_from"], rule["n_kept"], rule["n_drawn"]) == (len(ids), len(table), table["multiplicity"].sum())
    if "pruning_fraction" in OF_EACH[name]:
        assert table["multiplicity"].eq(1).all()
        assert len(table) == keep_count(len(ids), 0.5)
    if "oversampled" in name:
        assert len(table) == len(ids)
        assert len({size for size in rule["groups"]["after"] if size}) == 1
    if rule["groups"]:
        assert sum(rule["groups"]["before"]) == len(ids)
        assert sum(rule["groups"]["after"]) == rule["n_drawn"]
    keys = pd.read_parquet(finished.target("digits", "manifest.parquet"))["key"].to_numpy()[table["id"]]
    assert finished.target("digits", "subsets", f"{name}.txt").read_text("utf-8").splitlines() == keys.tolist()


def test_hashes_lead_back_to_what_a_subset_was_chosen_by(finished: Finished, study: Path, listed: Path) -> None:
    def chosen_by(name: str) -> dict[str, dict[str, str]]:
        return read_json(finished.target("digits", "subsets", f"{name}.json"))["chosen_by"]

    root = finished.target("digits")
    encoder = read_json(root / "encoders" / "probe" / "config.json")["weights_hash"]
    embeddings = file_hash(root / "embeddings" / "probe.npy")
    images = read_json(root / "dataset.json")["content_hash"]
    assert chosen_by("k_centre-x") == {
        "embeddings": {"hash": embeddings, "encoder_hash": encoder, "images_hash": images}
    }
    assert chosen_by("cluster_b-x")["clusters"]["encoder_hash"] == encoder
    assert chosen_by("semdedup-x")["clusters"]["embeddings_hash"] == embeddings
    tokenizer = read_json(root / "tokenizers" / "vqvae" / "config.json")["weights_hash"]
    assert chosen_by("kernel-x")["latents"]["tokenizer_hash"] == tokenizer
    weights = read_json(root / "runs" / "surrogate" / "run.json")["weights_hash"]
    assert chosen_by("loss-x")["scores"]["weights_hash"] == weights
    member = file_hash(root / "subsets" / "random-x.parquet")
    assert chosen_by("intersection-x")["subset random-x"]["hash"] == member
    assert chosen_by("listed-x") == {"file": {"hash": file_hash(listed)}}
    assert chosen_by("random-x") == {}


def test_combinations_and_lists_are_what_they_say(finished: Finished, study: Path, listed: Path) -> None:
    both = np.intersect1d(subset(finished, "random-x")["id"], subset(finished, "loss-x")["id"])
    assert subset(finished, "intersection-x")["id"].tolist() == both.tolist()
    rest = np.setdiff1d(train_ids(finished), both)
    assert subset(finished, "complement-x")["id"].tolist() == rest.tolist()
    assert subset(finished, "listed-x")["id"].tolist() == sorted(json.loads(listed.read_text()))
    clusters = pd.read_parquet(finished.target("digits", "clusters", "k10.parquet")).set_index("id")["cluster"]
    assert clusters[subset(finished, "drop_clusters-x")["id"]].nunique() == clusters.nunique() - 5


def test_every_two_subsets_are_compared(finished: Finished, study: Path) -> None:
    compared = read_json(finished.target("digits", "subsets.json"))
    assert set(compared) == {*finished.raw["subsets"], *OF_EACH}
    for a in compared:
        assert set(compared[a]["overlap"]) == set(compared) - {a}
    a, b = "random-x", "kernel-x"
    assert compared[a]["overlap"][b] == overlap(subset(finished, a)["id"], subset(finished, b)["id"])
    assert compared["complement-x"]["overlap"]["intersection-x"] == 0


def test_a_training_sees_an_image_as_often_as_its_multiplicity(finished: Finished, study: Path) -> None:
    table = subset(finished, "cluster_oversampled-x")
    assert table["multiplicity"].max() > 1
    run = read_json(finished.target("digits", "runs", "repeated", "run.json"))
    assert run["inputs"]["ids"] == spec_hash(np.repeat(table["id"], table["multiplicity"]).tolist())
    assert run["n_train"] == len(table)


def test_an_edited_list_makes_its_subset_anew(finished: Finished, study: Path, listed: Path) -> None:
    assert finished.planned(*chosen(finished), study=study) == set()
    before = listed.read_text()
    listed.write_text(json.dumps(train_ids(finished)[:3].tolist()))
    planned = finished.planned(*chosen(finished), study=study)
    listed.write_text(before)
    assert planned == {
        "select_subset dataset=digits subset=listed-x",
        "compare_subsets dataset=digits",
    }
