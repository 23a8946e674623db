"""The headline of a finished study: how alike samples of the same noise are, and the verdicts on the papers' claims."""

from collections.abc import Collection, Sequence

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


def verdict_line(verdicts: Sequence[str]) -> str:
    """How many claims have each verdict, from the CSV of the table claims, the most frequent first."""
    counts = pd.Series(verdicts).value_counts()
    return f"The papers' claims: {', '.join(f'{count} {verdict}' for verdict, count in counts.items())}"
