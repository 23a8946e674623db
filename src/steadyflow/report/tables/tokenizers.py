"""How near each tokenizer's reconstructions of the validation images come to them, how sharp they are, and how many
codes they use; rFD is measured in probe features and compares inside this study only."""

from collections.abc import Mapping

import pandas as pd

from steadyflow.evaluate.metrics import describe, find_metric
from steadyflow.report.columns import assemble, measured_column, name_column, optional_column, text_column
from steadyflow.report.numbers import INTERVALS, with_interval
from steadyflow.report.typeset import Table

TITLE = "Tokenizers"
CATEGORY = "Data"
NEEDS = "tokenizers"


def table(
    tokenizer_metrics: pd.DataFrame,
    tokenizer_labels: Mapping[str, str],
    tokenizer_losses: Mapping[str, str],
    codebook_sizes: Mapping[str, int],
) -> Table:
    """Metrics `psnr`, `rfd`, `sharpness`, `codes_used`, `perplexity`; `ssim` and `lpips` where they were measured."""
    metrics, labels = tokenizer_metrics, tokenizer_labels
    distances = [find_metric(metrics, "rfd", name) for name in labels]
    used = [round(find_metric(metrics, "codes_used", name).value) for name in labels]
    sizes = [codebook_sizes[name] for name in labels]
    losses = [tokenizer_losses[name] for name in labels]
    encoder = ", ".join(sorted({measure.encoder for measure in distances}))
    caption = (
        "PSNR, SSIM and LPIPS compare each reconstruction with its original; rFD is the Fréchet distance between all "
        f"of them in the features of the {encoder} encoder. Higher is better for PSNR and SSIM, lower for LPIPS and "
        "rFD. Sharpness: energy of the reconstruction's edges over that of the original's; 1 is as sharp, less is "
        "blurred. Perplexity: as many equally frequent codes would carry as much. "
        f"{INTERVALS} {describe(distances)}."
    )
    if "lpips" not in set(metrics["metric"]):
        caption += " LPIPS is measured where the study trains a tokenizer on it."
    return assemble(
        TITLE,
        caption,
        name_column("Tokenizer", "tokenizer", labels),
        text_column("Trained on", losses, {"losses": losses}),
        optional_column("PSNR (dB)", metrics, "psnr", labels, decimals=2),
        optional_column("SSIM", metrics, "ssim", labels, decimals=3),
        optional_column("LPIPS", metrics, "lpips", labels, decimals=3),
        measured_column(f"rFD ({encoder})", distances, with_interval),
        optional_column("Sharpness", metrics, "sharpness", labels, decimals=3),
        text_column(
            "Codes used",
            [f"{n:,} / {size:,}" for n, size in zip(used, sizes, strict=True)],
            {"codes_used": used, "codebook_size": sizes},
            numeric=True,
        ),
        optional_column("Perplexity", metrics, "perplexity", labels),
    )
