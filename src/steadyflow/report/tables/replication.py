"""How many of the samples of two models from one noise are replicas of each other: more alike than 999 of 1,000 pairs
from different noises."""

from collections.abc import Collection, Mapping, Sequence

import pandas as pd

from steadyflow.evaluate.metrics import describe, find_metric
from steadyflow.evaluate.similarity import FALSE_MATCHES
from steadyflow.report.columns import assemble, measured_column, pair_columns, text_column
from steadyflow.report.numbers import INTERVALS, value_alone, with_interval
from steadyflow.report.typeset import Table

TITLE = "Replicas among samples from one noise"
CATEGORY = "Stability"
NEEDS = "several runs"


def table(
    similarity: pd.DataFrame,
    labels: Mapping[str, str],
    reference: str,
    inverse_pairs: Sequence[tuple[str, str]],
    similarity_encoders: Sequence[str],
    shared_seeds: Collection[tuple[str, str]],
) -> Table:
    """A row per encoder and compared pair: every run with the `reference` run, and the inverse pairs."""
    pairs = dict.fromkeys([*((run, reference) for run in labels if run != reference), *inverse_pairs])
    rows = [(encoder, pair) for encoder in similarity_encoders for pair in pairs]
    score, threshold = (
        [find_metric(similarity, metric, *pair, encoder=encoder) for encoder, pair in rows]
        for metric in ("rp", "rp_threshold")
    )
    caption = (
        "RP score: share of pairs from one noise whose cosine is above a threshold, the one that "
        f"{100 * FALSE_MATCHES:.1f}% of pairs from different noises exceed, which is given beside it. It would be "
        f"{FALSE_MATCHES:g} without any relation. The interval is of the noises, at this threshold. "
        f"{INTERVALS} {describe(score)}."
    )
    return assemble(
        TITLE,
        caption,
        text_column("Encoder", [encoder for encoder, *_ in rows], {"encoder": [encoder for encoder, *_ in rows]}),
        *pair_columns([pair for _, pair in rows], labels, shared_seeds),
        measured_column("RP score", score, with_interval, decimals=3),
        measured_column("Threshold", threshold, value_alone, decimals=3),
    )
