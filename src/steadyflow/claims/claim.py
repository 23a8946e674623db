"""The papers' claims, as resources/paper/claims.csv lists them."""

from dataclasses import dataclass
from pathlib import Path

from steadyflow.ground.artifacts import read_rows


@dataclass(frozen=True)
class Claim:
    """One row of claims.csv: the claim in a sentence, the quantity that measures it, and where the paper makes it."""

    id: str
    claim: str
    measured_by: str
    source: str


def read_claims(path: Path | str) -> list[Claim]:
    """Every row of a claims.csv. Raises UserError when its columns are not the fields of a Claim."""
    return read_rows(path, Claim)
