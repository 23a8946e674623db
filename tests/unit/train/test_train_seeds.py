"""Trainings of two seeds share nothing that is drawn: no initial weights, no noise and times, no order of data."""

from itertools import combinations

import pytest
import torch
from support.trainings import fit

from steadyflow.models import build_velocity
from steadyflow.train import Samples, flow_matching

SEEDS = (0, 1, 1836420615, 4294967295)
LATENTS = torch.randn(32, 2, 4, 4, generator=torch.Generator().manual_seed(0))
SAMPLES = Samples(len(LATENTS), LATENTS.shape[1:], lambda rows: LATENTS[rows])


def drawn(path, seed):
    """The initial weights of a network, and the rows, the points x_t and the times t of its training's batches."""
    torch.manual_seed(seed)
    weights = torch.cat([each.flatten() for each in build_velocity("DiT-T/2", 2, 4, 0).parameters()])
    seen = {"rows": [], "x_t": [], "t": []}

    class Zero(torch.nn.Linear):
        def forward(self, x, t, y):
            seen["x_t"].append(x)
            seen["t"].append(t)
            return x * self.weight

    loss = flow_matching(SAMPLES, seed)

    def objective(model, batch):
        seen["rows"].append(batch.rows)
        return loss(model, batch)

    fit(path, objective, LATENTS, steps=4, model=Zero(1, 1, bias=False), seed=seed)
    return {"weights": weights, **{name: torch.cat(parts) for name, parts in seen.items()}}


@pytest.fixture(scope="module")
def trainings(tmp_path_factory):
    return {seed: drawn(tmp_path_factory.mktemp("training"), seed) for seed in SEEDS}


@pytest.mark.parametrize(("one", "other"), [*combinations(SEEDS, 2)])
def test_two_seeds_share_no_draw(trainings, one, other):
    a, b = trainings[one], trainings[other]
    initial = (a["weights"] != 0) & (a["weights"] != 1)
    # Biases and modulations start at 0 for every seed, and fixed position embeddings are the same; all else differs.
    assert (a["weights"][initial] == b["weights"][initial]).float().mean() < 0.1
    # One epoch of 32: about one row in 32 stands at the same place by chance.
    assert (a["rows"] == b["rows"]).float().mean() < 0.25
    assert not (a["t"] == b["t"]).any() and not (a["x_t"] == b["x_t"]).any()


def test_one_seed_shares_them_all(trainings, tmp_path):
    again = drawn(tmp_path, SEEDS[2])
    assert all(torch.equal(again[name], value) for name, value in trainings[SEEDS[2]].items())
