"""The pruning page: its facts against brute force, and its HTML as a parser reads it."""

import base64
import io
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from steadyflow.report import prune_facts as facts
from steadyflow.report.bars import HEIGHT, bar_columns
from steadyflow.report.prune_page import THUMBNAIL, prune_page, thumbnails
from steadyflow.report.prune_words import rule_in_words, settings

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
        sizes = facts.grouping("clusters", [str(c) for c in range(k)], cluster, ids % 2 == 0)
        clusterings = [facts.ClusteringFacts("kmeans", "k", k, facts.shown_clusters(ids, cluster, distance))]
        groupings = [facts.largest_first(sizes)]
    groupings.append(facts.grouping(named("label"), [named("one"), named("two")], ids % 3 - 1, ids % 2 == 0))
    examples = facts.drawn_examples(random.permutation(n), kept, facts.examples_a_row(subsets))
    one = facts.SubsetFacts(
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
    return facts.DatasetFacts(
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


def test_group_sizes_are_counts_without_the_unknown():
    codes, kept = np.random.default_rng(0).integers(-1, 4, 300), np.arange(300) % 3 == 0
    found = facts.grouping("colour", list("abcde"), codes, kept)
    assert list(found.before) == [Counter(codes.tolist())[code] for code in range(5)]
    assert list(found.after) == [Counter(codes[kept].tolist())[code] for code in range(5)]
    assert sum(found.before) == (codes >= 0).sum() < 300


def test_shift_is_the_total_variation_of_shares():
    assert facts.Grouping("", "ab", [30, 10], [15, 5]).shift == 0
    assert facts.Grouping("", "ab", [30, 10], [0, 5]).shift == pytest.approx(0.75)
    assert facts.Grouping("", "ab", [0, 0], [0, 0]).shift == 0


def test_the_attributes_that_change_most_come_first():
    still, moved = facts.Grouping("still", "ab", [2, 2], [1, 1]), facts.Grouping("moved", "ab", [2, 2], [2, 0])
    assert facts.most_shifted([still, moved]) == [moved, still]
    assert len(facts.most_shifted([still] * 40)) == facts.ATTRIBUTES_SHOWN


@pytest.mark.parametrize(("k", "shown"), [(5, 5), (24, 24), (25, 24), (200, 24)])
def test_clusters_are_spread_over_their_sizes(k, shown):
    random = np.random.default_rng(k)
    cluster = random.permutation(np.repeat(np.arange(k), np.arange(1, k + 1)))
    ids, distance = 3 * np.arange(len(cluster)), random.integers(0, 9, len(cluster)) / 9
    found = facts.shown_clusters(ids, cluster, distance)
    assert len(found) == len({entry.number for entry in found}) == shown
    # Cluster c has c + 1 images.
    assert (found[0].number, found[-1].number) == (k - 1, 0)
    assert np.all(np.diff([entry.size for entry in found]) < 0)
    for entry in found:
        members = sorted((d, i) for i, c, d in zip(ids, cluster, distance, strict=True) if c == entry.number)
        assert entry.size == len(members) == entry.number + 1
        assert list(entry.nearest) == [i for _, i in members[: facts.NEAREST_SHOWN]]


def test_an_empty_cluster_has_no_card():
    found = facts.shown_clusters(np.arange(3), np.array([0, 2, 2]), np.zeros(3))
    assert [entry.number for entry in found] == [2, 0]


def test_drawn_examples_follow_one_order():
    shuffled, kept = np.array([5, 2, 9, 7, 1, 4]), np.array([1, 2, 4, 5])
    assert [(row.kept, list(row.ids)) for row in facts.drawn_examples(shuffled, kept, 3)] == [
        (True, [5, 2, 1]),
        (False, [9, 7]),
    ]


@pytest.mark.parametrize("kept_low", [True, False])
def test_ranked_examples_are_the_far_ends(kept_low):
    ids, value = np.arange(10) * 10, np.array([3, 1, 4, 1.5, 9, 2, 6, 5, 8, 7])
    chosen = value < 5 if kept_low else value > 5
    kept, dropped = facts.ranked_examples(ids, value, "loss", ids[chosen], 2)
    low, high = [10, 30], [40, 80]
    assert (list(kept.ids), list(dropped.ids)) == ((low, high) if kept_low else (high, low))
    assert (kept.kept, dropped.kept) == (True, False)
    assert (kept.how, dropped.how) == (("lowest loss", "highest loss") if kept_low else ("highest loss", "lowest loss"))


def test_where_all_is_kept_nothing_is_ranked_apart():
    assert facts.ranked_examples(np.arange(3), np.arange(3.0), "loss", np.arange(3), 2) == []


def test_bars_are_in_proportion_and_tell_their_numbers():
    svg = str(bar_columns(["a", "<i>"], [40, 10], [20, 0]))
    heights = [float(found) for found in re.findall(r' height="([\d.]+)"/>', svg)]
    assert heights == [HEIGHT, HEIGHT / 2, HEIGHT / 4, 0]
    assert "<title>&lt;i&gt;: 10 → 0</title>" in svg


def test_a_thousand_bars_are_two_outlines():
    sizes = np.random.default_rng(0).integers(0, 900, 1000).tolist()
    svg = str(bar_columns([str(c) for c in range(1000)], sizes, [size // 2 for size in sizes]))
    assert svg.count("<path") == 2
    assert "<rect" not in svg
    assert len(svg) < 40_000
    tops = [float(found) for found in re.findall(r"V([\d.]+)H", svg)][:1000]
    assert tops == pytest.approx([HEIGHT * (1 - size / max(sizes)) for size in sizes], abs=0.051)


def test_bars_of_nothing():
    assert "<rect" in bar_columns(["a"], [0], [0])


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
    assert len(images) <= facts.CLUSTERS_SHOWN * facts.NEAREST_SHOWN + 20 * 2 * facts.FEWEST_EXAMPLES
    assert len(page) < 6_000_000


def test_examples_thin_out_with_the_number_of_subsets():
    counts = [facts.examples_a_row(subsets) for subsets in range(1, 60)]
    assert counts[0] == facts.EXAMPLES_A_ROW
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == facts.FEWEST_EXAMPLES


def test_a_rule_in_words():
    spec = {"criterion": "random_half", "part": "a", "seed": 3, "dataset": "mine", "file": None}
    assert rule_in_words("half of a random split", spec) == "half of a random split (part a, seed 3)"
    assert rule_in_words("all", {"criterion": "complement", "of": ["a", "b"]}) == "all"


def test_settings_are_what_a_spec_says_of_itself():
    assert settings({"k": 24, "dataset": "mine", "over": [1, 2], "seed": 0, "encoder": None}) == "k 24, seed 0"
