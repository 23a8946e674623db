"""What two models share beyond second moments: the share of the mapping from noise to images that they keep; the share
that the Gaussian flows of their training data keep, without any network; and what is left when each model's Gaussian
flow is taken off. Beside it, whether each model is better than its Gaussian flow."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd

from steadyflow.evaluate.beyond_null import BEYOND
from steadyflow.evaluate.estimate import Estimate
from steadyflow.evaluate.held_out_loss import HELD_OUT_LOSS
from steadyflow.evaluate.metrics import NAN, Metric, describe, find_metric, metric_or_none
from steadyflow.evaluate.share import has_pair, share_of_mapping
from steadyflow.report.columns import Filled, assemble, measured_column, text_column
from steadyflow.report.numbers import INTERVALS, NOTHING, decimals_for, value_alone
from steadyflow.report.typeset import Column, Table

TITLE = "Beyond the Gaussian flow"
CATEGORY = "Stability"
NEEDS = "null models"

Pair = tuple[str, str]
_WORDS = (
    "Share of the mapping kept by a pair: (matched - unmatched) / (ceiling - unmatched) of cosine similarities. "
    "Gaussian flows: the same of the two flows that know the mean and covariance of the models' training latents and "
    "nothing else. Beyond: of the residuals of features, when what the Gaussian flow's samples of the same noise "
    "explain is taken off. A model that is not better than its Gaussian flow, in Fréchet distance and in the loss on "
    "held-out images, is no evidence of stability."
)


def table(
    similarity: pd.DataFrame,
    quality: pd.DataFrame,
    held_out_losses: pd.DataFrame,
    labels: Mapping[str, str],
    pair_labels: Mapping[Pair, str],
    null_models: Mapping[str, str],
    null_labels: Mapping[str, str],
    reference: str,
    encoders: Sequence[str],
    similarity_encoders: Sequence[str],
) -> Table:
    """The reference, whose FD and loss stand beside its Gaussian flow's, each compared pair, and the null models of the
    reference against it."""
    named = {(reference, reference): labels[reference], **pair_labels}
    named |= {(null, reference): label for null, label in null_labels.items()}
    runs = [run for run, _ in named]
    flows = [null_models.get(run) for run in runs]

    def shares(header: str, name: str, measure: str, of: Callable[[str], str | None]) -> Filled:
        pairs = [(of(run), of(other)) for run, other in named]
        found = [_share(similarity, similarity_encoders[0], pair, measure, reference) for pair in pairs]
        raw = {name + suffix: [getattr(e, f) if e else NAN for e in found] for suffix, f in _FIELDS.items()}
        return Filled(Column(header, "share of the mapping kept"), [_percent(e) for e in found], raw)

    def fd(run: str | None) -> Metric:
        return metric_or_none(quality, "fd", run or "", encoder=encoders[0])

    def loss(run: str | None) -> Metric:
        return metric_or_none(held_out_losses, HELD_OUT_LOSS, run or "")

    cosines = [find_metric(similarity, "cosine_matched", *pair, encoder=similarity_encoders[0]) for pair in pair_labels]
    return assemble(
        TITLE,
        f"{_WORDS} {INTERVALS} {describe([*cosines, *map(fd, runs)])}.",
        text_column(
            "Model",
            list(named.values()),
            {"run": runs, "reference": [other for _, other in named], "label": list(named.values())},
        ),
        shares("models", "share_kept", "cosine", lambda run: run),
        shares("Gaussian flows", "share_kept_gaussian", "cosine", null_models.get),
        shares("beyond", "share_beyond", BEYOND, lambda run: run),
        *_beside(f"FD ({encoders[0]})", list(map(fd, runs)), list(map(fd, flows))),
        *_beside("held-out loss", list(map(loss, runs)), list(map(loss, flows)), decimals=3),
    )


_FIELDS = {"": "value", "_ci_low": "ci_low", "_ci_high": "ci_high"}


def _beside(group: str, ours: Sequence[Metric], nulls: Sequence[Metric], decimals: int | None = None) -> list[Filled]:
    shown = decimals_for(m.value for m in (*ours, *nulls)) if decimals is None else decimals
    return [
        measured_column("model", ours, value_alone, group=group, decimals=shown),
        measured_column("Gaussian flow", nulls, value_alone, group=group, decimals=shown, raw_suffix="_gaussian"),
    ]


def _share(
    similarity: pd.DataFrame, encoder: str, pair: tuple[str | None, str | None], measure: str, ceiling: str
) -> Estimate | None:
    """None where it was not measured: of a run with itself, of null models less themselves."""
    run, other = pair
    if run is None or other is None or run == other or not has_pair(similarity, measure, run, other):
        return None
    return share_of_mapping(similarity, encoder, run, other, measure=measure, ceiling=ceiling)[0]


def _percent(share: Estimate | None) -> str:
    if share is None:
        return NOTHING
    return f"{100 * share.value:.0f}% [{100 * share.ci_low:.0f}, {100 * share.ci_high:.0f}]".replace("-", "−")
