"""The tables. Each is named in `catalogue.TABLES`.

`metrics` is the tidy metrics table: dataset, run, reference, metric, encoder, protocol, value, ci_low, ci_high, sd,
n, seed; it holds one row per (run, reference, metric), and `reference` is empty where there is none. The rows of a
table are the runs, or tokenizers, in `labels` (name -> display name), in its order. A number that is missing raises
UserError.
"""

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import pandas as pd

from steadyflow.artifacts import UserError
from steadyflow.claims import BROKEN, KEPT, MARGIN, VERDICTS, Claim, Finding
from steadyflow.evaluate import mean_over_runs
from steadyflow.names import LABELS, TRAINING_DATA, VALIDATION_IMAGES
from steadyflow.report.catalogue import TABLES
from steadyflow.report.columns import Filled, assemble, measured_column, paper_column, text_column
from steadyflow.report.measures import Measure, describe, find_measure, require_one_n
from steadyflow.report.numbers import NOTHING, decimals_for, number, with_interval, with_sd
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
    metrics: pd.DataFrame,
    runs: pd.DataFrame,
    labels: Mapping[str, str],
    paper: Sequence[PaperValue],
    *,
    encoders: Sequence[str],
    repeated: Sequence[tuple[str, ...]] = (),
) -> Table:
    """Frechet distance of every run in every encoder, beside the paper's FID (Table 1a).

    Metric `fd`. `runs`: columns run, criterion (empty: none), pruning_fraction, n_train. `repeated`: runs that differ
    in their seeds alone; a row of their mean stands under the last of them. Raises UserError unless all are of one n.
    """
    rows = _with_means(labels, repeated)
    specs = [_find_run(runs, members[0]) for members, _ in rows]
    criteria = [spec["criterion"] for spec in specs]
    fractions = [spec["pruning_fraction"] for spec in specs]
    counts = [spec["n_train"] for spec in specs]
    distances = {
        encoder: [
            _mean_measure([find_measure(metrics, "fd", run, encoder=encoder) for run in members]) for members, _ in rows
        ]
        for encoder in encoders
    }
    for measures in distances.values():
        require_one_n(measures)
    every = [measure for measures in distances.values() for measure in measures]
    caption = (
        f"FD: Fréchet distance in the features of {_listed(encoders)}, lower is better. "
        f"{_INTERVAL} {describe(every)}. Pruned: fraction of the training images left out. "
        "The interval of one training is of its samples; that of a mean, of samples and trainings. "
        "The paper's column is another dataset and another encoder: compare orders, not values."
    )
    return assemble(
        TABLES["fd_by_criterion"].title,
        caption,
        text_column("Model", [label for _, label in rows], {"run": [" ".join(m) for m, _ in rows]}),
        text_column("Criterion", [c or NOTHING for c in criteria], {"criterion": criteria}),
        text_column(
            "Pruned",
            [NOTHING if math.isnan(f) else f"{f:g}" for f in fractions],
            {"pruning_fraction": fractions},
            numeric=True,
        ),
        text_column("Training images", [f"{n:,}" for n in counts], {"n_train": counts}, numeric=True),
        *(
            measured_column(f"FD ({encoder})", measures, with_interval, raw_prefix=f"{encoder}_")
            for encoder, measures in distances.items()
        ),
        paper_column(
            "paper: FID, CelebA-HQ 256 (Inception)", "fid", [paper_value(paper, "fid", m[0]) for m, _ in rows]
        ),
    )


_DISTANCES = {"fd": ("FD", 1), "fd_infinity": ("FD∞", 1), "kid": ("KID × 1000", 1000)}
_SHARES = {"precision": "Precision", "recall": "Recall", "f_score": "F", "density": "Density", "coverage": "Coverage"}


def quality(metrics: pd.DataFrame, labels: Mapping[str, str], *, encoders: Sequence[str]) -> Table:
    """Every measure of quality, a row per encoder and run. Raises UserError unless all of an encoder are of one n."""
    rows = [(encoder, run) for encoder in encoders for run in labels]
    columns = {
        metric: [find_measure(metrics, metric, run, encoder=encoder) for encoder, run in rows]
        for metric in (*_DISTANCES, *_SHARES)
    }
    for encoder in encoders:
        require_one_n([m for m in columns["fd"] if m.encoder == encoder])
    caption = (
        "FD∞: the Fréchet distance extrapolated to infinitely many samples. KID: kernel distance, all pairs. Precision "
        "and recall by 3 nearest neighbours, F their harmonic mean; density and coverage by 5. Lower is better for FD, "
        f"FD∞ and KID, higher for the others. {_INTERVAL} {describe(columns['fd'])}."
    )
    return assemble(
        TABLES["quality"].title,
        caption,
        text_column("Encoder", [encoder for encoder, _ in rows], {"encoder": [encoder for encoder, _ in rows]}),
        text_column("Model", [labels[run] for _, run in rows], {"run": [run for _, run in rows]}),
        *(
            measured_column(
                header,
                columns[metric],
                _times(factor),
                decimals=decimals_for(factor * measure.value for measure in columns[metric]),
            )
            for metric, (header, factor) in _DISTANCES.items()
        ),
        *(measured_column(header, columns[metric], with_interval, decimals=3) for metric, header in _SHARES.items()),
    )


def similarity_to_unpruned(
    metrics: pd.DataFrame,
    labels: Mapping[str, str],
    paper: Sequence[PaperValue],
    *,
    reference: str,
    encoders: Sequence[str],
) -> Table:
    """Every run against the `reference` run, from the same noise, beside the paper's ArcFace similarity (Table 3a).

    Below them the anchors: the reference against itself under another solver, where that was sampled, and two different
    held-out images.
    """
    compared = {(run, reference): label for run, label in labels.items() if run != reference}
    ceiling = metrics[(metrics["run"] == reference) & (metrics["reference"] == reference)]
    anchors = {}
    if not ceiling.empty:
        anchors[reference, reference] = f"{labels[reference]}, another solver"
    anchors[VALIDATION_IMAGES, VALIDATION_IMAGES] = "held-out images"
    rows = compared | anchors
    cosines = [find_measure(metrics, "cosine_matched", *pair, encoder=e) for pair in compared for e in encoders]
    unmatched = paper_value(paper, "arcface_unmatched", "any", reference)
    most = "" if ceiling.empty else "The reference under another solver is as alike as can be asked for. "
    caption = (
        f"Similarity to {labels[reference]}. {_similarity_words(cosines)} {most}Two held-out images have no relation."
    ) + (f" The paper's unmatched ArcFace similarity is {unmatched}." if unmatched else "")
    names = {"run": [run for run, _ in rows], "label": list(rows.values())}
    return assemble(
        TABLES["similarity_to_unpruned"].title,
        caption,
        text_column("Model", list(rows.values()), names),
        *_similarity_columns(metrics, list(rows), encoders, absent=set(anchors)),
        _arcface_column(paper, list(rows)),
    )


def similarity_to_inverse(
    metrics: pd.DataFrame,
    labels: Mapping[str, str],
    paper: Sequence[PaperValue],
    *,
    pairs: Sequence[tuple[str, str]],
    encoders: Sequence[str],
) -> Table:
    """Pairs (run, reference) trained on opposite subsets, beside the paper's ArcFace similarity (Table 3b)."""
    cosines = [find_measure(metrics, "cosine_matched", *pair, encoder=e) for pair in pairs for e in encoders]
    overlaps = [_measure_or_none(metrics, "overlap", *pair) for pair in pairs]
    runs, references = [run for run, _ in pairs], [reference for _, reference in pairs]
    return assemble(
        TABLES["similarity_to_inverse"].title,
        f"Overlap: Jaccard index of the two training subsets; 0 is disjoint. {_similarity_words(cosines)}",
        text_column("Model", [labels[run] for run in runs], {"run": runs}),
        text_column("Against", [labels[reference] for reference in references], {"reference": references}),
        measured_column("Overlap", overlaps, with_interval, decimals=2),
        *_similarity_columns(metrics, pairs, encoders),
        _arcface_column(paper, pairs),
    )


def path_deviation(metrics: pd.DataFrame, labels: Mapping[str, str], *, pairs: Sequence[tuple[str, str]]) -> Table:
    """How far the paths of pairs (run, reference) from the same noise lie apart, and those from different noises.

    Metrics `path_deviation_matched`, `_median`, `_p95` and `_unmatched`.
    """

    def measured(metric: str) -> list[Measure]:
        return [find_measure(metrics, f"path_deviation_{metric}", *pair) for pair in pairs]

    matched, median, p95, unmatched = map(measured, ("matched", "median", "p95", "unmatched"))
    # Beside each other, the four are to be compared.
    decimals = decimals_for(measure.value for measure in matched)
    runs, references = [run for run, _ in pairs], [reference for _, reference in pairs]
    same, different = "from the same noise", "from different noises"
    caption = (
        "Deviation of two models' paths: the integral over t from 0 (noise) to 1 (data) of their distance in latent "
        "space (L2; latents of unit variance). Paths from different noises: all pairs of one model's paths with the "
        f"other's. {_INTERVAL} {_SD} {describe(matched)}."
    )
    return assemble(
        TABLES["path_deviation"].title,
        caption,
        text_column("Model", [labels[run] for run in runs], {"run": runs}),
        text_column("Against", [labels[reference] for reference in references], {"reference": references}),
        measured_column("mean", matched, with_interval, group=same, decimals=decimals),
        measured_column("median", median, with_interval, group=same, decimals=decimals),
        measured_column("95th percentile", p95, with_interval, group=same, decimals=decimals),
        measured_column("mean", unmatched, with_sd, group=different, decimals=decimals),
    )


def similarity_by_mode(
    metrics: pd.DataFrame,
    labels: Mapping[str, str],
    *,
    reference: str,
    encoder: str,
    classifier: str,
    attribute: str,
    values: Sequence[str],
) -> Table:
    """Runs that saw one value of an `attribute` alone, against the `reference` run, by the value that the `classifier`
    tells of the reference's sample: what removing a mode changes, and what it leaves (Fig. 4b).

    Metrics `cosine_matched[classifier.attribute=value]` and `cosine_unmatched`.
    """
    pairs = [(run, reference) for run in labels]

    def measured(metric: str) -> list[Measure]:
        return [_measure_or_none(metrics, metric, *pair, encoder=encoder) for pair in pairs]

    names = {value: f"cosine_matched[{classifier}.{attribute}={value}]" for value in values}
    columns = {value: measured(name) for value, name in names.items()}
    every = [m for measures in columns.values() for m in measures if m.n]
    caption = (
        f"Similarity of matched samples to those of {reference}, in the features of {encoder}, by the "
        f"{_words(attribute)} that {classifier} tells of the reference's sample. {_SD} {describe(every)}."
    )
    group = f"matched, where {_words(attribute)} is"
    return assemble(
        TABLES["similarity_by_mode"].title,
        caption,
        _model_column(labels),
        *(
            measured_column(_words(value), measures, with_sd, group=group, decimals=3)
            for value, measures in columns.items()
        ),
        measured_column("unmatched", measured("cosine_unmatched"), with_sd, decimals=3),
    )


def mode_balance(
    quality: pd.DataFrame,
    fairness: pd.DataFrame,
    labels: Mapping[str, str],
    paper: Sequence[PaperValue],
    *,
    encoders: Sequence[str],
    classifier: str,
    attribute: str,
    values: Sequence[str],
    steps: Mapping[str, str],
) -> Table:
    """Models of one mode each whose samples are mixed, beside models that were trained on balanced modes and the
    reference, by how often each value of the `attribute` is generated, and at which quality (Table 2).

    `labels`: of runs and mixtures; `steps`: how long each was trained, in words. Metrics `share[attribute=value]` of
    the `classifier`, and `fd`. Raises UserError unless all are of one n.
    """
    distances = {e: [find_measure(quality, "fd", run, encoder=e) for run in labels] for e in encoders}
    for measures in distances.values():
        require_one_n(measures)
    every = [measure for measures in distances.values() for measure in measures]
    caption = (
        f"Generated share of each {_words(attribute)} as {classifier} perceives it, and the Fréchet distance in the "
        f"features of {_listed(encoders)}. {_INTERVAL} {describe(every)}. The paper's column is another dataset."
    )
    return assemble(
        TABLES["mode_balance"].title,
        caption,
        _model_column(labels),
        *(
            measured_column(
                _words(value),
                [find_measure(fairness, f"share[{attribute}={value}]", run, encoder=classifier) for run in labels],
                with_interval,
                group="generated share",
                decimals=2,
            )
            for value in values
        ),
        *(
            measured_column(f"FD ({encoder})", measures, with_interval, raw_prefix=f"{encoder}_")
            for encoder, measures in distances.items()
        ),
        text_column("Training steps", [steps[run] for run in labels], {"steps": [steps[run] for run in labels]}),
        paper_column(
            "paper: FD CLIP, CelebA-HQ 256", "fd_clip", [paper_value(paper, "fd_clip", run) for run in labels]
        ),
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

    def measured(classifier: str, attribute: str, reference: str, run: str, by: str) -> Measure:
        """Nothing of what says nothing: the training data against themselves, labels of other values."""
        unsaid = run == reference or (by == LABELS and (classifier, attribute) not in labelled)
        find = _no_measure if unsaid else partial(find_measure, metrics)
        return find(f"kl_{attribute}", run, reference, by or classifier)

    cells = {
        (classifier, reference, attribute): [measured(classifier, attribute, reference, run, by) for run, by, _ in rows]
        for classifier, attributes in told.items()
        for reference in ("uniform", TRAINING_DATA)
        for attribute in attributes
    }
    shows = {"uniform": with_interval, TRAINING_DATA: _value_alone}
    quantities = dict.fromkeys(beside[attribute] for *_, attribute in cells if beside.get(attribute))
    # How many of each set were unknown is for the metrics to say.
    described = [replace(m, protocol=m.protocol.partition(", ")[0]) for column in cells.values() for m in column if m.n]
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
                raw_prefix=f"{classifier}_",
                raw_suffix=f"_to_{reference}",
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


def claims(findings: Sequence[tuple[Claim, Finding]]) -> Table:
    """The papers' claims beside what was measured here, with a verdict each."""
    by_verdict = {verdict: sum(finding.verdict == verdict for _, finding in findings) for verdict in VERDICTS}
    counted = "; ".join(f"{verdict}: {count}" for verdict, count in by_verdict.items())
    caption = (
        f"{counted}. A claim holds or fails where the 95% interval lies on one side of its bound, and is undecided at "
        "this n and these trainings where it does not; not measured: this study has no such runs. Bounds are ours: a "
        f"run keeps the mapping if it keeps more than {100 * KEPT:.0f}% of the way from unmatched to perfectly matched "
        f"similarity, breaks it below {100 * BROKEN:.0f}%, and resembles in between; a Fréchet distance does not "
        f"suffer if it rises by less than {100 * MARGIN:.0f}%. Changes of quality and of balance stay undecided where "
        "no training was repeated with another seed. The papers measured other data, sizes and encoders."
    )
    said = [claim for claim, _ in findings]
    found = [finding for _, finding in findings]
    return assemble(
        TABLES["claims"].title,
        caption,
        text_column("Claim", [c.claim for c in said], {"id": [c.id for c in said]}),
        text_column("Source", [c.source for c in said], {"source": [c.source for c in said]}),
        text_column("Verdict", [f.verdict for f in found], {"verdict": [f.verdict for f in found]}),
        text_column("Measured here", [f.measured or NOTHING for f in found], {"measured": [f.measured for f in found]}),
        text_column("n", [f"{f.n:,}" if f.n else NOTHING for f in found], {"n": [f.n for f in found]}, numeric=True),
    )


def memorisation(
    metrics: pd.DataFrame, labels: Mapping[str, str], *, encoders: Sequence[str], elsewhere: Collection[str] = ()
) -> Table:
    """How near samples come to the images a run was trained on. Metrics `nn_ratio`, and `kept_ratio` of pruned runs;
    those trained `elsewhere`, on another dataset, have neither."""
    found = {run: _measure_or_none if run in elsewhere else find_measure for run in labels}
    ratios = {e: [find(metrics, "nn_ratio", run, encoder=e) for run, find in found.items()] for e in encoders}
    kept = {e: [_measure_or_none(metrics, "kept_ratio", run, encoder=e) for run in labels] for e in encoders}
    every = [measure for measures in ratios.values() for measure in measures if measure.n]
    caption = (
        "Distance from a sample to its nearest training image: over the same distance of held-out images (near 1 the "
        "samples are as new as those, near 0 they are copies), and over the distance to its nearest among as many "
        "images that were pruned away (1: no nearer to what was seen than to what was not; less may also come from "
        "what the criterion keeps). A run of another dataset has neither. "
        f"{_INTERVAL} {describe(every)}."
    )
    groups = [("over held-out images'", ratios), ("over pruned-away images'", kept)]
    return assemble(
        TABLES["memorisation"].title,
        caption,
        _model_column(labels),
        *(
            measured_column(encoder, measures, with_interval, group=group, decimals=3, raw_prefix=f"{encoder}_")
            for group, columns in groups
            for encoder, measures in columns.items()
        ),
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


def _similarity_columns(
    metrics: pd.DataFrame,
    pairs: Sequence[tuple[str, str]],
    encoders: Sequence[str],
    *,
    absent: Collection[tuple[str, str]] = (),
) -> list[Filled]:
    """Cosine in every encoder and latent distance of every pair, matched and unmatched. Pairs in `absent` may lack
    any."""

    def measured(metric: str, encoder: str) -> list[Measure]:
        return [
            (_measure_or_none if pair in absent else find_measure)(metrics, metric, *pair, encoder=encoder)
            for pair in pairs
        ]

    columns = []
    for encoder in encoders:
        group, prefix = f"cosine ({encoder})", f"{encoder}_"
        columns += [
            measured_column(
                "matched", measured("cosine_matched", encoder), with_sd, group=group, decimals=3, raw_prefix=prefix
            ),
            measured_column(
                "unmatched", measured("cosine_unmatched", encoder), with_sd, group=group, decimals=3, raw_prefix=prefix
            ),
        ]
        of_encoder = metrics[metrics["encoder"] == encoder]
        if "cosine_unmatched_same_class" in set(of_encoder["metric"]):
            same = [_measure_or_none(metrics, "cosine_unmatched_same_class", *pair, encoder=encoder) for pair in pairs]
            columns.append(
                measured_column("unmatched, same class", same, with_sd, group=group, decimals=3, raw_prefix=prefix)
            )
        columns += [
            measured_column(
                "difference",
                measured("cosine_difference", encoder),
                with_interval,
                group=group,
                decimals=3,
                raw_prefix=prefix,
            ),
            measured_column(
                "top-1", measured("cosine_top1", encoder), with_interval, group=group, decimals=3, raw_prefix=prefix
            ),
        ]
    latent = "latent distance (L2)"
    return [
        *columns,
        measured_column("matched", measured("latent_l2_matched", "latent"), with_sd, group=latent),
        measured_column("unmatched", measured("latent_l2_unmatched", "latent"), with_sd, group=latent),
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


def _with_means(labels: Mapping[str, str], repeated: Sequence[tuple[str, ...]]) -> list[tuple[tuple[str, ...], str]]:
    """(runs, label) of every row: each run, and the runs of one experiment under the last of them."""
    rows: list[tuple[tuple[str, ...], str]] = []
    for run, label in labels.items():
        rows.append(((run,), label))
        for arm in repeated:
            shown = tuple(name for name in labels if name in arm)
            if len(shown) > 1 and run == shown[-1]:
                rows.append((shown, f"{labels[shown[0]]}, mean of {len(shown)} trainings"))
    return rows


def _mean_measure(measures: Sequence[Measure]) -> Measure:
    """The measure itself, or the mean of several trainings' with its interval."""
    if len(measures) == 1:
        return measures[0]
    mean = mean_over_runs([measure.estimate for measure in measures])
    return replace(measures[0], value=mean.value, ci_low=mean.ci_low, ci_high=mean.ci_high)


def _times(factor: float) -> Callable[[Measure, int], str]:
    """Shows a measure times `factor`, with its interval."""

    def show(measure: Measure, decimals: int) -> str:
        scaled = {field: factor * getattr(measure, field) for field in ("value", "ci_low", "ci_high")}
        return with_interval(replace(measure, **scaled), decimals)

    return show


def _measure_or_none(
    metrics: pd.DataFrame, metric: str, run: str, reference: str = "", encoder: str | None = None
) -> Measure:
    """A measure, or nothing where there is none."""
    of_pair = metrics[(metrics["run"] == run) & (metrics["reference"] == reference) & (metrics["metric"] == metric)]
    if of_pair[(encoder is None) | (of_pair["encoder"] == encoder)].empty:
        return _no_measure(metric, run, reference, encoder)
    return find_measure(metrics, metric, run, reference, encoder)


def _no_measure(metric: str, run: str, reference: str = "", encoder: str | None = None) -> Measure:
    """One of NaN and no samples: a dash in the table."""
    nan = float("nan")
    return Measure("", run, reference, metric, encoder or "", "", value=nan, n=0, seed=0)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)


def _encoder(measures: Sequence[Measure]) -> str:
    return ", ".join(sorted({m.encoder for m in measures}))


def _words(name: str) -> str:
    return name.replace("_", " ")
