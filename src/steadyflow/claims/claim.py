"""The papers' claims, as resources/paper/claims.csv lists them."""

from dataclasses import dataclass
from pathlib import Path

from steadyflow.ground.artifacts import read_rows


@dataclass(frozen=True)
class Claim:
    """One row of claims.csv.

    claim: in a sentence
    measured_by: the quantity that measures it, with the papers' own numbers
    source: where the papers make it
    dataset: the dataset that it is about by its own words, so that no other speaks to it; "" if it is about any
    contradiction: where the papers contradict it, or themselves; "" where they do not
    """

    id: str
    claim: str
    measured_by: str
    source: str
    dataset: str
    contradiction: str


def read_claims(path: Path | str) -> list[Claim]:
    """Every row of a claims.csv. Raises UserError when its columns are not the fields of a Claim."""
    return read_rows(path, Claim)
