import json
import subprocess
import sys

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steadyflow.artifacts import UserError
from steadyflow.flow import CountedVelocity, euler, guide, uniform_grid
from steadyflow.models import VQVAE, Probe, build_velocity
from steadyflow.noise import batch_rows, noise, normal, uniform
from steadyflow.train import Batch, Schedule, classification, flow_matching, reconstruction, train

X = torch.linspace(-1, 1, 32)[:, None]


def line(model, batch):
    return F.mse_loss(model(X[batch.rows]), 3 * X[batch.rows] - 1), {}


def fit(
    path, objective=line, *, steps=40, samples=32, model=None, identity="id", ema=0.9, save_seconds=0.0, **schedule
):
    if model is None:
        torch.manual_seed(0)
        model = nn.Linear(1, 1)
    plan = Schedule(**{"steps": steps, "batch_size": 8, "learning_rate": 0.05, "ema_decay": ema, "seed": 0, **schedule})
    return train(
        model,
        objective,
        samples,
        plan,
        state_path=path / "state.pt",
        identity=identity,
        device=torch.device("cpu"),
        save_seconds=save_seconds,
    )


def saved(path):
    return torch.load(path / "state.pt", weights_only=True)


def assert_same(a, b):
    assert a.ema.keys() == b.ema.keys()
    assert all(torch.equal(a.ema[name], b.ema[name]) for name in a.ema)
    pd.testing.assert_frame_equal(
        a.curve.drop(columns="images_per_second"), b.curve.drop(columns="images_per_second"), check_exact=True
    )


class Killed(BaseException):
    pass


def killed_at(step, objective):
    def dying(model, batch):
        if batch.step == step:
            raise Killed
        return objective(model, batch)

    return dying


KILLED_TRAINING = """
import hashlib, json, os, random, signal, sys, time
from pathlib import Path
import torch
from steadyflow.models.dit import DiT, Size
from steadyflow.train import Schedule, flow_matching, train

torch.set_num_threads(1)
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # its imports take seconds: once, not in every child
folder, kills, draw = Path(sys.argv[1]), [4, 10, 16, 22], random.Random(0)

def training(name, save_seconds, pause):
    torch.manual_seed(0)
    latents, labels = torch.randn(40, 4, 4, 4), torch.arange(40) % 3
    torch.manual_seed(1)
    model = DiT(Size(2, 64, 2), 2, 4, 4, 3)
    objective = flow_matching(lambda rows: latents[rows], 5, labels, no_label=3, label_dropout=0.3)

    def slowly(model, batch):
        time.sleep(pause)
        return objective(model, batch)

    trained = train(
        model, slowly, 40, Schedule(60, 12, 1e-3, 0.9, 5), state_path=folder / f"{name}.pt", identity="id",
        device=torch.device("cpu"), save_seconds=save_seconds,
    )
    weights = hashlib.sha256()
    for key, value in sorted(trained.ema.items()):
        weights.update(key.encode() + value.contiguous().numpy().tobytes())
    curve = trained.curve[["step", "loss", "grad_norm"]].to_dict("list")
    (folder / f"{name}.json").write_text(json.dumps({"weights": weights.hexdigest(), "curve": curve}))

def child(*args):
    pid = os.fork()
    if pid == 0:
        training(*args)
        os._exit(0)
    return pid

def step_on_disk():
    state = folder / "killed.pt"
    return torch.load(state, weights_only=True, mmap=True)["step"] if state.exists() else 0

assert os.waitpid(child("whole", float("inf"), 0.0), 0)[1] == 0
stops = []
for kill in kills:
    pid = child("killed", 0.0, 0.01)
    while step_on_disk() < kill:
        time.sleep(0.005)
    time.sleep(draw.uniform(0, 0.05))
    os.kill(pid, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(pid, 0)[1]), "the training ended before it could be killed"
    stops.append(step_on_disk())
assert os.waitpid(child("killed", 0.0, 0.0), 0)[1] == 0
print(json.dumps(stops))
"""


def test_a_training_killed_again_and_again_ends_with_the_bits_of_one_never_killed(tmp_path):
    """SIGKILL at any instant, in the midst of a save too; and the result does not depend on how often is saved."""
    done = subprocess.run([sys.executable, "-c", KILLED_TRAINING, tmp_path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    stops = json.loads(done.stdout)
    assert len(stops) == 4 and sorted(set(stops)) == stops and stops[-1] < 60
    whole, killed = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("whole", "killed"))
    assert whole["curve"]["step"] == list(range(1, 61))
    assert killed == whole


def tokenizer_training(path, die_at=None):
    torch.manual_seed(0)
    model = VQVAE(image_channels=1, width=8, multipliers=(1, 2), blocks=1, codebook_size=8, latent_channels=2)
    images = torch.rand(20, 1, 8, 8) * 2 - 1
    objective = killed_at(die_at, reconstruction(lambda rows: images[rows], 0.25))
    return fit(path, objective, model=model, samples=20, steps=6, clip_norm=0.5)


def test_a_tokenizer_interrupted_and_resumed_is_the_same_bit_for_bit(tmp_path):
    whole = tokenizer_training(tmp_path / "whole")
    with pytest.raises(Killed):
        tokenizer_training(tmp_path / "killed", die_at=3)
    assert saved(tmp_path / "killed")["step"] == 3
    assert_same(tokenizer_training(tmp_path / "killed"), whole)
    assert {"mse", "codebook", "commitment", "codes_used"} <= set(whole.curve)


def test_the_curve_goes_on_where_it_was_interrupted_inside_an_interval(tmp_path):
    """Of 400 steps every second is logged; a state lies only between two intervals."""
    whole = fit(tmp_path / "whole", steps=400, save_seconds=1e9)
    with pytest.raises(Killed):
        fit(tmp_path / "killed", killed_at(201, line), steps=400)
    assert saved(tmp_path / "killed")["step"] == 200
    assert_same(fit(tmp_path / "killed", steps=400, save_seconds=1e9), whole)
    assert whole.curve["step"].tolist() == list(range(2, 401, 2))


def test_a_finished_training_started_again_returns_its_result(tmp_path):
    whole = fit(tmp_path)
    assert_same(fit(tmp_path, killed_at(0, line)), whole)


def test_the_result_does_not_depend_on_how_often_it_is_saved(tmp_path):
    assert_same(fit(tmp_path / "often", save_seconds=0.0), fit(tmp_path / "never", save_seconds=1e9))
    assert not (tmp_path / "never").exists()


def test_the_state_of_another_training_is_refused_and_left_alone(tmp_path):
    fit(tmp_path, identity="mine")
    before = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(UserError, match=r"state\.pt: state of another training \(identity mine, expected yours\)"):
        fit(tmp_path, identity="yours")
    assert (tmp_path / "state.pt").read_bytes() == before


@pytest.mark.parametrize("damage", ["truncated", "text", "empty", "other content", "pickle"])
def test_a_damaged_state_is_refused_by_name(tmp_path, damage):
    fit(tmp_path)
    path = tmp_path / "state.pt"
    if damage == "other content":
        torch.save([1, 2], path)
    elif damage == "pickle":
        torch.save({"identity": "id", "model": pytest.approx(1)}, path)
    else:
        content = path.read_bytes()
        path.write_bytes({"truncated": content[: len(content) // 2], "text": b"hello", "empty": b""}[damage])
    with pytest.raises(UserError, match=r"(?s)state\.pt: unreadable training state; delete it to start anew"):
        fit(tmp_path)


def spoiled_at(step, spoil):
    def objective(model, batch):
        loss, followed = line(model, batch)
        return (spoil(model, loss) if batch.step == step else loss), followed

    return objective


SPOILERS = {
    "loss": lambda model, loss: loss * float("nan"),
    # The square root at zero: a finite value with an infinite slope.
    "gradient": lambda model, loss: loss + (model.weight - model.weight.detach()).abs().sqrt().sum(),
}


@pytest.mark.parametrize("what", SPOILERS)
@pytest.mark.parametrize("step", [6, 7])
def test_what_is_not_finite_is_named_by_its_step_and_never_saved(tmp_path, what, step):
    """Every second step of 400 is logged and saved."""
    with pytest.raises(UserError, match=rf"the {what} is not finite at step {step}; the last good state is kept in"):
        fit(tmp_path, spoiled_at(step, SPOILERS[what]), steps=400)
    state = saved(tmp_path)
    assert state["step"] == step // 2 * 2
    assert all(tensor.isfinite().all() for part in ("model", "ema") for tensor in state[part].values())


def test_a_loss_not_finite_before_any_save_says_so(tmp_path):
    with pytest.raises(UserError, match="not finite at step 0; no state was saved before it"):
        fit(tmp_path, spoiled_at(0, SPOILERS["loss"]))
    assert not (tmp_path / "state.pt").exists()


def test_a_gradient_not_finite_in_the_last_step_is_no_result(tmp_path):
    with pytest.raises(UserError, match="not finite"):
        fit(tmp_path, spoiled_at(39, SPOILERS["gradient"]))


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.9])
def test_the_averaged_weights_follow_their_recursion(tmp_path, decay):
    seen = []

    def watched(model, batch):
        seen.append(model.weight.item())
        return line(model, batch)

    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    trained = fit(tmp_path, watched, model=model, ema=decay)
    average = seen[0]
    for weight in [*seen[1:], model.weight.item()]:
        average = decay * average + (1 - decay) * weight
    assert trained.ema["weight"].item() == pytest.approx(average, rel=1e-5)


def test_the_optimiser_is_adam_without_decay_on_the_clipped_gradient(tmp_path):
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    w, m, v = torch.cat([model.weight.detach()[0], model.bias.detach()]).double(), 0.0, 0.0
    x = X.double()[:, 0]
    for step in range(5):
        rows = batch_rows(32, 8, 0, step)
        error = w[0] * x[rows] + w[1] - (3 * x[rows] - 1)
        gradient = torch.stack([(2 * error * x[rows]).mean(), (2 * error).mean()])
        gradient = gradient * min(1, 0.3 / gradient.norm())
        m, v = 0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient**2
        w = w - 0.05 * (m / (1 - 0.9 ** (step + 1))) / ((v / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8)
    fit(tmp_path, model=model, steps=5, clip_norm=0.3)
    assert [model.weight.item(), model.bias.item()] == pytest.approx(w.tolist(), rel=1e-4)


def test_a_line_is_learned(tmp_path):
    trained = fit(tmp_path, steps=400, save_seconds=1e9)
    assert trained.curve["loss"].iloc[-1] < 1e-3 < trained.curve["loss"].iloc[0]
    assert trained.ema["weight"].item() == pytest.approx(3, abs=0.05)
    assert (trained.curve["images_per_second"] > 0).all()


def test_frozen_weights_stay_and_are_part_of_the_result(tmp_path):
    torch.manual_seed(0)
    model = nn.Linear(1, 1)
    model.bias.requires_grad_(False)
    bias = model.bias.clone()
    trained = fit(tmp_path, model=model)
    assert torch.equal(trained.ema["bias"], bias)


class Recorder(nn.Module):
    """A velocity of ones that keeps what it was given."""

    def forward(self, x, t, y):
        self.x, self.t, self.y = x, t, y
        return torch.ones_like(x)


def test_flow_matching_is_the_squared_distance_to_the_velocity_at_keyed_points():
    latents, model, rows = torch.randn(9, 2, 3, 3), Recorder(), torch.tensor([5, 0, 8])
    batch = Batch(7, rows, torch.arange(3))
    loss, _ = flow_matching(lambda rows: latents[rows], 4)(model, batch)
    x0, t = normal(4, "training noise", range(3), (2, 3, 3), step=7), uniform(4, "training time", range(3), step=7)
    s = t[:, None, None, None]
    assert torch.allclose(model.x, (1 - s) * x0 + s * latents[rows]) and torch.equal(model.t, t) and model.y is None
    assert loss.item() == pytest.approx((1 - (latents[rows] - x0)).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.999999])
def test_labels_are_hidden_as_often_as_asked(dropout):
    labels, model = torch.arange(10), Recorder()
    rows = torch.arange(4000) % 10
    objective = flow_matching(
        lambda rows: torch.zeros(len(rows), 1, 1, 1), 0, labels, no_label=10, label_dropout=dropout
    )
    objective(model, Batch(3, rows, torch.arange(4000)))
    hidden = model.y == 10
    assert torch.equal(model.y[~hidden], rows[~hidden])
    assert hidden.float().mean().item() == pytest.approx(dropout, abs=0.03)
    assert labels.tolist() == list(range(10))


def test_the_tokenizers_loss_is_the_sum_of_its_terms():
    torch.manual_seed(0)
    model = VQVAE(image_channels=1, width=8, multipliers=(1, 2), blocks=1, codebook_size=8, latent_channels=2)
    images = torch.rand(4, 1, 8, 8)
    loss, followed = reconstruction(lambda rows: images[rows], 0.25)(model, Batch(0, torch.arange(4), torch.arange(4)))
    z, codes = model.encoder(images), model.codebook.embedding.weight
    nearest = torch.cdist(z.movedim(1, -1).reshape(-1, 2), codes).argmin(1)
    distance = (codes[nearest].view(4, 4, 4, 2).movedim(-1, 1) - z).square().mean().item()
    mse = (model.decode(model.encode(images)) - images).square().mean().item()
    assert followed["mse"].item() == pytest.approx(mse, rel=1e-4)
    assert followed["commitment"].item() == pytest.approx(0.25 * distance, rel=1e-4)
    assert loss.item() == pytest.approx(mse + 1.25 * distance, rel=1e-4)
    assert followed["codes_used"] == len(nearest.unique())


def test_unknown_attributes_do_not_count_in_the_probes_loss():
    torch.manual_seed(0)
    probe = Probe(image_channels=1, width=8, feature_dim=6, targets={"a": 3, "b": 2})
    images = torch.randn(4, 1, 8, 8)
    codes = {"a": torch.tensor([0, -1, 2, 1]), "b": torch.tensor([-1, -1, 1, 0])}
    loss, accuracy = classification(lambda rows: images[rows], codes)(probe, Batch(0, torch.arange(4), torch.arange(4)))
    logits = probe.classify(probe(images))
    expected, right = 0.0, {}
    for name, values in codes.items():
        known = values >= 0
        log_p = logits[name].log_softmax(1)[known, values[known]]
        expected += -log_p.mean().item()
        right[name] = (logits[name].argmax(1) == values)[known].float().mean().item()
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    assert {name: accuracy[f"accuracy_{name}"].item() for name in codes} == pytest.approx(right)


@torch.no_grad()
def test_a_sample_does_not_depend_on_the_batch_it_is_drawn_in():
    torch.manual_seed(0)
    model = build_velocity("DiT-T/2", 4, 4, 3).eval()
    for parameter in model.parameters():
        parameter += 0.05 * torch.randn_like(parameter)
    drawn, starts = {}, {}
    for size in (1, 7, 64):
        parts, noises = [], []
        for start in range(0, 21, size):
            indices = torch.arange(start, min(start + size, 21))
            noises.append(noise(0, indices, (4, 4, 4)))
            velocity = guide(CountedVelocity(model), indices % 3, 1.5, no_label=3)
            parts.append(euler(velocity, noises[-1], uniform_grid(3)))
        drawn[size], starts[size] = torch.cat(parts), torch.cat(noises)
    for size in (1, 7):
        assert torch.equal(starts[size], starts[64])
        assert torch.allclose(drawn[size], drawn[64], atol=1e-4)
    assert (drawn[64] - starts[64]).abs().mean() > 0.01
