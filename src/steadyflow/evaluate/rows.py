"""The one gate through which arrays enter a metric."""

import numpy as np

from steadyflow.artifacts import UserError


def finite_rows(name: str, values: np.ndarray) -> np.ndarray:
    """`values` [n, ...] as float64 [n, d]. Raises UserError, with `name` and the row, at NaN or infinity."""
    rows = np.asarray(values, dtype=np.float64).reshape(len(values), -1)
    bad = np.flatnonzero(~np.isfinite(rows).all(axis=1))
    if bad.size:
        raise UserError(
            f"{name}: {bad.size} of {len(rows)} rows hold NaN or infinity, the first is row {bad[0]}; "
            "delete that file and run its stage again"
        )
    return rows
