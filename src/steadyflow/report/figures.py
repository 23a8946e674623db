"""The figures. Each is named in `catalogue.FIGURES` and returns a matplotlib Figure for `write_figure`.

`metrics` is the tidy table described in `tables`. Images are uint8 with 1 or 3 channels, channels last. Rows follow
the mapping of names to labels, unless the figure sorts them.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from steadyflow.evaluate import Estimate, mean_over_runs
from steadyflow.names import TRAINING_DATA
from steadyflow.report import style
from steadyflow.report.images import Images, mosaic
from steadyflow.report.measures import Measure, find_measure
from steadyflow.report.style import BLUE, COLUMN_WIDTH, FULL_WIDTH, GREY, INK, LIGHT_BLUE, ORANGE, PALE, SERIES, styled

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Histogram = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
_PANELS = 5  # beside each other, of which each has a title
_ROW, _MARGIN = 0.21, 0.55  # inches: one categorical row, and what the axis and its label need


@styled
def dataset_samples(images: Images, *, columns: int = 12) -> "Figure":
    """Images [n, H, W, C] in rows of `columns`; a last row that is not full is left out."""
    columns = min(columns, len(images))
    rows = len(images) // columns
    grid = images[: rows * columns].reshape(rows, columns, *images.shape[1:])
    figure = style.new_figure(FULL_WIDTH, FULL_WIDTH * _aspect(grid))
    _show_mosaic(figure.add_subplot(), grid)
    return figure


@styled
def tokenizer_reconstructions(images: Images, labels: Sequence[str]) -> "Figure":
    """Held-out images [1 + tokenizers, columns, H, W, C]: the originals, and under them a row per label."""
    figure, axes = _labelled_mosaic(images, ["original", *labels])
    axes.set_title("held-out images, encoded and decoded", color=GREY)
    return figure


_TERMS = {
    "mse": "reconstruction error (MSE)",
    "perceptual": "perceptual term",
    "adversarial": "adversarial term",
    "discriminator": "discriminator's loss",
    "codes_used": "codes used in a batch",
}


@styled
def tokenizer_curves(curves: pd.DataFrame, labels: Mapping[str, str]) -> "Figure":
    """A panel per term of the tokenizers' losses, raw and smoothed, and one for the codes that a batch uses.

    `curves`: columns tokenizer, step, mse, codes_used, and perceptual, adversarial and discriminator where a
    tokenizer has them; NaN before a term starts. A term that none has gets no panel.
    """
    terms = {term: words for term, words in _TERMS.items() if term in curves and curves[term].notna().any()}
    figure = style.new_figure(FULL_WIDTH, 1.5 * -(-len(terms) // 3) + 0.5)
    grid = style.panels(figure, len(terms), share_y=False)
    for axes, (term, words) in zip(grid, terms.items(), strict=True):
        for place, (tokenizer, label) in enumerate(labels.items()):
            rows = curves[curves["tokenizer"] == tokenizer].sort_values("step").dropna(subset=term)
            if rows.empty:
                continue
            colour, dashes = SERIES[place % len(SERIES)], ("-", "--", ":")[place // len(SERIES) % 3]
            values = rows[term].to_numpy(np.float64)
            axes.plot(rows["step"], values, color=colour, alpha=0.25, linewidth=0.5)
            axes.plot(rows["step"], _smooth(values), color=colour, linestyle=dashes, label=label)
        axes.set_title(words)
    grid[0].set_yscale("log")
    grid[-1].set_ylim(bottom=0)
    figure.supxlabel("training step", fontsize=8)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=min(len(labels), 4))
    return figure


@styled
def matched_noise_grid(images: Images, labels: Sequence[str]) -> "Figure":
    """Samples [runs, columns, H, W, C]: a row per run, a column per starting noise."""
    figure, axes = _labelled_mosaic(images, labels)
    axes.set_title("every column starts from the same noise $x_0$", color=GREY)
    return figure


@styled
def stability_grid(groups: Mapping[str, Mapping[str, Images]]) -> "Figure":
    """Samples of the same noises, under a heading for each kind of perturbation, as in the papers' Fig. 1, 3 and 4.

    `groups`: heading -> label -> samples [columns, H, W, C], of one size all. A column starts from one noise in every
    row of the figure.
    """
    longest = max(len(label) for rows in groups.values() for label in rows)
    left, heading, gap = 0.062 * longest + 0.1, 0.2, 0.06  # inches
    grids = {title: np.stack(list(rows.values())) for title, rows in groups.items()}
    heights = {title: (FULL_WIDTH - left) * _aspect(grid) for title, grid in grids.items()}
    whole = sum(heights.values()) + len(grids) * (heading + gap)
    figure = style.new_figure(FULL_WIDTH, whole)
    figure.set_layout_engine("none")
    top = whole
    for letter, (title, grid) in zip("abcdefghijkl", grids.items(), strict=False):
        top -= heading + heights[title]
        place = (left / FULL_WIDTH, top / whole, 1 - left / FULL_WIDTH, heights[title] / whole)
        axes = figure.add_axes(place)
        _show_mosaic(axes, grid, list(groups[title]))
        axes.set_title(f"({letter}) {title}", color=GREY)
        top -= gap
    return figure


@styled
def number_of_clusters(numbers: pd.DataFrame, *, chosen: int, elbow: int | None) -> "Figure":
    """Inertia and silhouette (a panel each) against the number of clusters; the study's and the elbow are marked.

    `numbers`: columns k, inertia, silhouette, of increasing k, `chosen` among them.
    """
    figure = style.new_figure(FULL_WIDTH * 0.8, 2.1)
    place = numbers["k"].tolist().index
    for axes, measure in zip(style.panels(figure, 2, share_y=False), ("inertia", "silhouette"), strict=True):
        values = numbers[measure].to_numpy(np.float64)
        axes.plot(numbers["k"], values, color=BLUE, marker="o", markersize=3)
        if elbow is not None:
            axes.plot(elbow, values[place(elbow)], "o", color=INK, markersize=9, markerfacecolor="none", zorder=3)
        axes.plot(chosen, values[place(chosen)], "o", color=ORANGE, markersize=5, zorder=4)
        axes.set_title(measure if measure == "inertia" else "mean silhouette (cosine)")
        axes.set_ylim(bottom=min(0, 1.1 * values.min()))
        axes.grid(axis="y")
    figure.supxlabel("number of clusters k", fontsize=8)
    marks = {f"this study's, k = {chosen}": (ORANGE, "o")}
    if elbow is not None:
        marks[f"elbow of the inertia, k = {elbow}"] = (INK, "$\\bigcirc$")
    _legend_above(figure, marks)
    return figure


@styled
def cluster_sizes(before: NDArray[Any], after: Mapping[str, NDArray[Any]]) -> "Figure":
    """Images per cluster [k], of all training images and of each subset (label -> [k]); largest cluster first."""
    order = np.argsort(-before, kind="stable")
    figure = style.new_figure(FULL_WIDTH, 1.45 * -(-len(after) // 3) + 0.35)
    grid = style.panels(figure, len(after))
    place = np.arange(len(before))
    for axes, (label, counts) in zip(grid, after.items(), strict=True):
        axes.bar(place, before[order], width=0.9, color=PALE, label="all training images")
        axes.bar(place, counts[order], width=0.9, color=BLUE, label="kept")
        axes.set_title(label)
        axes.set_xticks([])
    figure.supxlabel("clusters, largest first", fontsize=8)
    figure.supylabel("images", fontsize=8)
    figure.legend(*grid[0].get_legend_handles_labels(), loc="outside upper right", ncols=2)
    return figure


@styled
def training_curves(curves: pd.DataFrame, labels: Mapping[str, str]) -> "Figure":
    """A panel per run: its loss, raw and smoothed, before the smoothed losses of all others.

    `curves`: columns run, step, loss.
    """
    losses = {run: curves[curves["run"] == run].sort_values("step") for run in labels}
    smooth = {run: _smooth(rows["loss"].to_numpy(np.float64)) for run, rows in losses.items()}
    figure = style.new_figure(FULL_WIDTH, 1.3 * -(-len(labels) // 3) + 0.4)
    grid = style.panels(figure, len(labels))
    for axes, (run, label) in zip(grid, labels.items(), strict=True):
        for other in labels:
            axes.plot(losses[other]["step"], smooth[other], color=PALE, linewidth=0.7)
        axes.plot(losses[run]["step"], losses[run]["loss"], color=BLUE, alpha=0.35, linewidth=0.5)
        axes.plot(losses[run]["step"], smooth[run], color=BLUE)
        axes.set_title(label)
    # The first steps are far above the rest and would flatten it.
    late = np.concatenate([rows["loss"].to_numpy(np.float64)[len(rows) // 20 :] for rows in losses.values()])
    low, high = float(late.min()), float(np.quantile(late, 0.995))
    grid[0].set_ylim(low - 0.05 * (high - low), high + 0.1 * (high - low))
    figure.supxlabel("training step", fontsize=8)
    figure.supylabel("loss", fontsize=8)
    return figure


@styled
def loss_by_time(curves: pd.DataFrame, labels: Mapping[str, str]) -> "Figure":
    """A panel per run: the trained model's loss on held-out images in bins of t, before those of all others.

    `curves`: columns run, step, and val_loss_0.0 ... by the beginning of each bin of [0, 1], NaN where not measured.
    """
    names = [name for name in map(str, curves) if name.startswith("val_loss_")]
    edges = np.array([*(float(name.removeprefix("val_loss_")) for name in names), 1.0])
    last = curves.sort_values("step").dropna(subset=names).groupby("run")[names].last()
    shown = {run: label for run, label in labels.items() if run in last.index}
    figure = style.new_figure(FULL_WIDTH, 1.3 * -(-len(shown) // 3) + 0.4)
    grid = style.panels(figure, len(shown))
    for axes, (run, label) in zip(grid, shown.items(), strict=True):
        for other in shown:
            axes.stairs(last.loc[other], edges, baseline=None, color=PALE, linewidth=0.7)
        axes.stairs(last.loc[run], edges, baseline=None, color=BLUE, linewidth=1.2)
        axes.set_title(label)
    figure.supxlabel("time t, from noise to data", fontsize=8)
    figure.supylabel("held-out loss", fontsize=8)
    return figure


@styled
def fd_by_criterion(
    metrics: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    encoders: Sequence[str],
    reference: str,
    inverses: Collection[str] = (),
) -> "Figure":
    """Frechet distance (metric `fd`) with its interval, a panel per encoder, best in the first one first; a line at the
    reference run, inverses hollow."""
    order = sorted(labels, key=lambda run: find_measure(metrics, "fd", run, encoder=encoders[0]).value)
    figure = style.new_figure(FULL_WIDTH * (0.6 if len(encoders) == 1 else 1), _ROW * len(order) + _MARGIN)
    for axes, encoder in zip(_side_by_side(figure, len(encoders)), encoders, strict=True):
        line = find_measure(metrics, "fd", reference, encoder=encoder).value
        axes.axvline(line, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        for row, run in enumerate(order):
            measure = find_measure(metrics, "fd", run, encoder=encoder)
            _interval(axes, measure, row, INK if run == reference else BLUE, hollow=run in inverses)
        style.rows_axis(axes, [labels[run] for run in order])
        axes.set_xlabel(f"FD ({encoder})\nlower is better")
        axes.grid(axis="x")
    if inverses:
        _legend_above(figure, {"criterion": (BLUE, "o"), "its inverse": (BLUE, "$\\circ$")})
    return figure


# Runs alike but for their seeds, by the fraction of the training images that was removed.
Points = Sequence[tuple[float, Sequence[str]]]


@styled
def fd_by_fraction(
    metrics: pd.DataFrame, lines: Mapping[str, Points], *, reference: Sequence[str], encoders: Sequence[str]
) -> "Figure":
    """Frechet distance against the fraction removed, a line per criterion, a panel per encoder (Fig. 3, bottom).

    `lines`: criterion -> points of rising fraction; `reference`: the runs at fraction 0. Several runs are their mean.
    """
    panels = [("fd", f"FD ({encoder}), lower is better", encoder) for encoder in encoders]
    return _by_fraction(metrics, lines, reference, panels)


@styled
def precision_recall_by_fraction(
    metrics: pd.DataFrame, lines: Mapping[str, Points], *, reference: Sequence[str], encoders: Sequence[str]
) -> "Figure":
    """F-score, precision and recall against the fraction removed, a row of panels per encoder (Fig. 10 and 15)."""
    words = {"f_score": "F-score", "precision": "precision", "recall": "recall"}
    panels = [(metric, f"{name} ({encoder})", encoder) for encoder in encoders for metric, name in words.items()]
    return _by_fraction(metrics, lines, reference, panels)


def _by_fraction(
    metrics: pd.DataFrame,
    lines: Mapping[str, Points],
    reference: Sequence[str],
    panels: Sequence[tuple[str, str, str]],
) -> "Figure":
    """`panels`: (metric, title, encoder)."""
    columns = min(3, len(panels))
    figure = style.new_figure(FULL_WIDTH * (0.45, 0.75, 1)[columns - 1], 2.0 * -(-len(panels) // columns) + 0.5)
    named = list(dict.fromkeys(criterion.removesuffix("_inv") for criterion in lines))
    for axes, (metric, title, encoder) in zip(style.panels(figure, len(panels), share_y=False), panels, strict=True):
        whole = _mean(metrics, metric, reference, encoder)
        axes.axhline(whole.value, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))
        for criterion, points in lines.items():
            colour = SERIES[named.index(criterion.removesuffix("_inv")) % len(SERIES)]
            fractions = np.array([0.0, *(fraction for fraction, _ in points)])
            means = [whole, *(_mean(metrics, metric, runs, encoder) for _, runs in points)]
            axes.errorbar(
                fractions,
                [mean.value for mean in means],
                yerr=_errors(means),
                color=colour,
                linestyle="--" if criterion.endswith("_inv") else "-",
                marker="o",
                markersize=3,
                markerfacecolor="white" if criterion.endswith("_inv") else colour,
                linewidth=1,
                elinewidth=0.7,
                label=criterion.replace("_", " "),
            )
        axes.set_title(title)
        axes.set_xlim(left=-0.03)
        axes.grid(axis="y")
    figure.supxlabel("fraction of the training images removed", fontsize=8)
    handles = figure.axes[0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper left", ncols=min(len(lines), 5 if columns == 3 else 2))
    return figure


def _mean(metrics: pd.DataFrame, metric: str, runs: Sequence[str], encoder: str) -> Estimate:
    """Of several trainings; without an interval where the measure has no replicates."""
    estimates = [find_measure(metrics, metric, run, encoder=encoder).estimate for run in runs]
    if len(estimates) == 1:
        return estimates[0]
    if all(estimate.replicates for estimate in estimates):
        return mean_over_runs(estimates)
    return Estimate(float(np.mean([estimate.value for estimate in estimates])), np.nan, np.nan)


@styled
def fd_by_k(
    metrics: pd.DataFrame,
    lines: Mapping[str, Sequence[tuple[int, str]]],
    *,
    encoder: str,
    reference: str,
    reference_label: str,
) -> "Figure":
    """Frechet distance (metric `fd`, in `encoder`) with its interval against the number of clusters that chose a run's
    images.

    `lines`: label -> (k, run) of increasing k; a line goes through the means where several runs share a k. The
    reference run is a dashed line, its interval a band.
    """
    figure = style.new_figure(COLUMN_WIDTH * 1.35, 2.5)
    axes = figure.add_subplot()
    whole = find_measure(metrics, "fd", reference, encoder=encoder)
    if np.isfinite([whole.ci_low, whole.ci_high]).all():
        axes.axhspan(whole.ci_low, whole.ci_high, color=PALE, alpha=0.5, linewidth=0)
    axes.axhline(whole.value, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)), label=reference_label)
    for place, (label, runs) in enumerate(lines.items()):
        colour, dashes = SERIES[place % len(SERIES)], ("-", "--", ":")[place // len(SERIES) % 3]
        measures = [find_measure(metrics, "fd", run, encoder=encoder) for _, run in runs]
        ks = np.array([k for k, _ in runs])
        values = np.array([measure.value for measure in measures])
        axes.errorbar(ks, values, yerr=_errors(measures), fmt="o", color=colour, markersize=3.5, linewidth=1)
        means = [values[ks == k].mean() for k in np.unique(ks)]
        axes.plot(np.unique(ks), means, color=colour, linestyle=dashes, label=label)
    axes.set_xscale("log", base=2)
    ticks = sorted({k for runs in lines.values() for k, _ in runs})
    axes.set_xticks(ticks, [str(k) for k in ticks])
    axes.minorticks_off()
    axes.set_xlabel("number of clusters k")
    axes.set_ylabel(f"FD ({whole.encoder}), lower is better")
    axes.grid(axis="y")
    figure.legend(loc="outside upper left", ncols=2)
    return figure


@styled
def similarity_by_run(
    metrics: pd.DataFrame, comparisons: Mapping[tuple[str, str], str], *, encoders: Sequence[str]
) -> "Figure":
    """Cosine similarity, mean and SD over pairs, of samples that share their noise and of samples that do not; a panel
    per encoder.

    `comparisons`: (run, reference) -> label. Metrics `cosine_matched` and `cosine_unmatched`.
    """
    width = FULL_WIDTH * (0.75 if len(encoders) == 1 else 1)
    figure = style.new_figure(width, _ROW * len(comparisons) + _MARGIN + 0.25)
    for axes, encoder in zip(_side_by_side(figure, len(encoders)), encoders, strict=True):
        for row, pair in enumerate(comparisons):
            matched = find_measure(metrics, "cosine_matched", *pair, encoder=encoder)
            unmatched = find_measure(metrics, "cosine_unmatched", *pair, encoder=encoder)
            axes.plot([unmatched.value, matched.value], [row, row], color=PALE, linewidth=0.8, zorder=1)
            for measure, colour, marker in ((matched, BLUE, "o"), (unmatched, ORANGE, "D")):
                spread = np.nan_to_num(measure.sd)
                axes.errorbar(measure.value, row, xerr=spread, fmt=marker, color=colour, markersize=4, linewidth=1)
        style.rows_axis(axes, list(comparisons.values()))
        axes.set_xlabel(f"cosine similarity ({encoder} features)\nmean ± SD over pairs")
        axes.grid(axis="x")
    _legend_above(figure, {"same noise": (BLUE, "o"), "different noise": (ORANGE, "D")})
    return figure


@styled
def similarity_histogram(histograms: Mapping[str, Mapping[str, Histogram]]) -> "Figure":
    """A row per comparison, a column per encoder: cosine similarity of matched pairs and of all unmatched pairs, each
    scaled to one height.

    `histograms`: encoder -> label -> (bin edges [b+1], matched counts [b], unmatched counts [b]).
    """
    labels = list(next(iter(histograms.values())))
    width = FULL_WIDTH * (0.75 if len(histograms) == 1 else 1)
    figure = style.new_figure(width, 0.42 * len(labels) + _MARGIN + 0.25)
    grid = figure.subplots(len(labels), len(histograms), sharex="col", squeeze=False)
    for column, (encoder, of_encoder) in zip(grid.T, histograms.items(), strict=True):
        for axes, (label, (edges, matched, unmatched)) in zip(column, of_encoder.items(), strict=True):
            for counts, colour in ((unmatched, ORANGE), (matched, BLUE)):
                # Each to its own height: a peak of matched pairs would flatten the broad unmatched ones to nothing.
                height = counts / counts.max()
                axes.stairs(height, edges, fill=True, color=colour, alpha=0.35)
                axes.stairs(height, edges, color=colour, linewidth=0.9)
            if column[0] is grid[0, 0]:
                axes.set_ylabel(label, rotation=0, ha="right", va="bottom", y=0)
            axes.set_yticks([])
            axes.spines["left"].set_visible(False)
            axes.tick_params(axis="x", length=0)
        _trim(list(column), list(of_encoder.values()))
        column[-1].tick_params(axis="x", length=3)
        column[-1].set_xlabel(f"cosine similarity ({encoder} features)")
    _legend_above(figure, {"same noise": (BLUE, "s"), "different noise, all pairs": (ORANGE, "s")})
    return figure


@styled
def path_distance(distances: pd.DataFrame, comparisons: Mapping[tuple[str, str], str]) -> "Figure":
    """A panel per comparison: how far paths from the same noise, and from different noises, lie apart at each time.

    `distances`: columns run, reference, t, and matched_ and unmatched_ low, median, high, which make a line in a band.
    `comparisons`: (run, reference) -> label.
    """
    figure = style.new_figure(FULL_WIDTH, 1.3 * -(-len(comparisons) // 3) + 0.55)
    grid = style.panels(figure, len(comparisons))
    for axes, ((run, reference), label) in zip(grid, comparisons.items(), strict=True):
        rows = distances[(distances["run"] == run) & (distances["reference"] == reference)].sort_values("t")
        for kind, colour in (("unmatched", ORANGE), ("matched", BLUE)):
            axes.fill_between(
                rows["t"], rows[f"{kind}_low"], rows[f"{kind}_high"], color=colour, alpha=0.25, linewidth=0
            )
            axes.plot(rows["t"], rows[f"{kind}_median"], color=colour)
        # A pair of long names would run into the panel beside it.
        axes.set_title(label.replace(" / ", " /\n"))
        axes.grid(axis="y")
    grid[0].set_xlim(0, 1)
    grid[0].set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
    grid[0].set_ylim(bottom=0)
    figure.supxlabel("time t, from noise to data", fontsize=8)
    figure.supylabel("distance (latent L2)", fontsize=8)
    _legend_above(figure, {"same noise": (BLUE, "s"), "different noise": (ORANGE, "s")})
    return figure


@styled
def fairness_bars(metrics: pd.DataFrame, labels: Mapping[str, str], told: Mapping[str, Sequence[str]]) -> "Figure":
    """KL to uniform per attribute (a panel) and run (a bar) with its interval; a line at the training data's, as the
    same classifier tells them. `told`: classifier -> its attributes; each has lines of panels of its own."""
    lines = [
        (classifier, attributes[start : start + _PANELS])
        for classifier, attributes in told.items()
        for start in range(0, len(attributes), _PANELS)
    ]
    columns = max(len(attributes) for _, attributes in lines)
    figure = style.new_figure(FULL_WIDTH, len(lines) * (_ROW * len(labels) + _MARGIN) + 0.45)
    grid = figure.subplots(len(lines), columns, sharey=True, squeeze=False)
    for row_of_panels, (classifier, attributes) in zip(grid, lines, strict=True):
        for place, axes in enumerate(row_of_panels):
            axes.set_visible(place < len(attributes))
        for axes, attribute in zip(row_of_panels, attributes, strict=False):
            metric = f"kl_{attribute}"
            training = find_measure(metrics, metric, TRAINING_DATA, "uniform", classifier)
            axes.axvline(training.value, color=ORANGE, linewidth=1)
            for row, run in enumerate(labels):
                measure = find_measure(metrics, metric, run, "uniform", classifier)
                axes.barh(row, measure.value, height=0.62, color=LIGHT_BLUE)
                _interval(axes, measure, row, INK, marker="")
            axes.set_title(attribute.replace("_", " "))
            axes.set_xlim(left=0)
            axes.grid(axis="x")
            style.rows_axis(axes, list(labels.values()))
        # The first title's upper line, which has room to run over those beside it.
        row_of_panels[0].set_title(f"told by {classifier}\n{row_of_panels[0].get_title(loc='left')}")
    figure.supxlabel("KL to uniform (nats), lower is more balanced", fontsize=8)
    _legend_above(figure, {"samples": (LIGHT_BLUE, "s"), "training data": (ORANGE, "|")})
    return figure


def _side_by_side(figure: "Figure", count: int) -> "list[Axes]":
    """Panels of categorical rows; the first has their names."""
    return list(figure.subplots(1, count, sharey=True, squeeze=False)[0])


def _interval(
    axes: "Axes", measure: Measure, row: int, colour: str, *, marker: str = "o", hollow: bool = False
) -> None:
    """A dot with its confidence interval, where there is one."""
    axes.errorbar(
        measure.value,
        row,
        xerr=_errors([measure]),
        fmt=marker,
        color=colour,
        markersize=4,
        linewidth=1,
        markerfacecolor="white" if hollow else colour,
    )


def _errors(measures: Sequence[Measure] | Sequence[Estimate]) -> NDArray[np.float64]:
    """Lengths of the intervals below and above the values, [2, n]; 0 where there is none."""
    lengths = [[m.value - m.ci_low for m in measures], [m.ci_high - m.value for m in measures]]
    return np.maximum(np.nan_to_num(lengths), 0)


def _labelled_mosaic(images: Images, labels: Sequence[str]) -> "tuple[Figure, Axes]":
    """Rows of images with a label each, and room for a title. Laid out by hand: the picture's aspect is fixed."""
    left, top = 0.062 * max(map(len, labels)) + 0.1, 0.25  # inches
    height = (FULL_WIDTH - left) * _aspect(images)
    figure = style.new_figure(FULL_WIDTH, height + top)
    figure.set_layout_engine("none")
    axes = figure.add_axes((left / FULL_WIDTH, 0, 1 - left / FULL_WIDTH, height / (height + top)))
    _show_mosaic(axes, images, labels)
    return figure, axes


def _show_mosaic(axes: "Axes", images: Images, labels: Sequence[str] = ()) -> None:
    picture = mosaic(images)
    axes.imshow(picture, interpolation="none")
    pitch = (picture.shape[0] + 4) / images.shape[0]
    axes.set_xticks([])
    axes.set_yticks([pitch * (row + 0.5) for row in range(len(labels))], labels)
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _aspect(images: Images) -> float:
    """Height over width of the mosaic of [rows, columns, H, W, C]."""
    rows, columns, height, width, _ = images.shape
    return (rows * (height + 1)) / (columns * (width + 1))


def _smooth(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A centred moving average over 4% of the values; at the ends over those that exist."""
    window = np.ones(2 * (len(values) // 50) + 1)
    return np.convolve(values, window, "same") / np.convolve(np.ones(len(values)), window, "same")


def _trim(panels: Sequence["Axes"], histograms: Sequence[Histogram]) -> None:
    """Shared x limits around the bins that show anything: a thousandth of the highest bar, or more."""
    filled = [
        edges[:-1][(matched > matched.max() / 1000) | (unmatched > unmatched.max() / 1000)]
        for edges, matched, unmatched in histograms
    ]
    width = max(float(np.diff(edges).max()) for edges, _, _ in histograms)
    panels[0].set_xlim(min(f.min() for f in filled) - width, max(f.max() for f in filled) + 2 * width)


def _legend_above(figure: "Figure", entries: Mapping[str, tuple[str, str]]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color=colour, marker=marker, linestyle="", markersize=5, label=label)
        for label, (colour, marker) in entries.items()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(handles), handletextpad=0.2)
