"""A study of many runs fills more pages, and no larger ones."""

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image
from support.report_frames import FIGURES, draw, hangs_over, images, read_by_figures, tokenizer_curves

from steadyflow.report.style import PAGE_HEIGHT, pages_of, share_limits, write_figure

MANY = 51
RULES = MANY // 2
RUNS = ["unpruned", *(f"cluster_b{'_inv' if place % 2 else ''}-{place}" for place in range(1, MANY))]
NAMED = {run: f"balanced clusters, variant {place}" for place, run in enumerate(RUNS)}
FD = {run: 20.0 + (37 * place) % MANY for place, run in enumerate(RUNS)}
AGAINST = {(run, RUNS[0]): label for run, label in NAMED.items() if run != RUNS[0]}


def read(groups, comparisons):
    """Everything there can be many of."""
    tokenizers = {f"vq-{place}": f"tokenizer {place}" for place in range(MANY)}
    return read_by_figures(FD, groups, comparisons) | {
        "lines_by_fraction": {f"rule {n}": [(0.5, [RUNS[2 * n + 1]]), (0.9, [RUNS[2 * n + 2]])] for n in range(RULES)},
        "lines_by_k": {f"rule {n}, half removed": [(2, RUNS[2 * n + 1]), (8, RUNS[2 * n + 2])] for n in range(RULES)},
        "tokenizer_labels": tokenizers,
        "tokenizer_curves": tokenizer_curves(list(tokenizers)),
        "reconstructions": images(1 + MANY, 12, 8, 8, 3),
        "samples": {run: images(12, 8, 8, 1, seed=place) for place, run in enumerate(RUNS)},
    }


ONE_GROUP = read({"": NAMED}, {"": AGAINST})
HEADINGS = {"first half": RUNS[:2], "another heading": RUNS[2:49], "the last": RUNS[49:]}
IN_GROUPS = read(
    {heading: {run: NAMED[run] for run in runs} for heading, runs in HEADINGS.items()},
    {heading: {(run, RUNS[0]): NAMED[run] for run in runs if run != RUNS[0]} for heading, runs in HEADINGS.items()},
)
ONE_PAGE = {"dataset_samples", "number_of_clusters"}


@pytest.mark.parametrize("name", FIGURES)
def test_every_page_of_many_runs_fits_and_nothing_hangs_over_its_edge(name):
    pages = draw(name, ONE_GROUP)
    assert len(pages) == 1 if name in ONE_PAGE else len(pages) > 1
    assert max(page.get_size_inches()[1] for page in pages) <= PAGE_HEIGHT
    assert [hangs_over(page) for page in pages] == [[]] * len(pages)


def test_a_figure_of_groups_is_written_page_by_page(tmp_path):
    pages = draw("fd_by_criterion", IN_GROUPS)
    assert [hangs_over(page) for page in pages] == [[]] * len(pages)
    write_figure(pages, tmp_path / "figure")
    assert (tmp_path / "figure.pdf").read_bytes().count(b"/Type /Page ") == len(pages) == 4
    with Image.open(tmp_path / "figure.png") as picture:
        widths, heights = zip(*(page.get_size_inches() for page in pages), strict=True)
        assert picture.size == (sum(int(200 * width) for width in widths), int(200 * max(heights)))


def labels_of(pages, panel=0):
    return [text.get_text() for page in pages for text in page.axes[panel].get_yticklabels()]


def test_every_run_stands_on_one_page_and_pages_have_one_axis():
    pages = draw("fd_by_criterion", ONE_GROUP)
    assert labels_of(pages) == [NAMED[run] for run in sorted(RUNS, key=FD.get)]
    assert len({page.axes[0].get_xlim() for page in pages}) == 1
    dots = [container[0].get_xdata()[0] for page in pages for container in page.axes[0].containers]
    assert dots == sorted(FD.values())


def test_groups_stand_under_their_headings():
    pages = draw("similarity_by_run", IN_GROUPS)
    headings = [page.get_suptitle() for page in pages]
    assert headings == ["first half", "another heading (1 of 2)", "another heading (2 of 2)", "the last"]
    assert labels_of(pages) == [NAMED[run] for run in RUNS[1:]]


def test_a_group_of_the_stability_grid_goes_on_on_the_next_page():
    pages = draw("stability_grid", IN_GROUPS)
    rows = [text.get_text() for page in pages for axes in page.axes for text in axes.get_yticklabels()]
    assert rows == list(NAMED.values())
    titles = [axes.get_title("left") for page in pages for axes in page.axes]
    assert titles[0] == "(a) first half" and titles[-1] == "(c) the last"
    assert titles[1].startswith("(b) another heading (1 of ")


def test_originals_stand_on_every_page_of_reconstructions():
    pages = draw("tokenizer_reconstructions", ONE_GROUP)
    first_rows = [page.axes[0].images[0].get_array()[:32] for page in pages]
    assert all(np.array_equal(rows, first_rows[0]) for rows in first_rows)


@pytest.mark.parametrize("name", ["fd_by_fraction", "fd_by_k"])
def test_every_line_has_a_colour_of_its_own_on_its_page(name):
    pages = draw(name, ONE_GROUP)
    lines = [line for page in pages for line in page.axes[0].lines if len(line.get_xdata()) > 1]
    for page in pages:
        colours = [line.get_color() for line in page.axes[0].lines if line.get_linestyle() == "-"]
        assert len(set(colours)) == len(colours)
    assert len(lines) >= RULES


def test_entries_are_cut_into_pages_and_every_group_begins_one():
    groups = {"a": {1: "one", 2: "two", 3: "three"}, "b": {4: "four"}}
    assert pages_of(groups, 2) == [
        ("a (1 of 2)", {1: "one", 2: "two"}),
        ("a (2 of 2)", {3: "three"}),
        ("b", {4: "four"}),
    ]
    assert [heading for heading, _ in pages_of({"": groups["a"]}, 2)] == ["", ""]


def test_shared_limits_hold_what_each_panel_shows():
    axes = [Figure().add_subplot() for _ in range(2)]
    axes[0].set_xlim(0, 2)
    axes[1].set_xlim(1, 5)
    share_limits(axes, "x")
    assert [each.get_xlim() for each in axes] == [(0, 5), (0, 5)]


def test_a_page_that_is_too_tall_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"page 2 is 36.0 inches tall, and a page holds 9.5"):
        write_figure([Figure(figsize=(3, 2)), Figure(figsize=(3, 36))], tmp_path / "tall")
    assert list(tmp_path.iterdir()) == []


def test_pages_stand_beside_each_other_in_the_picture(tmp_path):
    pages = [Figure(figsize=(2, height), facecolor=colour) for height, colour in ((1, "red"), (2, "blue"))]
    write_figure(pages, tmp_path / "two")
    with Image.open(tmp_path / "two.png") as picture:
        assert picture.size == (800, 400)
        found = [picture.getpixel(place) for place in ((100, 100), (100, 300), (600, 300))]
    assert found == [(255, 0, 0), (255, 255, 255), (0, 0, 255)]
