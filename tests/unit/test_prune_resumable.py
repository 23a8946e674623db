"""Scores by several processes, killed and restarted: the values of one process that was never killed."""

import json
import subprocess
import sys

import numpy as np
import pytest
from test_prune_scores import running_mean_scores

from steadyflow.artifacts import UserError
from steadyflow.prune import delete_table, normalise, resumable_table

# The processes are forked from one that has imported torch already: that takes longer than all they compute.
PROCESSES = """
import json, os, signal, socket, sys
from pathlib import Path
import torch
from steadyflow import distributed
from steadyflow.models.dit import DiT, Size
from steadyflow.prune import losses_and_gradient_norms, measure_samples, resumable_table, shared_points

torch.set_num_threads(1)
folder, n, batch = Path(sys.argv[1]), 151, 32

def score(name, rank, killed):
    torch.manual_seed(0)
    model, data, labels = DiT(Size(2, 32, 2), 2, 2, 4, 3), torch.randn(n, 2, 4, 4), torch.arange(n) % 4
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    asked = []

    def measure(x1, x0, t, y):
        if killed and rank == 0 and len(asked) == 6:
            os.kill(os.getpid(), signal.SIGKILL)
        asked.append(len(x1))
        found = losses_and_gradient_norms(model, x1, x0, t, y)
        return found.loss, found.grad

    t, x0 = shared_points(0, 4, 2, (2, 4, 4))
    with distributed.joined(torch.device("cpu")), resumable_table(folder / f"{name}.npy", (2, n, 4, 2), "id") as values:
        measure_samples(values, measure, lambda rows: data[rows], t, x0, labels, batch=batch)
        (folder / f"{name}-{rank}.asked").write_text(json.dumps(asked))

def run(name, world, killed=False):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(world):
        child = os.fork()
        if child == 0:
            os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(world)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            try:
                score(name, rank, killed)
            except RuntimeError:
                os._exit(1)  # the others see that rank 0 is gone
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

assert run("whole", 1) == [0]
assert run("three", 3) == [0, 0, 0]
assert run("killed", 1, killed=True) == [-9]
assert run("killed", 1) == [0]
assert run("killed-together", 2, killed=True) == [-9, 1]
assert run("killed-together", 3) == [0, 0, 0]
"""
BATCHES = -(-151 * 8 // 32)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    done = subprocess.run([sys.executable, "-c", PROCESSES, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["three", "killed", "killed-together"])
def test_the_values_are_the_same_bytes(results, name):
    assert (results / f"{name}.npy").read_bytes() == (results / "whole.npy").read_bytes()


def asked(results, name, world):
    return [json.loads((results / f"{name}-{rank}.asked").read_text()) for rank in range(world)]


def test_a_kill_loses_no_more_than_the_batch_it_came_in(results):
    """It comes in the seventh batch of the first process; the second goes on to its end."""
    assert sum(len(part) for part in asked(results, "whole", 1)) == BATCHES
    assert [len(part) for part in asked(results, "killed", 1)] == [BATCHES - 6]
    after = [len(part) for part in asked(results, "killed-together", 3)]
    assert sum(after) == BATCHES - 6 - BATCHES // 2
    # What is left is shared anew, rather than done by the process that was killed.
    assert max(after) - min(after) <= 1


def test_the_first_samples_of_every_part_score_like_the_others(results):
    values = np.load(results / "three.npy")
    assert [len(part) for part in asked(results, "three", 3)] == [13, 13, 12]
    firsts = np.concatenate([np.arange(start * 32 // 8, start * 32 // 8 + 5) for start in (0, 13, 26)])
    others = np.setdiff1d(np.arange(151), firsts)
    for measure in values:
        scores = normalise(measure)
        assert abs(in_errors(scores, firsts, others)) < 3
        # The fault that this is to find: a running mean in each part, from 1 on and far from the values' own.
        parts = [running_mean_scores(30 * part) for part in np.split(measure, [52, 104])]
        assert abs(in_errors(np.concatenate(parts), firsts, others)) > 3


def in_errors(scores, some, others):
    """Difference of two groups' means in standard errors, by the spread of all."""
    return (scores[some].mean() - scores[others].mean()) / (scores[others].std() / np.sqrt(len(some)))


def test_a_table_is_kept_and_knows_whose_it_is(tmp_path):
    path = tmp_path / "state" / "a-0.5-0123.npy"
    with resumable_table(path, (2, 3), "mine") as table:
        assert np.isnan(table).all()
        table[1] = 5
    with resumable_table(path, (2, 3), "mine") as table:
        assert table[1].tolist() == [5, 5, 5] and np.isnan(table[0]).all()
    with (
        pytest.raises(UserError, match=r"a-0\.5-0123\.npy: state of another scoring"),
        resumable_table(path, (2, 3), "other"),
    ):
        pass
    delete_table(path)
    assert list(path.parent.iterdir()) == []
    with resumable_table(path, (2, 3), "other") as table:
        assert np.isnan(table).all()
