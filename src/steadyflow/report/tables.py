"""The tables. Each is named in `catalogue.TABLES`.

`metrics` is the tidy metrics table: dataset, run, reference, metric, encoder, protocol, value, ci_low, ci_high, sd,
n, seed; it holds one row per (run, reference, metric), and `reference` is empty where there is none. The rows of a
table are the runs, or tokenizers, in `labels` (name -> display name), in its order. A number that is missing raises
UserError.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from steadyflow.artifacts import UserError
from steadyflow.names import LABELS
from steadyflow.report.catalogue import TABLES
from steadyflow.report.columns import Filled, assemble, measured_column, paper_column, text_column
from steadyflow.report.measures import TRAINING_DATA, Measure, describe, find_measure
from steadyflow.report.numbers import NOTHING, number, with_interval, with_sd
from steadyflow.report.paper import PaperValue, paper_value
from steadyflow.report.typeset import Table

_INTERVAL = "Brackets: 95% confidence interval."
_SD = "±: standard deviation over pairs."


def tokenizers(
    metrics: pd.DataFrame, labels: Mapping[str, str], *, losses: Mapping[str, str], codebook_sizes: Mapping[str, int]
) -> Table:
    """Every tokenizer's reconstructions of held-out images: how near, how sharp, and with how many codes.

    Metrics `psnr`, `rfd`, `sharpness`, `codes_used`, `perplexity`; `ssim` and `lpips` where they were measured.
    `losses` and `codebook_sizes`: by tokenizer.
    """
    distances = [find_measure(metrics, "rfd", name) for name in labels]
    used = [round(find_measure(metrics, "codes_used", name).value) for name in labels]
    sizes = [codebook_sizes[name] for name in labels]
    encoder = _encoder(distances)
    caption = (
        "PSNR, SSIM and LPIPS compare each reconstruction with its original; rFD is the Fréchet distance between all "
        f"of them in the features of the {encoder} encoder. Higher is better for PSNR and SSIM, lower for LPIPS and "
        "rFD. Sharpness: energy of the reconstruction's edges over that of the original's; 1 is as sharp, less is "
        "blurred. Perplexity: as many equally frequent codes would carry as much. "
        f"{_INTERVAL} {describe(distances)}."
    )
    if "lpips" not in set(metrics["metric"]):
        caption += " LPIPS is measured where the study trains a tokenizer on it."
    return assemble(
        TABLES["tokenizers"].title,
        caption,
        _name_column("Tokenizer", "tokenizer", labels),
        text_column("Trained on", [losses[name] for name in labels], {"losses": [losses[name] for name in labels]}),
        _optional_column("PSNR (dB)", metrics, "psnr", labels, decimals=2),
        _optional_column("SSIM", metrics, "ssim", labels, decimals=3),
        _optional_column("LPIPS", metrics, "lpips", labels, decimals=3),
        measured_column(f"rFD ({encoder})", distances, with_interval),
        _optional_column("Sharpness", metrics, "sharpness", labels, decimals=3),
        text_column(
            "Codes used",
            [f"{n:,} / {size:,}" for n, size in zip(used, sizes, strict=True)],
            {"codes_used": used, "codebook_size": sizes},
            numeric=True,
        ),
        _optional_column("Perplexity", metrics, "perplexity", labels),
    )


def fd_by_criterion(
    metrics: pd.DataFrame, runs: pd.DataFrame, labels: Mapping[str, str], paper: Sequence[PaperValue]
) -> Table:
    """Frechet distance of every run, beside the paper's FID (Table 1a).

    Metric `fd`. `runs`: columns run, criterion (empty: none), pruning_fraction, n_train.
    """
    distances = [find_measure(metrics, "fd", run) for run in labels]
    specs = [_find_run(runs, run) for run in labels]
    criteria = [spec["criterion"] for spec in specs]
    fractions = [spec["pruning_fraction"] for spec in specs]
    counts = [spec["n_train"] for spec in specs]
    encoder = _encoder(distances)
    caption = (
        f"FD: Fréchet distance in the features of the {encoder} encoder, lower is better. "
        f"{_INTERVAL} {describe(distances)}. Pruned: fraction of the training images left out. "
        "The paper's column is another dataset and another encoder: compare orders, not values."
    )
    return assemble(
        TABLES["fd_by_criterion"].title,
        caption,
        _model_column(labels),
        text_column("Criterion", [c or NOTHING for c in criteria], {"criterion": criteria}),
        text_column("Pruned", [f"{f:g}" for f in fractions], {"pruning_fraction": fractions}, numeric=True),
        text_column("Training images", [f"{n:,}" for n in counts], {"n_train": counts}, numeric=True),
        measured_column(f"FD ({encoder})", distances, with_interval),
        paper_column(
            "paper: FID, CelebA-HQ 256 (Inception)", "fid", [paper_value(paper, "fid", run) for run in labels]
        ),
    )


def similarity_to_unpruned(
    metrics: pd.DataFrame, labels: Mapping[str, str], paper: Sequence[PaperValue], *, reference: str
) -> Table:
    """Every run against the `reference` run, from the same noise, beside the paper's ArcFace similarity (Table 3a)."""
    compared = {run: label for run, label in labels.items() if run != reference}
    pairs = [(run, reference) for run in compared]
    cosines = [find_measure(metrics, "cosine_matched", *pair) for pair in pairs]
    unmatched = paper_value(paper, "arcface_unmatched", "any", reference)
    caption = f"Similarity to {labels.get(reference, reference)}. {_similarity_words(cosines)}" + (
        f" The paper's unmatched ArcFace similarity is {unmatched}." if unmatched else ""
    )
    return assemble(
        TABLES["similarity_to_unpruned"].title,
        caption,
        _model_column(compared),
        *_similarity_columns(metrics, pairs),
        _arcface_column(paper, pairs),
    )


def similarity_to_inverse(
    metrics: pd.DataFrame,
    labels: Mapping[str, str],
    paper: Sequence[PaperValue],
    *,
    pairs: Sequence[tuple[str, str]],
) -> Table:
    """Pairs (run, reference) trained on opposite subsets, beside the paper's ArcFace similarity (Table 3b)."""
    cosines = [find_measure(metrics, "cosine_matched", *pair) for pair in pairs]
    overlaps = [find_measure(metrics, "overlap", *pair) for pair in pairs]
    runs, references = [run for run, _ in pairs], [reference for _, reference in pairs]
    return assemble(
        TABLES["similarity_to_inverse"].title,
        f"Overlap: Jaccard index of the two training subsets; 0 is disjoint. {_similarity_words(cosines)}",
        text_column("Model", [labels[run] for run in runs], {"run": runs}),
        text_column("Against", [labels[reference] for reference in references], {"reference": references}),
        measured_column("Overlap", overlaps, with_interval, decimals=2),
        *_similarity_columns(metrics, pairs),
        _arcface_column(paper, pairs),
    )


def fairness(
    metrics: pd.DataFrame,
    labels: Mapping[str, str],
    paper: Sequence[PaperValue],
    *,
    told: Mapping[str, Sequence[str]],
    labelled: Collection[tuple[str, str]] = (),
    beside: Mapping[str, str],
) -> Table:
    """KL to uniform per classifier and attribute, of the training data and of every run (Table 1 of the second paper),
    and each run's KL to the training data.

    Metrics `kl_<attribute>` against `uniform` and `training_data`; their encoder is the classifier. `told`: classifier
    -> its attributes. `labelled`: those (classifier, attribute) whose values are those of the dataset's own labels,
    which have a row then. `beside`: attribute -> the paper's quantity to show beside it, such as hair_colour ->
    kl_hair_color. The paper's column is headed with the paper's own attribute, since a nearby attribute is not the same
    one.
    """
    of_labels = [(TRAINING_DATA, LABELS, "Training data, labels")] if labelled else []
    rows = [*of_labels, *((run, "", label) for run, label in {TRAINING_DATA: "Training data", **labels}.items())]
    by_encoder = {name: metrics[metrics["encoder"] == name] for name in (*told, LABELS)}

    def measured(classifier: str, attribute: str, reference: str, run: str, by: str) -> Measure | None:
        """None for what says nothing: the training data against themselves, labels of other values."""
        if run == reference or (by == LABELS and (classifier, attribute) not in labelled):
            return None
        return find_measure(by_encoder[by or classifier], f"kl_{attribute}", run, reference)

    cells = {
        (classifier, reference, attribute): [measured(classifier, attribute, reference, run, by) for run, by, _ in rows]
        for classifier, attributes in told.items()
        for reference in ("uniform", TRAINING_DATA)
        for attribute in attributes
    }
    shows = {"uniform": with_interval, TRAINING_DATA: _value_alone}
    quantities = dict.fromkeys(beside[attribute] for *_, attribute in cells if beside.get(attribute))
    # How many of each set were unknown is for the metrics to say.
    described = [replace(m, protocol=m.protocol.partition(", ")[0]) for column in cells.values() for m in column if m]
    caption = (
        "KL divergence of the attribute's distribution, in nats: from the uniform one, where 0 is balanced, and from "
        "that of the training data as the same classifier tells it. Attributes are as a classifier perceives them; "
        f"images whose value it cannot tell are left out. {_INTERVAL} {describe(described)}."
    )
    if quantities:
        caption += " The paper's columns are other images, attributes and classifiers."
    return assemble(
        TABLES["fairness"].title,
        caption,
        text_column(
            "Model",
            [label for *_, label in rows],
            {"run": [run for run, *_ in rows], "label": [label for *_, label in rows]},
        ),
        *(
            measured_column(
                _words(attribute),
                column,
                shows[reference],
                group=f"KL to {_words(reference)} (nats), {classifier}",
                decimals=3,
                name=f"{classifier}_kl_{attribute}_to_{reference}",
            )
            for (classifier, reference, attribute), column in cells.items()
        ),
        *(
            paper_column(
                _words(quantity.removeprefix("kl_")),
                quantity,
                [paper_value(paper, quantity, run, "uniform") for run, *_ in rows],
                group="paper: KL, CelebA-HQ 256",
            )
            for quantity in quantities
        ),
    )


def memorisation(metrics: pd.DataFrame, labels: Mapping[str, str]) -> Table:
    """How near samples come to the images a run was trained on. Metric `nn_ratio`."""
    ratios = [find_measure(metrics, "nn_ratio", run) for run in labels]
    caption = (
        "Distance from a sample to its nearest training image, over the same distance of held-out images: "
        "near 1 the samples are as new as held-out images, near 0 they are copies. "
        f"{_INTERVAL} {describe(ratios)}."
    )
    return assemble(
        TABLES["memorisation"].title,
        caption,
        _model_column(labels),
        measured_column("Nearest-neighbour distance ratio", ratios, with_interval, decimals=3),
    )


def _model_column(labels: Mapping[str, str]) -> Filled:
    return _name_column("Model", "run", labels)


def _name_column(header: str, kind: str, labels: Mapping[str, str]) -> Filled:
    return text_column(header, list(labels.values()), {kind: list(labels), "label": list(labels.values())})


def _optional_column(
    header: str, metrics: pd.DataFrame, metric: str, labels: Mapping[str, str], *, decimals: int | None = None
) -> Filled:
    """The values alone, their intervals in the CSV; or the word that nothing was measured."""
    if metric not in set(metrics["metric"]):
        return text_column(header, ["not measured"] * len(labels), {metric: [float("nan")] * len(labels)})
    measures = [find_measure(metrics, metric, name) for name in labels]
    return measured_column(header, measures, _value_alone, decimals=decimals)


def _value_alone(measure: Measure, decimals: int) -> str:
    return number(measure.value, decimals)


def _similarity_columns(metrics: pd.DataFrame, pairs: Sequence[tuple[str, str]]) -> list[Filled]:
    """Cosine and latent distance of every pair, matched and unmatched."""

    def measured(metric: str) -> list[Measure]:
        return [find_measure(metrics, metric, *pair) for pair in pairs]

    matched = measured("cosine_matched")
    cosine, latent = f"cosine ({_encoder(matched)})", "latent distance (L2)"
    return [
        measured_column("matched", matched, with_sd, group=cosine, decimals=3),
        measured_column("unmatched", measured("cosine_unmatched"), with_sd, group=cosine, decimals=3),
        measured_column("difference", measured("cosine_difference"), with_interval, group=cosine, decimals=3),
        measured_column("top-1", measured("cosine_top1"), with_interval, group=cosine, decimals=3),
        measured_column("matched", measured("latent_l2_matched"), with_sd, group=latent),
        measured_column("unmatched", measured("latent_l2_unmatched"), with_sd, group=latent),
    ]


def _similarity_words(cosines: Sequence[Measure]) -> str:
    return (
        "Matched pairs of samples share their noise, unmatched pairs do not; top-1: how often the matched sample is "
        f"the most similar of all. {_SD} {_INTERVAL} {describe(cosines)}."
    )


def _arcface_column(paper: Sequence[PaperValue], pairs: Sequence[tuple[str, str]]) -> Filled:
    """Similarity is symmetric, so the paper's pair counts in either order."""
    values = [
        paper_value(paper, "arcface", run, reference) or paper_value(paper, "arcface", reference, run)
        for run, reference in pairs
    ]
    return paper_column("matched", "arcface", values, group="paper: ArcFace, CelebA-HQ 256")


def _find_run(runs: pd.DataFrame, run: str) -> dict[Any, Any]:
    rows = runs[runs["run"] == run].fillna({"criterion": ""})
    if len(rows) != 1:
        raise UserError(f"run '{run}' has {len(rows)} rows in the table of runs; expected one")
    return rows.iloc[0].to_dict()


def _encoder(measures: Sequence[Measure]) -> str:
    return ", ".join(sorted({m.encoder for m in measures}))


def _words(name: str) -> str:
    return name.replace("_", " ")
