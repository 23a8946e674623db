"""The pruning page as a parser of HTML reads it."""

import base64
import io
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from steadyflow.prune_page import prune_page, thumbnails
from steadyflow.prune_page.clusters import CLUSTERS_SHOWN, NEAREST_SHOWN, shown_clusters
from steadyflow.prune_page.examples import (
    FEWEST_EXAMPLES,
    examples_per_row,
    random_examples,
)
from steadyflow.prune_page.facts import ClusteringFacts, DatasetFacts, SubsetFacts
from steadyflow.prune_page.page import THUMBNAIL
from steadyflow.prune_page.sizes import grouping, largest_first

HOSTILE = "<b>it's \"bold\"</b> & ünï/日本 'x'.png"


class Read(HTMLParser):
    """Tags with their attributes, and all text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text, self._open = [], "", []
        self.feed(page)
        assert not self._open, f"never closed: {self._open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in ("meta", "img", "br", "rect", "path"):
            self._open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def made_facts(*, subsets=1, k=0, n=400, named=str):
    """Facts of a made-up dataset whose subsets keep every other image."""
    random = np.random.default_rng(0)
    ids, kept = np.arange(n), np.arange(0, n, 2)
    cluster, distance = (np.sort(random.integers(0, k, n)), random.random(n)) if k else (None, None)
    clusterings, groupings = [], []
    if k:
        sizes = grouping("clusters", [str(c) for c in range(k)], cluster, ids % 2 == 0)
        clusterings = [ClusteringFacts("kmeans", "k", k, shown_clusters(ids, cluster, distance))]
        groupings = [largest_first(sizes)]
    groupings.append(grouping(named("label"), [named("one"), named("two")], ids % 3 - 1, ids % 2 == 0))
    examples = random_examples(random.permutation(n), kept, examples_per_row(subsets))
    one = SubsetFacts(
        name="half",
        label=named("label"),
        rule=named("rule"),
        chosen_by=[named("by")],
        n_kept=len(kept),
        drawn=len(kept),
        kept_list="a.txt",
        dropped_list="b.txt",
        groupings=groupings,
        examples=examples,
    )
    return DatasetFacts(
        "made",
        {"train": n, "val": 7, "skipped": 2},
        16,
        3,
        clusterings,
        [replace(one, name=f"half{place}") for place in range(subsets)],
        np.full((subsets, subsets), 0.25).tolist(),
    )


def picture(index, pixels, channels):
    return np.random.default_rng(index).integers(0, 256, (pixels, pixels, channels), np.uint8)


def made_page(dataset, pixels=16, channels=3, key=lambda index: f"{index}.png"):
    shown = dataset.shown_ids
    pictures = thumbnails(
        shown,
        lambda ids: np.stack([picture(index, pixels, channels) for index in ids]),
        {index: key(index) for index in shown},
    )
    return prune_page("study", [(dataset, pictures)])


@pytest.mark.parametrize("k", [0, 10, 24, 150])
@pytest.mark.parametrize("subsets", [1, 3])
def test_the_page_needs_nothing_but_itself(k, subsets):
    dataset = made_facts(subsets=subsets, k=k)
    page = made_page(dataset)
    read = Read(page)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in read.tags}
    assert "http" not in page
    assert all(image["src"].startswith("data:image/png;base64,") for image in read.all("img"))
    anchors = {tag["id"] for tag in read.all("h3") if "id" in tag}
    hrefs = {tag["href"] for tag in read.all("a")}
    assert {f"#{anchor}" for anchor in anchors} == hrefs - {"a.txt", "b.txt"}
    assert len(anchors) == subsets
    assert ("Overlap" in page) == (subsets > 1)
    assert ("Clusters:" in page) == bool(k)
    assert ("24 of 150 clusters" in read.text) == (k == 150)
    assert "400 training images" in read.text
    assert "7 held out for validation and 2 unreadable" in read.text


def test_the_same_facts_make_the_same_bytes():
    assert made_page(made_facts(k=24)) == made_page(made_facts(k=24))


def test_names_of_users_are_text():
    page = made_page(made_facts(k=10, named=lambda _: HOSTILE), key=lambda index: f"{index}{HOSTILE}")
    read = Read(page)
    assert not read.all("i")[2:]
    assert all(image["title"] == image["alt"] and image["title"].endswith(HOSTILE) for image in read.all("img"))
    # The rule's bold number is the page's own.
    assert len(read.all("b")) == 10 + 1
    assert read.text.count(HOSTILE) >= 4


@pytest.mark.parametrize(("pixels", "channels"), [(16, 1), (16, 3), (64, 3)])
def test_small_pictures_are_shown_as_they_are(pixels, channels):
    dataset = made_facts(k=10)
    page = made_page(dataset, pixels, channels, key=str)
    images = Read(page).all("img")
    assert {int(image["title"]) for image in images} == set(dataset.shown_ids)
    for image in images:
        decoded = np.asarray(Image.open(io.BytesIO(base64.b64decode(image["src"].partition(",")[2]))))
        assert np.array_equal(decoded.reshape(pixels, pixels, channels), picture(int(image["title"]), pixels, channels))


def test_many_large_pictures_make_no_heavy_page():
    dataset = made_facts(subsets=20, k=1000, n=5000)
    # Noise is what PNG packs worst: twice as large as photographs.
    page = made_page(dataset, pixels=256)
    images = Read(page).all("img")
    decoded = Image.open(io.BytesIO(base64.b64decode(images[0]["src"].partition(",")[2])))
    assert decoded.size == (THUMBNAIL, THUMBNAIL)
    assert len(images) <= CLUSTERS_SHOWN * NEAREST_SHOWN + 20 * 2 * FEWEST_EXAMPLES
    assert len(page) < 6_000_000
