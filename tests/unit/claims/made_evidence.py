"""Evidence made by hand: metrics of known values and standard errors."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.claims import Evidence, judge, read_claims
from steadyflow.ground.arm import Arm

CLAIMS = read_claims(Path(__file__).parents[3] / "resources/paper/claims.csv")
SIGNS = np.resize([1.0, -1.0], 20)


def subset(*runs, criterion="", fraction=0.5, attribute=""):
    """An arm that differs from the reference in its subset."""
    return Arm(runs, "subset", criterion, fraction, attribute)


def row(run, metric, value, reference="", encoder="probe", error=0.001):
    """`error` is the standard error that follows from the replicates."""
    # Of runs and metrics that vary independently: no two have one pattern of signs.
    order = np.random.default_rng(sum(map(ord, run + metric))).permutation(20)
    replicates = value + error * SIGNS[order] / 19**0.5
    names = {"dataset": "faces", "run": run, "reference": reference, "metric": metric, "encoder": encoder}
    return {**names, "protocol": "euler", "value": value, "ci_low": value - 2 * error, "ci_high": value + 2 * error,
            "sd": 0.1, "n": 2000, "seed": 0, "note": "", "replicates": tuple(replicates)}  # fmt: skip


def evidence(arms, fd=None, similarity=None, fairness=None, *, errors=0.001, pairs=(), repeated=True, **of_study):
    """fd: run -> FD; similarity: (run, reference) -> (matched, unmatched); fairness: (run, attribute) -> KL.

    `repeated`: a criterion of no claim was trained three times, with equal results. `of_study`: what else the evidence
    says, such as the dataset that it reproduces.
    """
    repeats = subset("p1", "p2", "p3", criterion="semdedup", fraction=0.3)
    arms = [Arm(("unpruned",), "reference"), *arms, *([repeats] if repeated else [])]
    if repeated and fd:
        fd = fd | dict.fromkeys(repeats.runs, 3.0)
    if repeated and fairness:
        attributes = {attribute for _, attribute in fairness}
        fairness = fairness | {(run, attribute): 1.0 for run in repeats.runs for attribute in attributes}
    quality = [row(run, "fd", value, error=errors) for run, value in (fd or {}).items()]
    cosines = [
        row(run, f"cosine_{part}", value, reference, error=errors)
        for (run, reference), values in (similarity or {}).items()
        for part, value in zip(("matched", "unmatched"), values, strict=True)
    ]
    divergences = [
        row(run, f"kl_{attribute}", value, "uniform", error=errors)
        for (run, attribute), value in (fairness or {}).items()
    ]
    columns = list(row("", "", 0))
    labels = {run: run for arm in arms for run in arm.runs}
    frames = [pd.DataFrame(rows, columns=columns) for rows in (quality, cosines, divergences)]
    return Evidence(*frames, arms, pairs, "probe", ("probe",), labels, **of_study)


def finding(claim, given):
    ((_, found),) = judge([c for c in CLAIMS if c.id == claim], given)
    return found
