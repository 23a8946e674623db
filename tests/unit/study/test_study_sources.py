"""Datasets of a study: sources, and what follows from their labels."""

import pytest
from support.studies import edited, study

from steadyflow.ground.artifacts import UserError
from steadyflow.stages.data import downloaded_files
from steadyflow.stages.weights import weights_file
from steadyflow.study import parse_study

SOURCES = {
    "folder": {"path": "photos"},
    "imagefolder": {"path": "imagenet"},
    "celeba": {"path": "celeba"},
    "cifar10": {},
    "huggingface": {"repo": "jxie/celeba-hq"},
}


WRONG_SOURCES = [
    ("folder", {"folder": "x"}, "datasets.faces.folder: unknown key"),
    ("folder", {"path": ...}, "datasets.faces.path: field required"),
    ("folder", {"classes": "folders"}, "datasets.faces.classes: input should be 'subfolders' or 'none'"),
    ("folder", {"bad_images": "ignore"}, "datasets.faces.bad_images: input should be 'error' or 'skip'"),
    ("imagefolder", {"val_fraction": 0.1}, "datasets.faces.val_fraction: input should be 0"),
    ("celeba", {"channels": 1}, "datasets.faces.channels: unknown key"),
    ("cifar10", {"val_fraction": 0.1}, "datasets.faces.val_fraction: input should be 0"),
    ("huggingface", {"repo": "celeba-hq"}, "datasets.faces.repo: string should match pattern"),
    ("huggingface", {"train": "/etc/*.parquet"}, "datasets.faces.train: string should match pattern"),
    ("huggingface", {"train": "**/a.parquet"}, "datasets.faces.train: '**/a.parquet' holds '**'; name each folder"),
    ("huggingface", {"train": "data/a**"}, "datasets.faces.train: 'data/a**' holds 'a**'; name each folder"),
    ("huggingface", {"val": "data/../*.parquet"}, "datasets.faces.val: 'data/../*.parquet' holds '..'; name each"),
    ("huggingface", {"val": "./a.parquet"}, "datasets.faces.val: './a.parquet' holds '.'; name each"),
    ("huggingface", {"val": "val.parquet", "val_fraction": 0.1}, "datasets.faces: has both `val` and `val_fraction`"),
    ("huggingface", {"val_fraction": 0}, "datasets.faces: has no validation images: name their shards in `val`"),
    ("huggingface", {"val_fraction": -1}, "datasets.faces.val_fraction: input should be greater than or equal to 0"),
]


def of_source(source, **changes):
    spec = {"source": source, "resolution": 32, **SOURCES[source], **changes}
    return study(datasets__faces={key: value for key, value in spec.items() if value is not ...})


@pytest.mark.parametrize(("source", "changes", "message"), WRONG_SOURCES)
def test_every_mistake_in_a_source_is_named_by_its_key(source, changes, message):
    with pytest.raises(UserError) as error:
        of_source(source, **changes)
    (line,) = str(error.value).splitlines()
    assert line.startswith(message)


@pytest.mark.parametrize(
    ("source", "changes", "files", "downloaded"),
    [
        ("folder", {}, ["photos"], False),
        ("folder", {"labels_csv": "labels.csv"}, ["photos", "labels.csv"], False),
        ("imagefolder", {"class_names": "names.txt"}, ["imagenet", "names.txt"], False),
        ("celeba", {}, ["celeba"], False),
        ("cifar10", {}, [], True),
        ("cifar10", {"path": "cifar"}, ["cifar"], False),
        ("huggingface", {}, [], True),
        ("huggingface", {"path": "shards"}, ["shards"], False),
    ],
)
def test_a_source_says_which_files_it_is_made_from(source, changes, files, downloaded):
    spec = of_source(source, **changes).datasets["faces"]
    assert (spec.files, spec.downloaded) == (files, downloaded)


UNLABELLED = [("folder", {"classes": "none"}), ("huggingface", {"label_column": None})]


LABELLED = [("folder", {}), ("folder", {"classes": "none", "labels_csv": "a.csv"}), ("huggingface", {}), ("celeba", {})]


@pytest.mark.parametrize(("source", "changes"), UNLABELLED)
def test_no_probe_is_trained_on_images_without_labels(source, changes):
    with pytest.raises(UserError) as error:
        of_source(source, **changes)
    assert str(error.value) == (
        "encoders.probe: dataset 'faces' has neither classes nor attributes, so there is nothing to train a probe on; "
        "give it labels, or prune by loss or grad, which need none"
    )


@pytest.mark.parametrize(("source", "changes"), LABELLED)
def test_a_probe_is_trained_on_images_that_may_have_labels(source, changes):
    assert of_source(source, **changes).encoders["probe"].dataset == "faces"


def test_images_without_labels_are_pruned_by_scores():
    raw = edited(datasets__faces={"source": "folder", "path": "a", "resolution": 32, "classes": "none"})
    for section in ("encoders", "clusterings", "evaluations", "samplings"):
        del raw[section]
    del raw["subsets"]["near"], raw["runs"]["near"]
    pruned = parse_study(raw)
    assert pruned.subsets_of("faces") == ["half", "hard"]
    assert pruned.pruned_by("faces") == []


def test_where_downloads_lie_is_said_by_the_study_alone_and_is_in_no_identity():
    here, there = study(), study(downloads="/scratch/shared")
    assert downloaded_files(here, "faces") == "downloads/datasets/faces/files.json"
    assert weights_file(there, "a.pth") == "/scratch/shared/weights/a.pth"
    assert downloaded_files(there, "faces") == "/scratch/shared/datasets/faces/files.json"
    assert here.datasets["faces"].identity() == there.datasets["faces"].identity()
