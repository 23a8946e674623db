import matplotlib
import numpy as np
import pandas as pd
import pytest
from support.report_frames import (
    BY_K,
    CLUSTER_NUMBERS,
    COMPARISONS,
    FIGURES,
    LABELS,
    READ_BY_FIGURES,
    draw,
    hangs_over,
    images,
    tokenizer_curves,
)

from steadyflow.report.images import mosaic
from steadyflow.report.style import write_figure


def tick_labels(axes):
    return [text.get_text() for text in axes.get_yticklabels()]


@pytest.mark.parametrize("name", FIGURES)
def test_drawn_and_written_twice_a_figure_has_the_same_bytes(name, tmp_path):
    for stem in "ab":
        write_figure(draw(name), tmp_path / stem)
    for suffix in ("pdf", "png"):
        assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()
    assert b"CreationDate" not in (tmp_path / "a.pdf").read_bytes()


def test_one_figure_written_again_has_the_same_bytes_and_leaves_nothing_else(tmp_path):
    pages = draw("fd_by_criterion")
    for stem in "ab":
        write_figure(pages, tmp_path / stem)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.pdf", "a.png", "b.pdf", "b.png"]


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_hangs_over_the_edge(name):
    (page,) = draw(name)
    assert hangs_over(page) == []


def test_quality_is_sorted_with_inverses_hollow_and_a_line_at_the_reference():
    axes = draw("fd_by_criterion")[0].axes[0]
    assert tick_labels(axes) == ["lowest loss", "all data", "highest loss"]
    dots = [container[0] for container in axes.containers]
    assert [(dot.get_xdata()[0], dot.get_ydata()[0]) for dot in dots] == [(2.0, 0), (3.0, 1), (5.0, 2)]
    assert [dot.get_markerfacecolor() == "white" for dot in dots] == [True, False, False]
    ends = axes.containers[0][2][0].get_segments()[0][:, 0]
    assert ends.tolist() == [1.5, 2.25]
    assert axes.lines[0].get_xdata()[0] == 3.0
    assert "FD (probe)" in axes.get_xlabel()


def test_similarity_shows_matched_and_unmatched_means_with_their_sd():
    axes = draw("similarity_by_run")[0].axes[0]
    assert tick_labels(axes) == list(COMPARISONS.values())
    assert [c[0].get_xdata()[0] for c in axes.containers] == [0.9, 0.3, 0.91, 0.31]
    np.testing.assert_allclose(axes.containers[1][2][0].get_segments()[0][:, 0], [0.15, 0.45])


def test_matching_shows_both_rates_with_their_intervals_and_chance():
    panels = draw("matching_by_run")[0].axes
    assert tick_labels(panels[0]) == list(COMPARISONS.values())
    for axes, values in zip(panels, ([0.8, 0.81], [0.6, 0.61]), strict=True):
        assert [dot[0].get_xdata()[0] for dot in axes.containers] == values
        ends = [dot[2][0].get_segments()[0][:, 0] for dot in axes.containers]
        np.testing.assert_allclose(ends, [[value - 0.5, value + 0.25] for value in values])
    # Of n = 100 samples one is the nearest by chance.
    assert [axes.lines[-1].get_xdata()[0] for axes in panels] == [0.5, 0.01]


def test_similarity_histograms_are_scaled_to_one_height():
    one = {"": {("loss-0.5", "unpruned"): "highest loss"}}
    axes = draw("similarity_histogram", similarity_encoders=["probe", "clip"], comparisons=one)[0].axes
    assert [a.get_ylabel() for a in axes] == ["highest loss", ""]
    for of_encoder in axes:
        steps = [patch.get_data() for patch in of_encoder.patches]
        np.testing.assert_allclose([data.values.max() for data in steps], 1)
        np.testing.assert_allclose(steps[2].values, np.arange(40) / 39)


def test_lines_over_the_fraction_start_at_the_reference_and_inverses_are_dashed():
    axes = draw("fd_by_fraction")[0].axes[0]
    solid, dashed = (container[0] for container in axes.containers)
    np.testing.assert_array_equal(solid.get_xydata(), [[0, 3], [0.5, 5]])
    np.testing.assert_array_equal(dashed.get_xydata(), [[0, 3], [0.5, 2], [0.9, 5]])
    assert (solid.get_linestyle(), dashed.get_linestyle()) == ("-", "--")
    assert solid.get_color() == dashed.get_color()
    ends = [segment[:, 1].tolist() for segment in axes.containers[0][2][0].get_segments()]
    assert ends == [[2.5, 3.25], [4.5, 5.25]]
    panels = draw("precision_recall_by_fraction")[0].axes
    assert [a.get_title("left") for a in panels] == ["F-score (probe)", "precision (probe)", "recall (probe)"]


def test_groups_of_the_stability_grid_stand_under_each_other():
    batch = images(2, 4, 8, 8, 1)
    samples = {"a": batch[0], "b": batch[1], "c": batch[1]}
    groups = {"seed": {"a": "a", "b": "b"}, "size": {"c": "c"}}
    figure = draw("stability_grid", samples=samples, perturbations=groups)[0]
    first, second = figure.axes
    assert [axes.get_title("left") for axes in (first, second)] == ["(a) seed", "(b) size"]
    assert tick_labels(first) == ["a", "b"]
    assert first.get_position().y0 > second.get_position().y1
    # One scale: a pixel of either group is as wide.
    assert first.get_position().width == pytest.approx(second.get_position().width)
    np.testing.assert_array_equal(first.images[0].get_array()[36:68:4, :32:4, 0], batch[1, 0, ..., 0])


def test_cluster_sizes_put_the_largest_first():
    axes = draw("cluster_sizes")[0].axes[0]
    assert [bar.get_height() for bar in axes.containers[0]] == [20, 10, 5]
    assert [bar.get_height() for bar in axes.containers[1]] == [6, 7, 5]


def test_inertia_and_silhouette_mark_the_elbow_and_the_chosen_number():
    figure = draw("number_of_clusters")[0]
    for axes, column in zip(figure.axes, ("inertia", "silhouette"), strict=True):
        curve, elbow, chosen = ([*zip(*line.get_data(), strict=True)] for line in axes.lines)
        assert curve == list(zip(CLUSTER_NUMBERS["k"], CLUSTER_NUMBERS[column], strict=True))
        assert (elbow, chosen) == ([curve[1]], [curve[2]])
        low, high = axes.get_ylim()
        assert low < CLUSTER_NUMBERS[column].min() < CLUSTER_NUMBERS[column].max() < high
    words = [text.get_text() for text in figure.legends[0].get_texts()]
    assert words == ["this study's, k = 8", "elbow of the inertia, k = 4"]
    without = draw("number_of_clusters", elbow_k=None)[0]
    assert len(without.axes[0].lines) == 2
    assert len(without.legends[0].get_texts()) == 1


def test_quality_by_k_joins_the_means_of_a_rule_beside_the_reference():
    figure = draw("fd_by_k")[0]
    axes = figure.axes[0]
    dots = axes.containers[0]
    np.testing.assert_array_equal(dots[0].get_xydata(), [[2, 5], [2, 2], [24, 2]])
    ends = [segment[:, 1].tolist() for segment in dots[2][0].get_segments()]
    assert ends == [[4.5, 5.25], [1.5, 2.25], [1.5, 2.25]]
    line = next(line for line in axes.lines if line.get_label() in BY_K)
    np.testing.assert_array_equal(line.get_xydata(), [[2, 3.5], [24, 2]])
    assert axes.lines[0].get_ydata() == [3, 3]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["2", "24"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["all data", *BY_K]


def test_quality_by_k_is_drawn_in_every_encoder():
    first = READ_BY_FIGURES["quality"]
    second = first.assign(encoder="clip", value=first["value"] / 10)
    pages = draw("fd_by_k", quality=pd.concat([first, second]), encoders=["probe", "clip"])
    labels = [page.axes[0].get_ylabel() for page in pages]
    assert labels == ["FD (probe), lower is better", "FD (clip), lower is better"]
    in_clip = next(line for line in pages[1].axes[0].lines if line.get_label() in BY_K)
    np.testing.assert_allclose(in_clip.get_xydata(), [[2, 0.35], [24, 0.2]])


def test_every_run_has_its_panel_of_losses():
    panels = [axes for axes in draw("training_curves")[0].axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in panels] == list(LABELS.values())
    raw, smooth, flow = panels[0].lines[-3:]
    np.testing.assert_array_equal(raw.get_ydata(), 1 / (1 + np.arange(0, 500, 5)))
    assert smooth.get_ydata()[50] == pytest.approx(raw.get_ydata()[48:53].mean())
    # The Gaussian flow's, the fourth of the held-out losses.
    assert list(flow.get_ydata()) == [3.25, 3.25]


def test_every_run_has_its_held_out_loss_over_time_beside_its_gaussian_flows():
    panels = [axes for axes in draw("loss_by_time")[0].axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in panels] == list(LABELS.values())
    for place, axes in enumerate(panels):
        values, edges, _ = axes.patches[-1].get_data()
        np.testing.assert_array_equal(values, [place, place + 0.5])
        np.testing.assert_array_equal(axes.patches[0].get_data()[0], [3.0, 3.5])
        np.testing.assert_array_equal(edges, [0, 0.5, 1])
        # Behind it one line with the steps of all runs, and gaps between them.
        (others,) = axes.lines
        x, y = others.get_xdata(), others.get_ydata()
        np.testing.assert_array_equal(x[:5], [0, 0.5, 0.5, 1, np.nan])
        np.testing.assert_array_equal(y[:10], [0, 0, 0.5, 0.5, np.nan, 1, 1, 1.5, 1.5, np.nan])


def test_every_pair_has_the_distances_of_its_paths_over_time():
    figure = draw("path_distance")[0]
    panels = [axes for axes in figure.axes if axes.get_visible()]
    assert [axes.get_title("left") for axes in panels] == list(COMPARISONS.values())
    unmatched, matched = panels[1].lines
    np.testing.assert_array_equal(matched.get_xydata(), [[0, 0], [0.25, 0.25], [1, 1]])
    np.testing.assert_array_equal(unmatched.get_ydata(), [1, 1.25, 2])
    # The band of those from one noise reaches from 0 to 2 t.
    corners = panels[1].collections[1].get_paths()[0].vertices
    assert {(0.25, 0.0), (0.25, 0.5), (1.0, 2.0)} <= set(map(tuple, corners))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["same noise", "different noise"]
    assert panels[0].get_ylim()[0] == 0


def test_originals_stand_over_each_tokenizers_reconstructions():
    batch = images(3, 4, 8, 8, 3)
    axes = draw("tokenizer_reconstructions", reconstructions=batch)[0].axes[0]
    assert tick_labels(axes) == ["original", "MSE", "MSE + GAN"]
    np.testing.assert_array_equal(axes.images[0].get_array()[36 : 36 + 32 : 4, :32:4], batch[1, 0])


def test_a_term_has_a_panel_where_a_tokenizer_has_it_and_a_line_from_where_it_starts():
    titles = ["reconstruction error (MSE)", "adversarial term", "discriminator's loss", "codes used in a batch"]
    panels = draw("tokenizer_curves")[0].axes
    assert [axes.get_title("left") for axes in panels] == titles
    raw, smooth = panels[0].lines[2:]
    np.testing.assert_array_equal(raw.get_ydata(), 2 / np.arange(10, 500, 10))
    assert smooth.get_label() == "MSE + GAN"
    assert [line.get_xdata().min() for line in panels[2].lines] == [210, 210]
    alone = {"tokenizer_curves": tokenizer_curves()[lambda curves: curves["tokenizer"] == "plain"]}
    assert len(draw("tokenizer_curves", **alone, tokenizer_labels={"plain": "MSE"})[0].axes) == 2


def test_fairness_bars_stand_beside_the_training_data():
    panels = [axes for axes in draw("fairness_bars")[0].axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == [
        "predicted by probe\nage", "predicted by clip_zero_shot\nage", "gender", "skin tone", "hair color", "glasses",
        "predicted by clip_zero_shot\nhat",
    ]  # fmt: skip
    for first, axes in enumerate(panels, start=1):
        assert [patch.get_width() for patch in axes.patches] == [first + 1, first + 2, first + 3]
        assert axes.lines[0].get_xdata()[0] == first


def test_the_grid_shows_every_sample_in_its_row_and_column():
    batch = images(3, 4, 8, 8, 1)
    grid = {"samples": dict(zip("abc", batch, strict=True)), "pictured_groups": {"": {name: name for name in "abc"}}}
    axes = draw("matched_noise_grid", **grid)[0].axes[0]
    picture = axes.images[0].get_array()
    assert picture.shape == ((3 * 9 - 1) * 4, (4 * 9 - 1) * 4, 3)
    cell = picture[2 * 36 : 2 * 36 + 32 : 4, 36 : 36 + 32 : 4]
    np.testing.assert_array_equal(cell, batch[2, 1].repeat(3, axis=-1))
    assert tick_labels(axes) == ["a", "b", "c"]


def test_mosaic_repeats_pixels_and_keeps_colours():
    batch = images(1, 2, 3, 3, 3)
    picture = mosaic(batch, gap=1, scale=2)
    assert picture.shape == (6, 14, 3)
    np.testing.assert_array_equal(picture[::2, ::2][:, :3], batch[0, 0])
    np.testing.assert_array_equal(picture[1::2, 1::2][:, 4:], batch[0, 1])
    assert (picture[:, 6:8] == 255).all()
    with pytest.raises(ValueError, match="1 or 3 channels"):
        mosaic(images(1, 1, 3, 3, 2))


def test_a_readers_own_style_changes_nothing(tmp_path):
    write_figure(draw("number_of_clusters"), tmp_path / "a")
    with matplotlib.rc_context({"font.size": 20, "lines.linewidth": 9}):
        write_figure(draw("number_of_clusters"), tmp_path / "b")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
