"""The headline of a finished study: how alike samples of the same noise are, and the verdicts on the papers' claims."""

import math
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd


def similarity_lines(table: pd.DataFrame, runs: Collection[str], encoder: str) -> list[str]:
    """Cosine similarities of `runs` to the reference, from the CSV of the table similarity_to_unpruned."""
    rows = table[table["run"].isin(runs)].to_dict("records")
    width = max(len(row["label"]) for row in rows)
    lines = [
        f"n = {rows[0][f'{encoder}_cosine_matched_n']:.0f}; mean ± SD over pairs; difference of the means with its 95% "
        "interval",
        "",
        f"{'trained on':{width}}   same noise      other noise     difference",
    ]
    for row in rows:
        matched, unmatched = (
            f"{row[f'{encoder}_cosine_{part}']:.3f} ± {row[f'{encoder}_cosine_{part}_sd']:.3f}"
            for part in ("matched", "unmatched")
        )
        difference, low, high = (row[f"{encoder}_cosine_difference{end}"] for end in ("", "_ci_low", "_ci_high"))
        lines.append(f"{row['label']:{width}}   {matched}   {unmatched}   {difference:.3f} [{low:.3f}, {high:.3f}]")
    return lines


def beyond_lines(table: pd.DataFrame) -> list[str]:
    """How much of the agreement is second moments alone, and whether each model is better than its Gaussian flow, from
    the CSV of the table beyond_gaussian_flow."""
    rows = table.to_dict("records")
    width = max(24, *(len(row["label"]) for row in rows))
    heads = f"{'models':14} {'Gaussian flows':14}   {'beyond them':14}  {'FD (of its flow)':18} held-out loss"
    lines = [f"{'% of the mapping kept by':{width}}   {heads}"]
    for row in rows:
        shares = (_share(row, name) for name in ("share_kept", "share_kept_gaussian", "share_beyond"))
        fd, loss = (_beside(row, name, digits) for name, digits in (("fd", 1), ("held_out_loss", 3)))
        models, flows, beyond = (f"{share:14}" for share in shares)
        lines.append(f"{row['label']:{width}}   {models} {flows}   {beyond}  {fd:18} {loss}")
    return lines


def _share(row: Mapping[Any, Any], name: str) -> str:
    if math.isnan(row[name]):
        return "–"
    value, low, high = (100 * row[name + end] for end in ("", "_ci_low", "_ci_high"))
    return f"{value:.0f} [{low:.0f}, {high:.0f}]"


def _beside(row: Mapping[Any, Any], name: str, digits: int) -> str:
    """`24.1 (29.7)`: of the model, and of its Gaussian flow where it has one."""
    ours, flow = row[name], row[f"{name}_gaussian"]
    beside = "" if math.isnan(flow) else f" ({flow:.{digits}f})"
    return "–" if math.isnan(ours) else f"{ours:.{digits}f}{beside}"


def verdict_line(verdicts: Sequence[str]) -> str:
    """How many claims have each verdict, from the CSV of the table claims, the most frequent first."""
    counts = pd.Series(verdicts).value_counts()
    return f"The papers' claims: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}"
