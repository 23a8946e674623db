"""`prune` of one's own images, whatever they are called: the lists and the page, with labels and without."""

import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from support.folders import FOLDER_STUDY, write_photos
from support.tiny import TINY_TOKENIZER
from support.workspace import Workspace, edited, jobs_of

from steadyflow.ground.artifacts import read_json

pytestmark = pytest.mark.pipeline

NAMES = [
    "two  spaces.png", "it's.png", 'a "quote".png', "<b>bold<b>.png", "<script>alert(1)<script>.png", "&amp;.png",
    "größe 日本語 🙂.png", "$(touch gone).png", "-rf.png", "{{ 7 * 7 }}.png", "semi;colon.png", "100%.png", "# a.png",
]  # fmt: skip
ODD = "it's <b> & größe"
"""A class."""

UNLABELLED = {
    "name": "unlabelled",
    "datasets": {"photos": {"source": "folder", "path": "", "resolution": 16, "val_fraction": 0.2, "classes": "none"}},
    "tokenizers": {"vqvae": TINY_TOKENIZER},
    "runs": {"surrogate": {"model": "DiT-T/2", "precision": "fp32", "steps": 5, "batch_size": 8}},
    "scorings": {"surrogate": {"timesteps": 2, "noises": 1}},
    "subsets": {
        "hard": {"criterion": "loss", "pruning_fraction": 0.5},
        "steep": {"criterion": "grad_inv", "pruning_fraction": 0.25},
    },
}


class Page(HTMLParser):
    """What a browser would find: tags, titles of pictures, cells of the first table, all text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.titles: set[str] = set()
        self.links: list[str] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        found = dict(attributes)
        if tag == "img":
            assert found["alt"] == found["title"]
            self.titles.add(str(found["title"]))
        if tag == "a":
            self.links.append(str(found["href"]))

    def handle_data(self, data: str) -> None:
        self.text += data


def lines(path: Path) -> list[str]:
    """A list's lines as tools count them: split at line feeds alone."""
    text = path.read_bytes().decode("utf-8")
    assert text.endswith("\n")
    return text[:-1].split("\n")


def check_lists(space: Workspace, photos: Path, page: Page, subset: str, keep: int) -> None:
    manifest = pd.read_parquet(space.target("photos", "manifest.parquet"))
    train = set(manifest.loc[manifest["split"] == "train", "key"])
    kept = lines(space.target("photos", "subsets", f"{subset}.txt"))
    dropped = lines(space.target("photos", "subsets", "dropped", f"{subset}.txt"))
    assert len(kept) == len(set(kept)) == keep
    assert len(dropped) == len(set(dropped)) == len(train) - keep
    assert set(kept) | set(dropped) == train
    assert all((photos / key).is_file() for key in kept + dropped)
    assert f"Keeps {keep} of {len(train)} " in page.text
    here = space.target("reports", "prune")
    linked = {(here / link).resolve() for link in page.links if not link.startswith("#")}
    assert space.target("photos", "subsets", f"{subset}.txt").resolve() in linked
    assert space.target("photos", "subsets", "dropped", f"{subset}.txt").resolve() in linked
    assert all(path.is_file() for path in linked)


def train_count(space: Workspace) -> int:
    return int(read_json(space.target("photos", "dataset.json"))["counts"]["train"])


@pytest.fixture(scope="module")
def pruned(tmp_path_factory: pytest.TempPathFactory) -> tuple[Workspace, Path, Path]:
    """The workspace, the folder of oddly named images, and the study."""
    space = Workspace(tmp_path_factory.mktemp("odd"))
    photos = write_photos(space.directory / "my photos")
    for name, file in zip(NAMES, sorted((photos / "round").iterdir()), strict=False):
        file.rename(file.with_name(name))
    (photos / "square").rename(photos / ODD)
    study = space.write(edited(FOLDER_STUDY, {"datasets/photos/path": str(photos)}))
    space.run("prune", study=study)
    return space, photos, study


def test_lists_and_page_agree(pruned: tuple[Workspace, Path, Path]) -> None:
    space, photos, _ = pruned
    page, n = Page(space.target("reports", "prune", "folder.html")), train_count(space)
    assert f"{n} training images" in page.text
    assert f"{40 - n} held out for validation" in page.text
    check_lists(space, photos, page, "cluster_b-0.5", keep=int(0.5 * n + 0.5))
    check_lists(space, photos, page, "random-0.3", keep=int(0.7 * n + 0.5))


def test_names_of_files_and_classes_are_text_on_the_page(pruned: tuple[Workspace, Path, Path]) -> None:
    space, _, _ = pruned
    page = Page(space.target("reports", "prune", "folder.html"))
    manifest = pd.read_parquet(space.target("photos", "manifest.parquet"))
    assert page.titles <= set(manifest.loc[manifest["split"] == "train", "key"])
    assert sum(Path(title).name in NAMES for title in page.titles) > len(NAMES) / 2
    # The page's own bold: a number of each subset and the name of each cluster.
    assert page.tags["b"] == 2 + 4
    assert page.tags["script"] == 0
    assert ODD in page.text
    assert not (space.directory / "gone").exists()


def test_sizes_on_the_page_are_those_of_the_files(pruned: tuple[Workspace, Path, Path]) -> None:
    space, _, _ = pruned
    text = Page(space.target("reports", "prune", "folder.html")).text
    manifest = pd.read_parquet(space.target("photos", "manifest.parquet"))
    sizes = pd.read_parquet(space.target("photos", "clusters", "k4.parquet"))["cluster"].value_counts()
    for number, size in sizes.items():
        assert re.search(rf"cluster {number} {size} images?,", text)
    kept = pd.read_parquet(space.target("photos", "subsets", "random-0.3.parquet"))["id"]
    train = manifest[manifest["split"] == "train"]
    for label in (0, 1):
        before, after = (train["label"] == label).sum(), (manifest["label"].iloc[kept] == label).sum()
        assert f"{before} → {after}" in text


def test_a_page_made_again_is_the_same_and_costs_nothing_else(pruned: tuple[Workspace, Path, Path]) -> None:
    space, _, study = pruned
    page = space.target("reports", "prune", "folder.html")
    first = page.read_bytes()
    assert space.planned("prune", study=study) == set()
    page.unlink()
    assert jobs_of(space.run("prune", study=study)) == {"write_prune_page", "prune"}
    assert page.read_bytes() == first


def test_images_without_labels_are_pruned_by_scores(space: Workspace) -> None:
    photos = write_photos(space.directory / "photos", per_class=15)
    for file in list(photos.glob("*/*.png")):
        file.rename(photos / f"{file.parent.name} {file.name}")
    study = space.write(edited(UNLABELLED, {"datasets/photos/path": str(photos)}))
    jobs = {job.split()[0] for job in jobs_of(space.run("prune", study=study))}
    assert not jobs & {"train_probe", "embed_images", "cluster_embeddings"}

    page, n = Page(space.target("reports", "prune", "unlabelled.html")), train_count(space)
    check_lists(space, photos, page, "hard", keep=int(0.5 * n + 0.5))
    check_lists(space, photos, page, "steep", keep=int(0.75 * n + 0.5))
    assert "Clusters:" not in page.text
    scores = pd.read_parquet(space.target("photos", "scores", "surrogate.parquet"))
    keys = pd.read_parquet(space.target("photos", "manifest.parquet"))["key"]
    hardest = keys[scores.sort_values(["loss", "id"], ascending=[False, True])["id"]]
    kept = lines(space.target("photos", "subsets", "hard.txt"))
    assert set(kept) == set(hardest[: len(kept)])
    assert np.isfinite(scores["loss"]).all()


def test_a_probe_without_labels_is_one_clear_error(space: Workspace) -> None:
    photos = write_photos(space.directory / "photos", per_class=3)
    edits = {"datasets/photos/path": str(photos), "datasets/photos/classes": "none"}
    done = space.snakemake("prune", study=space.write(edited(FOLDER_STUDY, edits)))
    assert done.returncode != 0
    assert "encoders.probe: dataset 'photos' has neither classes nor attributes" in done.stdout
    assert not space.results.exists()
