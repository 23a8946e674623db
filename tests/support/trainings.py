"""A training of a line in a second, killed or not, that the tests of trainings share."""

import time

import pandas as pd
import torch
import torch.nn.functional as F
from torch import nn

from steadyflow.train import (
    Cadence,
    Execution,
    Schedule,
    train,
)

ALWAYS, NEVER = Cadence(0.0), Cadence(float("inf"))
X = torch.linspace(-1, 1, 32)[:, None]


def line(model, batch):
    return F.mse_loss(model(batch.x), 3 * batch.x - 1), {}


def fit(
    path,
    objective=line,
    data=X,
    *,
    adversary=None,
    validation=None,
    micro_batch=None,
    deadline=lambda: float("inf"),
    steps=40,
    model=None,
    identity="id",
    ema=0.9,
    cadence=ALWAYS,
    **schedule,
):
    if model is None:
        torch.manual_seed(0)
        model = nn.Linear(1, 1)
    plan = Schedule(**{"steps": steps, "batch_size": 8, "learning_rate": 0.05, "ema_decay": ema, "seed": 0, **schedule})
    return train(
        model,
        objective,
        lambda rows: data[rows],
        len(data),
        plan,
        Execution(path / "state.pt", identity, torch.device("cpu"), cadence, deadline),
        adversary=adversary,
        validation=validation,
        micro_batch=micro_batch,
    )


def saved(path):
    return torch.load(path / "state.pt", weights_only=True)


def assert_same(a, b):
    assert a.ema.keys() == b.ema.keys()
    assert all(torch.equal(a.ema[name], b.ema[name]) for name in a.ema)
    pd.testing.assert_frame_equal(
        a.curve.drop(columns=["images_per_second", "mfu"]),
        b.curve.drop(columns=["images_per_second", "mfu"]),
        check_exact=True,
    )


class Killed(BaseException):
    pass


def killed_at(step, objective):
    def dying(model, batch):
        if batch.step == step:
            raise Killed
        return objective(model, batch)

    return dying


def slowly(model, batch):
    time.sleep(0.01)
    return line(model, batch)
