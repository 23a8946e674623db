"""Trainings that are killed or stopped end as those that were not."""

import json
import subprocess
import sys
import time

import pytest
import torch
from support.toys import some_images, tiny_discriminator, tiny_tokenizer
from support.trainings import ALWAYS, NEVER, Killed, assert_same, fit, killed_at, line, saved, slowly

from steadyflow.ground.artifacts import Unfinished
from steadyflow.train import (
    AdversarialTerm,
    Cadence,
    Revival,
    reconstruction,
)
from steadyflow.train.clock import SAVING_SHARE, Clock

KILLED_TRAINING = """
import hashlib, json, os, random, signal, sys, time
from pathlib import Path
import torch
from steadyflow.ground.artifacts import Unfinished
from steadyflow.models.dit import DiT, Size
from steadyflow.train import Cadence, Execution, Samples, Schedule, flow_matching, train

torch.set_num_threads(1)
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # its imports take seconds: once, not in every child
folder, draw = Path(sys.argv[1]), random.Random(0)

def training(name, cadence, pause):
    torch.manual_seed(0)
    latents, labels = torch.randn(40, 4, 4, 4), torch.arange(40) % 3
    torch.manual_seed(1)
    model = DiT(Size(1, 64, 2), 2, 4, 4, 3)
    samples = Samples(40, (4, 4, 4), lambda rows: latents[rows], labels, 3)
    objective = flow_matching(samples, 5, label_dropout=0.3)

    def slowly(model, batch):
        time.sleep(pause)
        return objective(model, batch)

    trained = train(
        model, slowly, samples.load, samples.size, Schedule(160, 12, 1e-3, 0.9, 5),
        Execution(folder / f"{name}.pt", "id", torch.device("cpu"), cadence),
    )
    weights = hashlib.sha256()
    for key, value in sorted(trained.ema.items()):
        weights.update(key.encode() + value.contiguous().numpy().tobytes())
    curve = trained.curve[["step", "loss", "grad_norm"]].to_dict("list")
    (folder / f"{name}.json").write_text(json.dumps({"weights": weights.hexdigest(), "curve": curve}))

def child(*args):
    pid = os.fork()
    if pid == 0:
        try:
            training(*args)
        except Unfinished:
            os._exit(75)
        os._exit(0)
    return pid

def step_on_disk():
    # Between two renames there is the one before alone.
    for name in ("killed.pt", "killed.previous.pt"):
        if (folder / name).exists():
            try:
                return torch.load(folder / name, weights_only=True)["step"]
            except FileNotFoundError:
                continue
    return 0

assert os.waitpid(child("whole", Cadence(float("inf")), 0.0), 0)[1] == 0
stops = []
for _ in range(20):
    until = step_on_disk() + draw.randint(1, 4)
    pid = child("killed", Cadence(0.0), 0.01)
    while step_on_disk() < until:
        time.sleep(0.02)
    time.sleep(draw.uniform(0, 0.03))
    number = draw.choice([signal.SIGKILL, signal.SIGTERM])
    os.kill(pid, number)
    status = os.waitpid(pid, 0)[1]
    ended = os.WIFSIGNALED(status) if number == signal.SIGKILL else os.waitstatus_to_exitcode(status) == 75
    assert ended, "the training ended before it could be killed"
    stops.append(step_on_disk())
assert os.waitpid(child("killed", Cadence(0.0), 0.0), 0)[1] == 0
print(json.dumps(stops))
"""


def test_a_training_killed_again_and_again_ends_with_the_bits_of_one_never_killed(tmp_path):
    """SIGKILL or SIGTERM at any instant, 20 times, in the midst of a save too; and the result does not depend on how
    often is saved."""
    done = subprocess.run([sys.executable, "-c", KILLED_TRAINING, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stops = json.loads(done.stdout)
    assert len(stops) == 20 and sorted(set(stops)) == stops and stops[-1] < 160
    whole, killed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "killed"))
    assert whole["curve"]["step"] == list(range(1, 161))
    assert killed == whole


def tokenizer_training(path, die_at=None):
    """The whole recipe: the discriminator joins at step 2, codes are revived at steps 3 and 6."""
    discriminator = tiny_discriminator()
    objective = reconstruction(
        0.25, adversarial=AdversarialTerm(discriminator, start=2, weight=0.5), revival=Revival(every=3, seed=0)
    )
    return fit(
        path,
        killed_at(die_at, objective),
        some_images(20),
        model=tiny_tokenizer(),
        adversary=discriminator,
        steps=8,
        clip_norm=0.5,
    )


@pytest.mark.parametrize("step", [1, 5])
def test_a_tokenizer_interrupted_and_resumed_is_the_same_bit_for_bit(tmp_path, step):
    """With both networks and their optimiser, and the counts by which codes are revived."""
    whole = tokenizer_training(tmp_path / "whole")
    with pytest.raises(Killed):
        tokenizer_training(tmp_path / "killed", die_at=step)
    assert saved(tmp_path / "killed")["step"] == step
    assert_same(tokenizer_training(tmp_path / "killed"), whole)
    contest = whole.curve[["adversarial", "discriminator", "adaptive_weight"]].isna().all(axis=1)
    assert contest.tolist() == [True] * 2 + [False] * 6
    assert {"mse", "codebook", "commitment", "codes_used", "codes_revived"} <= set(whole.curve)


def test_the_curve_goes_on_where_it_was_interrupted_inside_an_interval(tmp_path):
    """Of 400 steps every second is logged; a state lies only between two intervals."""
    whole = fit(tmp_path / "whole", steps=400, cadence=NEVER)
    with pytest.raises(Killed):
        fit(tmp_path / "killed", killed_at(201, line), steps=400)
    assert saved(tmp_path / "killed")["step"] == 200
    assert_same(fit(tmp_path / "killed", steps=400, cadence=NEVER), whole)
    assert whole.curve["step"].tolist() == list(range(2, 401, 2))


def test_a_finished_training_started_again_returns_its_result(tmp_path):
    whole = fit(tmp_path)
    assert_same(fit(tmp_path, killed_at(0, line)), whole)


def test_the_result_does_not_depend_on_how_often_it_is_saved(tmp_path):
    assert_same(fit(tmp_path / "often", cadence=ALWAYS), fit(tmp_path / "never", cadence=NEVER))
    assert [path.name for path in (tmp_path / "never").iterdir()] == ["state.json"]


def test_a_training_stops_before_its_deadline_and_goes_on(tmp_path):
    whole = fit(tmp_path / "whole", steps=400, cadence=NEVER)
    soon = time.time() + 0.5
    with pytest.raises(Unfinished, match=r"stopped before its time limit at step \d+ of 400, saved in .*state\.pt"):
        fit(tmp_path / "stopped", slowly, steps=400, cadence=NEVER, deadline=lambda: soon)
    assert time.time() < soon
    assert 0 < saved(tmp_path / "stopped")["step"] < 400
    assert_same(fit(tmp_path / "stopped", steps=400, cadence=NEVER), whole)


@pytest.mark.parametrize(
    ("cadence", "took", "due"),
    [
        (Cadence(seconds=10), 0.0, [10, 20, 30, 40, 50, 60]),
        (Cadence(seconds=10, steps=8), 0.0, [4, 8, 12, 16, 20, 24, 28, 32, 36, 40, 44, 48, 52, 56, 60]),
        (Cadence(seconds=10), 20 * SAVING_SHARE, [10, 31, 52]),
        (Cadence(seconds=10, steps=64), 20 * SAVING_SHARE, [10, 31, 52]),
    ],
)
def test_a_state_is_saved_as_often_as_asked_unless_saving_takes_too_long(monkeypatch, cadence, took, due):
    """A second a tick, two steps a tick; a save takes `took` seconds."""
    now = 0.0
    monkeypatch.setattr("steadyflow.train.clock.time.monotonic", lambda: now)
    clock, saves = Clock(cadence, float("inf"), torch.device("cpu")), []
    while now < 60:
        now += 1
        clock.tick(2 * int(now), 8, 1.0, "fp32")
        if clock.save_is_due():
            saves.append(int(now))
            step, now = 2 * int(now), now + took
            clock.saved(step, took)
    assert saves == due
