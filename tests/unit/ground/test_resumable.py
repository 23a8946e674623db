"""Tables by several processes, killed and restarted: the values of one process that was never killed."""

import errno
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from support.scores import running_mean_scores

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.resumable import delete_table, missing_batches, publish_table, resumable_table
from steadyflow.prune import normalise

# The processes are forked from one that has imported torch already: that takes longer than all they compute.
PROCESSES = """
import json, os, signal, socket, sys
from pathlib import Path
import numpy as np
import torch
from steadyflow.ground import distributed
from steadyflow.models.dit import DiT, Size
from steadyflow.data.rows import compute_rows
from steadyflow.prune import losses_and_gradient_norms, measure_samples, shared_points
from steadyflow.ground.resumable import missing_batches, resumable_table

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
    table = resumable_table(folder / f"{name}.npy", (2, n, 4, 2), "id", items=n * 8, seconds=0)
    with distributed.process_group(torch.device("cpu")), table as found:
        batches = missing_batches(found, batch, "score")
        measure_samples(found.values, measure, lambda rows: data[rows], t, x0, labels, batches=batches)
        (folder / f"{name}-{rank}.asked").write_text(json.dumps(asked))

def embed(name, rank, killed):
    torch.manual_seed(0)
    model, images, asked = torch.nn.Conv2d(1, 5, 3), torch.randn(n, 1, 8, 8), []

    def compute(ids):
        if killed and rank == 0 and len(asked) == 3:
            os.kill(os.getpid(), signal.SIGKILL)
        asked.append(ids.tolist())
        with torch.no_grad():
            features = model(images[ids]).mean((2, 3)).numpy()
        # As where an encoder finds nothing.
        return np.where((ids % 10 == 0)[:, None], np.float32("nan"), features)

    ids = np.setdiff1d(np.arange(n), [3, 17, 150])
    compute_rows(
        compute, ids, folder / f"{name}.npy", (n, 5), np.float32, inputs={"images": "0123"}, batch_size=13,
        device=torch.device("cpu"), name="embed", seconds=0,
    )
    (folder / f"{name}-{rank}.asked").write_text(json.dumps(asked))

def run(work, name, world, killed=False):
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
                work(name, rank, killed)
            except RuntimeError:
                os._exit(1)  # the others see that rank 0 is gone
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

for work, name in ((score, ""), (embed, "rows-")):
    assert run(work, name + "whole", 1) == [0]
    assert run(work, name + "three", 3) == [0, 0, 0]
    assert run(work, name + "killed", 1, killed=True) == [-9]
    assert run(work, name + "killed", 1) == [0]
    assert run(work, name + "killed-together", 2, killed=True) == [-9, 1]
    assert run(work, name + "killed-together", 3) == [0, 0, 0]
"""
BATCHES = -(-151 * 8 // 32)


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("scores")
    done = subprocess.run([sys.executable, "-c", PROCESSES, folder], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("name", ["three", "killed", "killed-together"])
@pytest.mark.parametrize("work", ["", "rows-"])
def test_the_values_are_the_same_bytes(results, work, name):
    assert (results / f"{work}{name}.npy").read_bytes() == (results / f"{work}whole.npy").read_bytes()


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


def test_rows_without_features_are_computed_once(results):
    """Of 148 images in 12 batches, the kill comes in the fourth; in the fourth of the six of its process of two."""
    whole = np.load(results / "rows-whole.npy")
    assert np.isnan(whole).all(axis=1).nonzero()[0].tolist() == sorted({3, 17, 150, *range(0, 151, 10)})
    batches = asked(results, "rows-whole", 1)[0]
    assert len(batches) == 12
    assert asked(results, "rows-killed", 1)[0] == batches[3:]
    parts = asked(results, "rows-killed-together", 3)
    assert parts == [[batch] for batch in batches[3:6]]


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
    with resumable_table(path, (2, 3), "mine", items=2) as table:
        assert not table.values.any() and not table.done.any()
        for batch in missing_batches(table, 1, "rows"):
            table.values[batch] = 5
            if batch.start:
                break
    with resumable_table(path, (2, 3), "mine", items=2) as table:
        assert table.values[0].tolist() == [5, 5, 5] and table.done.tolist() == [1, 0]
    others = {"identity": "other"}, {"shape": (3, 2)}, {"dtype": np.float32}, {"items": 6}
    for other in others:
        asked = {"shape": (2, 3), "identity": "mine", "items": 2, **other}
        with (
            pytest.raises(
                UserError, match=r"a-0\.5-0123\.npy: checkpoint of another job .* delete the file to start from"
            ),
            resumable_table(path, **asked),
        ):
            pass
    delete_table(path)
    assert list(path.parent.iterdir()) == []
    with resumable_table(path, (2, 3), "other", items=2) as table:
        assert not table.done.any()
    # As the message says; what lies beside it is written over.
    path.unlink()
    with resumable_table(path, (4, 3), "mine", items=4) as table:
        assert table.done.tolist() == [0] * 4


def test_only_batches_that_miss_an_item_come_and_errors_lose_none(tmp_path):
    path = tmp_path / "table.npy"
    with resumable_table(path, (20,), "id", items=20) as table:
        assert [(batch.start, batch.stop) for batch in missing_batches(table, 8, "x")] == [(0, 8), (8, 16), (16, 20)]
        assert table.done.all() and list(missing_batches(table, 8, "x")) == []
        table.done[[9, 17]] = 0
        with pytest.raises(ZeroDivisionError):
            for batch in missing_batches(table, 8, "x"):
                1 / (batch.start - 16)
        assert table.done[:16].all() and not table.done[17]
        # Batches may be of another size when work goes on.
        assert [(batch.start, batch.stop) for batch in missing_batches(table, 3, "x")] == [(15, 18)]


def test_marks_wait_for_their_time_and_never_come_before_their_values(tmp_path, monkeypatch):
    """Seconds pass as they are told: three a batch, and a mark every five at least."""
    clock, events = iter(range(0, 100, 3)), []
    monkeypatch.setattr("steadyflow.ground.resumable.time.monotonic", lambda: next(clock))
    with resumable_table(tmp_path / "table.npy", (6,), "id", items=6, seconds=5) as table:
        monkeypatch.setattr(type(table.values), "flush", lambda array: events.append((array.dtype, table.done.sum())))
        for batch in missing_batches(table, 1, "x"):
            table.values[batch] = batch.start
            # Of those before, all are marked up to the last one or two.
            assert table.done.sum() == 2 * (batch.start // 2)
    values, marks = np.dtype(np.float64), np.dtype(np.uint8)
    assert events[:6] == [(values, 0), (marks, 2), (values, 2), (marks, 4), (values, 4), (marks, 6)]


@pytest.mark.parametrize("other_disk", [False, True])
def test_a_finished_table_becomes_the_result_and_its_state_stays_until_it_is_deleted(tmp_path, monkeypatch, other_disk):
    state, output = tmp_path / "state" / "table.npy", tmp_path / "results" / "rows.npy"
    with resumable_table(state, (6,), "id", items=6, dtype=np.float16) as table:
        table.values[:] = np.arange(6)
    if other_disk:

        def hardlink_to(link, target):
            raise OSError(errno.EXDEV, "Invalid cross-device link")

        monkeypatch.setattr(Path, "hardlink_to", hardlink_to)
    publish_table(state, output)
    found = np.load(output)
    assert found.dtype == np.float16 and found.tolist() == list(range(6))
    assert list(output.parent.iterdir()) == [output]
    # A retry, whose outputs are deleted first, finds it whole.
    output.unlink()
    publish_table(state, output)
    assert np.load(output).tolist() == list(range(6))
    delete_table(state)
    assert list(state.parent.iterdir()) == [] and list(output.parent.iterdir()) == [output]
