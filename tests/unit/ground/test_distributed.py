"""Several gloo processes against one: the same numbers from the same global batches."""

import json
import subprocess
import sys

import numpy as np
import pytest

# The processes are forked from one that has imported torch already: that takes longer than all they compute.
PROCESSES = """
import json, os, signal, socket, sys, time
from pathlib import Path
import numpy as np
import torch
from steadyflow.ground import distributed
from steadyflow.ground.artifacts import Unfinished, UserError
from steadyflow.data.rows import compute_rows
from steadyflow.models import VQVAE, PatchDiscriminator
from steadyflow.models.dit import DiT, Size
from steadyflow.train import (
    AdversarialTerm, Cadence, Execution, Revival, Samples, Schedule, reconstruction, train, velocity_objective
)

torch.set_num_threads(1)
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # its imports take seconds: once, not in every child
folder = Path(sys.argv[1])
cpu = torch.device("cpu")

def tokenizer(name, stop=9):
    images = torch.randint(0, 256, (23, 16, 16, 1), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    torch.manual_seed(0)
    model = VQVAE(image_channels=1, width=8, multipliers=(1, 2), blocks=1, codebook_size=48, latent_channels=2)
    model.codebook.embedding.weight.data[16:] += 100
    discriminator = PatchDiscriminator(image_channels=1, width=4, layers=2)
    whole = reconstruction(
        0.25, adversarial=AdversarialTerm(discriminator, start=2, weight=0.5), revival=Revival(every=3, seed=0)
    )

    def objective(model, batch):
        if batch.step == stop:
            os._exit(0)
        return whole(model, batch)

    with distributed.process_group(cpu):
        trained = train(
            model, objective, lambda rows: images[rows], 23, Schedule(9, 8, 1e-3, 0.9, 0, clip_norm=0.5),
            Execution(folder / f"{name}.pt", "id", cpu, Cadence(0.0)), adversary=discriminator,
        )
    weights = {key: value.double().abs().sum().item() for key, value in trained.ema.items()}
    curve = trained.curve.drop(columns=["images_per_second", "mfu"]).fillna(-1).to_dict("list")
    return {"curve": curve, "weights": weights}

def velocity(name):
    torch.manual_seed(0)
    latents, labels = torch.randn(23, 4, 4, 4), torch.arange(23) % 3
    model = DiT(Size(2, 64, 2), 2, 4, 4, 3)
    samples = Samples(23, (4, 4, 4), lambda rows: latents[rows], labels, 3)
    kind, settings = {
        "velocity": ("flow_matching", {}),
        "coupled": ("flow_matching", {"coupling": "ot"}),
        "explicit": ("explicit_flow_matching", {"candidates": 16}),
    }[name.partition("-")[0]]
    objective = velocity_objective(kind, samples, 5, label_dropout=0.3, **settings)
    with distributed.process_group(cpu):
        trained = train(
            model, objective, samples.load, samples.size, Schedule(12, 8, 1e-3, 0.9, 5),
            Execution(folder / f"{name}.pt", "id", cpu, Cadence(float("inf"))),
        )
    return {"curve": trained.curve.drop(columns=["images_per_second", "mfu"]).to_dict("list")}

def rows(name):
    torch.manual_seed(0)
    model, x = torch.nn.Conv2d(1, 5, 3), torch.randn(50, 1, 8, 8)
    def compute(ids):
        with torch.no_grad():
            return model(x[ids]).mean((2, 3)).numpy()
    ids = np.setdiff1d(np.arange(50), [3, 17, 49])
    shape, common = (50, 5), {"inputs": "id", "batch_size": 4, "device": cpu, "name": "rows"}
    compute_rows(compute, ids, folder / f"{name}.npy", shape, np.float32, **common)
    return {"shape": list(np.load(folder / f"{name}.npy", mmap_mode="r").shape)} if distributed.rank() == 0 else {}

def failing(name):
    def compute(ids):
        if distributed.rank() == 1:
            raise UserError("an image of mine is bad")
        return np.ones((len(ids), 5))
    ids, path = np.arange(50), folder / f"{name}.npy"
    common = {"inputs": "id", "batch_size": 4, "device": cpu, "name": "rows", "seconds": 0}
    compute_rows(compute, ids, path, (50, 5), np.float32, **common)

def gathering(name):
    whole = torch.arange(14.0).reshape(7, 2)
    with distributed.process_group(cpu):
        found = distributed.all_gather(distributed.shard(whole))
    return {"whole": found.tolist()}

def interrupted(name):
    return tokenizer(name, stop=5)

def terminated(name):
    # SIGTERM comes to the second process alone, amid a point of the curve.
    def objective(model, batch):
        if distributed.rank() == 1 and batch.step == 4:
            os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(0.3)
        return model(batch.x).square().mean(), {}

    def deadline():
        (folder / f"deadline of rank {distributed.rank()}").touch()
        return float("inf")

    schedule = Schedule(20_000, 8, 1e-3, 0.9, 5)
    began = time.monotonic()
    try:
        with distributed.process_group(cpu):
            train(
                torch.nn.Linear(1, 1), objective, lambda rows: rows[:, None].float(), 23, schedule,
                Execution(folder / f"{name}.pt", "id", cpu, Cadence(float("inf")), deadline),
            )
    except Unfinished:
        return {"step": torch.load(folder / f"{name}.pt")["step"], "seconds": time.monotonic() - began}

def run(work, name, world):
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
                result = work(name)
            except Exception as error:
                print(rank, type(error).__name__, file=sys.stderr)
                os._exit(1)
            if rank == 0:
                (folder / f"{name}.json").write_text(json.dumps(result))
            os._exit(0)
        children.append(child)
    return [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]

for world in (1, 2, 3):
    for work in (tokenizer, velocity, rows, gathering):
        assert not any(run(work, f"{work.__name__}-{world}", world)), (work.__name__, world)
    for objective in ("coupled", "explicit"):
        assert not any(run(velocity, f"{objective}-{world}", world)), (objective, world)
assert not any(run(interrupted, "resumed", 2)) and not any(run(tokenizer, "resumed", 3))
assert not any(run(terminated, "terminated", 2))
assert run(failing, "failing", 3) == [1, 1, 1]
print("done")
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("processes")
    done = subprocess.run([sys.executable, "-c", PROCESSES, folder], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return folder


def result(results, name):
    return json.loads((results / f"{name}.json").read_text())


def assert_close(found, expected):
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == pytest.approx(expected[name], rel=2e-4, abs=1e-6), name


@pytest.mark.parametrize("name", ["tokenizer-2", "tokenizer-3", "resumed"])
def test_a_tokenizer_has_the_same_curve_and_weights_on_any_number_of_processes(results, name):
    """Eight images by three processes, with a discriminator that normalises over the batch, an adaptive weight and
    revived codes; `resumed` was begun by two processes and ended by three."""
    one, several = result(results, "tokenizer-1"), result(results, name)
    assert one["curve"]["step"] == list(range(1, 10))
    assert max(one["curve"]["codes_revived"]) > 8
    assert_close(several["curve"], one["curve"])
    assert_close(several["weights"], one["weights"])


@pytest.mark.parametrize("objective", ["velocity", "coupled", "explicit"])
@pytest.mark.parametrize("world", [2, 3])
def test_a_velocity_model_has_the_same_curve_on_any_number_of_processes(results, objective, world):
    """Optimal transport couples the eight samples of three processes as if they were one's."""
    one, several = result(results, f"{objective}-1")["curve"], result(results, f"{objective}-{world}")["curve"]
    if objective != "velocity":
        assert one["loss"] != result(results, "velocity-1")["curve"]["loss"]
    assert several["loss"] == pytest.approx(one["loss"], rel=1e-5)
    assert several["grad_norm"] == pytest.approx(one["grad_norm"], rel=1e-4)


@pytest.mark.parametrize("world", [1, 2, 3])
def test_uneven_parts_are_gathered_in_order(results, world):
    """Seven rows of three processes: 3, 2 and 2."""
    assert result(results, f"gathering-{world}") == {"whole": [[2.0 * i, 2.0 * i + 1] for i in range(7)]}


@pytest.mark.parametrize("world", [2, 3])
def test_rows_are_the_same_bytes_by_any_number_of_processes(results, world):
    assert result(results, f"rows-{world}") == {"shape": [50, 5]}
    assert (results / f"rows-{world}.npy").read_bytes() == (results / "rows-1.npy").read_bytes()
    assert not list(results.glob(".rows*"))


def test_sigterm_to_one_process_stops_all_after_the_same_step_within_seconds(results):
    """Steps take 0.3 s, and a hundred of them are a point of the curve. Rank 0 saved, though it got no signal."""
    stopped = result(results, "terminated")
    assert 5 <= stopped["step"] <= 12 and stopped["seconds"] < 10
    # SLURM, say, is asked once.
    assert [path.name for path in results.glob("deadline*")] == ["deadline of rank 0"]


def test_when_one_process_fails_all_end_and_keep_what_is_done(results):
    """That they end is asserted on their exit statuses, where they are started. The 13 batches of four were shared as
    five, four and four; the second process has done none of its own."""
    done = np.load(results / "failing.done.npy")
    assert done[20:36].sum() == 0 and (done[:20].all() or done[36:].all())
    rows = np.load(results / "failing.npy")
    assert (rows[done == 1] == 1).all() and (rows[20:36] == 0).all()
    assert not list(results.glob(".*failing*"))
