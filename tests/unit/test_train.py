import json
import subprocess
import sys
import time

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from steadyflow.artifacts import Unfinished, UserError
from steadyflow.flow import SIGNALS, CountedVelocity, euler, guide, ot, uniform_grid
from steadyflow.models import VQVAE, PatchDiscriminator, Probe, build_velocity
from steadyflow.noise import batch_rows, noise, normal, uniform
from steadyflow.train import (
    AdversarialTerm,
    Batch,
    PerceptualTerm,
    Revival,
    Schedule,
    classification,
    denoising,
    explicit_flow_matching,
    flow_matching,
    losses_over_time,
    reconstruction,
    train,
)
from steadyflow.train.clock import SPARE_SECONDS

X = torch.linspace(-1, 1, 32)[:, None]


def line(model, batch):
    return F.mse_loss(model(batch.x), 3 * batch.x - 1), {}


def batch_of(x, step=0, rows=None):
    """A whole global batch."""
    rows = torch.arange(len(x)) if rows is None else rows
    return Batch(step, rows, torch.arange(len(rows)), x[rows], len(rows))


def fit(
    path,
    objective=line,
    data=X,
    *,
    adversary=None,
    watch=None,
    micro_batch=None,
    deadline=float("inf"),
    steps=40,
    model=None,
    identity="id",
    ema=0.9,
    save_seconds=0.0,
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
        state_path=path / "state.pt",
        identity=identity,
        device=torch.device("cpu"),
        adversary=adversary,
        watch=watch,
        micro_batch=micro_batch,
        deadline=deadline,
        save_seconds=save_seconds,
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


KILLED_TRAINING = """
import hashlib, json, os, random, signal, sys, time
from pathlib import Path
import torch
from steadyflow.artifacts import Unfinished
from steadyflow.models.dit import DiT, Size
from steadyflow.train import Schedule, flow_matching, train

torch.set_num_threads(1)
torch.optim.AdamW([torch.zeros(1, requires_grad=True)])  # its imports take seconds: once, not in every child
folder, draw = Path(sys.argv[1]), random.Random(0)

def training(name, save_seconds, pause):
    torch.manual_seed(0)
    latents, labels = torch.randn(40, 4, 4, 4), torch.arange(40) % 3
    torch.manual_seed(1)
    model = DiT(Size(2, 64, 2), 2, 4, 4, 3)
    objective = flow_matching(5, labels, no_label=3, label_dropout=0.3)

    def slowly(model, batch):
        time.sleep(pause)
        return objective(model, batch)

    trained = train(
        model, slowly, lambda rows: latents[rows], 40, Schedule(160, 12, 1e-3, 0.9, 5), identity="id",
        state_path=folder / f"{name}.pt", device=torch.device("cpu"), save_seconds=save_seconds,
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
    state = folder / "killed.pt"
    return torch.load(state, weights_only=True, mmap=True)["step"] if state.exists() else 0

assert os.waitpid(child("whole", float("inf"), 0.0), 0)[1] == 0
stops = []
for _ in range(20):
    until = step_on_disk() + draw.randint(1, 4)
    pid = child("killed", 0.0, 0.01)
    while step_on_disk() < until:
        time.sleep(0.005)
    time.sleep(draw.uniform(0, 0.03))
    number = draw.choice([signal.SIGKILL, signal.SIGTERM])
    os.kill(pid, number)
    status = os.waitpid(pid, 0)[1]
    ended = os.WIFSIGNALED(status) if number == signal.SIGKILL else os.waitstatus_to_exitcode(status) == 75
    assert ended, "the training ended before it could be killed"
    stops.append(step_on_disk())
assert os.waitpid(child("killed", 0.0, 0.0), 0)[1] == 0
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


def tiny_tokenizer(**more):
    torch.manual_seed(0)
    sizes = {"image_channels": 1, "width": 8, "multipliers": (1, 2), "blocks": 1, "codebook_size": 8}
    return VQVAE(**{**sizes, "latent_channels": 2, **more})


def tiny_discriminator():
    torch.manual_seed(1)
    return PatchDiscriminator(image_channels=1, width=4, layers=2)


def some_images(n):
    return torch.randint(0, 256, (n, 16, 16, 1), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


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


def test_a_training_stops_before_its_deadline_and_goes_on(tmp_path):
    whole = fit(tmp_path / "whole", steps=400, save_seconds=1e9)
    soon = time.time() + SPARE_SECONDS + 0.3
    with pytest.raises(Unfinished, match=r"stopped at step \d+ of 400, saved in .*state\.pt"):
        fit(tmp_path / "stopped", slowly, steps=400, save_seconds=1e9, deadline=soon)
    assert time.time() < soon
    assert 0 < saved(tmp_path / "stopped")["step"] < 400
    assert_same(fit(tmp_path / "stopped", steps=400, save_seconds=1e9), whole)


def slowly(model, batch):
    time.sleep(0.01)
    return line(model, batch)


@pytest.mark.parametrize("most", [1, 3, 8, 100])
def test_a_batch_taken_in_pieces_has_the_same_gradient(tmp_path, most):
    whole, pieces = fit(tmp_path / "whole"), fit(tmp_path / "pieces", micro_batch=most)
    assert pieces.curve["loss"].tolist() == pytest.approx(whole.curve["loss"].tolist(), rel=1e-4)
    assert pieces.curve["grad_norm"].tolist() == pytest.approx(whole.curve["grad_norm"].tolist(), rel=1e-4)
    assert pieces.ema["weight"].item() == pytest.approx(whole.ema["weight"].item(), rel=1e-4)


def test_the_averaged_model_is_watched_ten_times(tmp_path):
    seen = []

    def watch(model):
        assert not model.training
        seen.append(model.weight.item())
        return {"weight": model.weight.item()}

    trained = fit(tmp_path, steps=400, watch=watch, save_seconds=1e9)
    watched = trained.curve.dropna(subset="weight")
    assert watched["step"].tolist() == list(range(40, 401, 40))
    assert watched["weight"].tolist() == seen
    assert seen[-1] == trained.ema["weight"].item()


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
    assert all(tensor.isfinite().all() for part in (*state["networks"], state["ema"]) for tensor in part.values())


def test_a_loss_not_finite_before_any_save_says_so(tmp_path):
    with pytest.raises(UserError, match="not finite at step 0; no state was saved before it"):
        fit(tmp_path, spoiled_at(0, SPOILERS["loss"]))
    assert not (tmp_path / "state.pt").exists()


def test_a_spoiled_adversary_is_never_saved(tmp_path):
    """Its gradient alone is not finite, at the end of an interval."""
    adversary = nn.Linear(1, 1)

    def objective(model, batch):
        loss, followed = line(model, batch)
        against = adversary(batch.x).square().mean()
        if batch.step == 7:
            against = against + (adversary.weight - adversary.weight.detach()).abs().sqrt().sum()
        return loss + against, followed

    with pytest.raises(UserError, match="the gradient is not finite at step 7"):
        fit(tmp_path, objective, adversary=adversary, steps=400)
    state = saved(tmp_path)
    assert state["step"] == 6 and all(tensor.isfinite().all() for tensor in state["networks"][1].values())


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
    loss, _ = flow_matching(4)(model, batch_of(latents, 7, rows))
    x0, t = normal(4, "training noise", range(3), (2, 3, 3), step=7), uniform(4, "training time", range(3), step=7)
    s = t[:, None, None, None]
    assert torch.allclose(model.x, (1 - s) * x0 + s * latents[rows]) and torch.equal(model.t, t) and model.y is None
    assert loss.item() == pytest.approx((1 - (latents[rows] - x0)).square().mean().item(), rel=1e-5)


def test_the_loss_in_bins_of_time_is_that_of_eq_1_at_keyed_points():
    x1, model = torch.randn(6, 2, 3, 3), Recorder()
    found = losses_over_time(x1, None, 4, bins=5)(model)
    assert list(found) == ["val_loss_0", "val_loss_0.2", "val_loss_0.4", "val_loss_0.6", "val_loss_0.8"]
    x0 = normal(4, "validation noise", range(6), (2, 3, 3), step=4)
    assert found["val_loss_0.8"] == pytest.approx((1 - (x1 - x0)).square().mean().item(), rel=1e-5)
    t = 0.8 + uniform(4, "validation time", range(6), step=4) / 5
    assert torch.allclose(model.t, t) and (t >= 0.8).all() and (t <= 1).all()
    assert torch.allclose(model.x, (1 - t)[:, None, None, None] * x0 + t[:, None, None, None] * x1)


@pytest.mark.parametrize("dropout", [0.0, 0.3, 0.999999])
def test_labels_are_hidden_as_often_as_asked(dropout):
    labels, model = torch.arange(10), Recorder()
    rows = torch.arange(4000) % 10
    objective = flow_matching(0, labels, no_label=10, label_dropout=dropout)
    objective(model, batch_of(torch.zeros(10, 1, 1, 1), 3, rows))
    hidden = model.y == 10
    assert torch.equal(model.y[~hidden], rows[~hidden])
    assert hidden.float().mean().item() == pytest.approx(dropout, abs=0.03)
    assert labels.tolist() == list(range(10))


def keyed(step, latents):
    """Noise and times of a whole batch of latents under seed 4."""
    n = len(latents)
    x0 = normal(4, "training noise", range(n), latents.shape[1:], step=step)
    return x0, uniform(4, "training time", range(n), step=step)


def test_a_coupling_permutes_the_noise_of_the_batch():
    latents, model = torch.randn(9, 2, 3, 3), Recorder()
    loss, _ = flow_matching(4, couple=ot)(model, batch_of(latents, 7))
    x0, t = keyed(7, latents)
    coupled, s = ot(x0, latents), t[:, None, None, None]
    assert not torch.equal(coupled, x0)
    assert torch.allclose(model.x, (1 - s) * coupled + s * latents)
    assert loss.item() == pytest.approx((1 - (latents - coupled)).square().mean().item(), rel=1e-5)


@pytest.mark.parametrize("conditional", [False, True])
def test_explicit_flow_matching_looks_at_the_samples_that_come_next(conditional):
    """Step 2 of batches of 6 among 17 samples, with 10 candidates: positions 12..21 of the data order, over the end of
    the first epoch. Labelled rows see candidates of their label, rows without see all."""
    latents, labels, model = 0.3 * torch.randn(17, 2, 2, 2), torch.arange(17) % 2, Recorder()
    rows = batch_rows(17, 6, 4, 2)
    candidates = torch.cat([rows, batch_rows(17, 6, 4, 3)])[:10]
    more = {"no_label": 2, "label_dropout": 0.5} if conditional else {}
    objective = explicit_flow_matching(
        4, labels if conditional else None, latents=lambda rows: latents[rows], samples=17, candidates=10, **more
    )
    loss, _ = objective(model, batch_of(latents, 2, rows))
    x0, t = keyed(2, latents[rows])
    wanted = []
    for i, row in enumerate(rows):
        s = t[i].double()
        x = (1 - s) * x0[i] + s * latents[row]
        assert torch.allclose(model.x[i], x.float(), atol=1e-6)
        seen = candidates
        if conditional and model.y[i] < 2:
            assert model.y[i] == labels[row]
            seen = candidates[labels[candidates] == labels[row]]
        data = latents[seen].double()
        weights = (-(x - s * data).square().sum((1, 2, 3)) / (2 * (1 - s) ** 2)).softmax(0)
        wanted.append((weights[:, None, None, None] * (data - x)).sum(0) / (1 - s))
    if conditional:
        assert set(model.y.tolist()) == {0, 1, 2}
    assert loss.item() == pytest.approx((1 - torch.stack(wanted)).square().mean().item(), rel=1e-5)


def test_denoising_is_the_squared_distance_to_the_noise_at_whole_times():
    latents, model, signal = torch.randn(9, 2, 3, 3), Recorder(), SIGNALS["cosine"](200)
    loss, _ = denoising(4, signal=signal)(model, batch_of(latents, 7))
    eps, t = keyed(7, latents)
    k = (200 * t).floor().long()
    assert torch.equal(model.t, k / 200) and len(k.unique()) > 3
    kept = signal[k].float()[:, None, None, None]
    assert torch.allclose(model.x, kept.sqrt() * latents + (1 - kept).sqrt() * eps, atol=1e-6)
    assert loss.item() == pytest.approx((1 - eps).square().mean().item(), rel=1e-5)


def test_every_whole_time_is_trained_about_equally_often():
    model = Recorder()
    denoising(4, signal=SIGNALS["linear"](50))(model, batch_of(torch.zeros(20000, 1, 1, 1)))
    counts = (50 * model.t).round().long().bincount()
    assert len(counts) == 50 and (counts - 400).abs().max() < 100


def test_the_tokenizers_loss_is_the_sum_of_its_terms():
    model, images = tiny_tokenizer(), some_images(4)
    nearness = PerceptualTerm(lambda a, b: (a - b).abs().mean(dim=(1, 2, 3)), 0.3)
    loss, followed = reconstruction(0.25, perceptual=nearness)(model, batch_of(images))
    x = images.movedim(-1, 1) / 127.5 - 1
    z, codes = model.encoder(x), model.codebook.embedding.weight
    nearest = torch.cdist(z.movedim(1, -1).reshape(-1, 2), codes).argmin(1)
    distance = (codes[nearest].view(4, 8, 8, 2).movedim(-1, 1) - z).square().mean().item()
    error = model.decode(model.encode(x)) - x
    assert followed["mse"].item() == pytest.approx(error.square().mean().item(), rel=1e-4)
    assert followed["perceptual"].item() == pytest.approx(0.3 * error.abs().mean().item(), rel=1e-4)
    assert followed["commitment"].item() == pytest.approx(0.25 * distance, rel=1e-4)
    assert loss.item() == pytest.approx(
        followed["mse"].item() + followed["perceptual"].item() + 1.25 * distance, rel=1e-4
    )
    assert followed["codes_used"] == len(nearest.unique())


def gradients(network):
    return {name: parameter.grad.clone() for name, parameter in network.named_parameters()}


def test_one_backward_pass_gives_each_player_the_gradient_of_its_own_loss():
    """Against taming's two losses, each written out and differentiated on its own."""
    images, start = some_images(4), 3
    x = images.movedim(-1, 1) / 127.5 - 1
    model, discriminator = tiny_tokenizer(), tiny_discriminator()
    objective = reconstruction(0.25, adversarial=AdversarialTerm(discriminator, start, weight=0.5))
    objective(model, batch_of(images, start))[0].backward()
    found = gradients(model), gradients(discriminator)

    model, discriminator = tiny_tokenizer(), tiny_discriminator()
    quantised = model.codebook(model.encoder(x))
    copy = model.decode(quantised.latents)
    mse, fooling = F.mse_loss(copy, x), -discriminator(copy).mean()
    size = [torch.autograd.grad(loss, model.decoder[-1].weight, retain_graph=True)[0].norm() for loss in (mse, fooling)]
    assert size[1] > 1e-3
    generator = mse + quantised.codebook_loss + 0.25 * quantised.commitment_loss + 0.5 * size[0] / size[1] * fooling
    discriminator.requires_grad_(False)
    generator.backward()
    discriminator.requires_grad_(True)
    real, fake = discriminator(x), discriminator(copy.detach())
    (0.5 * ((1 - real).clamp(min=0).mean() + (1 + fake).clamp(min=0).mean())).backward()
    for expected, got in zip((gradients(model), gradients(discriminator)), found, strict=True):
        assert expected.keys() == got.keys()
        for name, gradient in expected.items():
            assert torch.allclose(got[name], gradient, rtol=1e-4, atol=1e-6), name


class Scaled(nn.Module):
    """A discriminator whose logit is the mean of the image, times `scale`."""

    def __init__(self, scale):
        super().__init__()
        self.scale = scale

    def forward(self, images):
        return self.scale * images.mean(dim=(1, 2, 3))


@pytest.mark.parametrize("scale", [10.0, 1e-6])
@pytest.mark.parametrize("error", [1.0, 1e3])
def test_the_adaptive_weight_is_bounded_where_the_discriminator_is_flat(scale, error):
    """The norm below is at least 1e-3, the weight at most 1e4."""
    model, images = tiny_tokenizer(), some_images(4)
    x = images.movedim(-1, 1) / 127.5 - 1
    large = PerceptualTerm(lambda a, b: (a - b).square().mean(dim=(1, 2, 3)), error)
    objective = reconstruction(0.25, perceptual=large, adversarial=AdversarialTerm(Scaled(scale), 0, 0.5))
    _, followed = objective(model, batch_of(images))
    copy = model.decode(model.encode(x))
    losses = (1 + error) * F.mse_loss(copy, x), scale * copy.mean()
    above, below = (torch.autograd.grad(loss, model.last_layer, retain_graph=True)[0].norm().item() for loss in losses)
    assert (below < 1e-3) == (scale < 1)
    expected = min(above / max(below, 1e-3), 1e4)
    assert (expected == 1e4) == (scale < 1 and error > 1)
    assert followed["adaptive_weight"].item() == pytest.approx(expected, rel=1e-4)


def test_codes_that_nothing_uses_become_encodings():
    model = tiny_tokenizer(codebook_size=16)
    with torch.no_grad():
        model.codebook.embedding.weight[4:] += 100  # out of reach
    objective = reconstruction(0.25, revival=Revival(every=2, seed=0))
    used, before = [], None
    for step in range(4):
        if step == 2:
            before = model.codebook.embedding.weight.detach().clone()
            unused = model.codebook.uses == 0
        _, followed = objective(model, batch_of(some_images(6), step))
        used.append(int(followed["codes_used"]))
    z = model.encoder(some_images(6).movedim(-1, 1) / 127.5 - 1).detach().movedim(1, -1).reshape(-1, 2)
    after = model.codebook.embedding.weight.detach()
    assert unused.sum() >= 12 and torch.equal(after[~unused], before[~unused])
    assert torch.cdist(after[unused], z).min(dim=1).values.max() < 1e-5
    assert len(after[unused].unique(dim=0)) == unused.sum()
    assert max(used[:2]) <= 4 < min(used[2:])
    assert model.codebook.uses.sum() == 2 * 6 * 64  # counted anew since step 2


def test_bfloat16_is_used_inside_the_networks_alone(tmp_path):
    seen = []
    discriminator = tiny_discriminator()
    terms = {"adversarial": AdversarialTerm(discriminator, 0, 0.5)}

    def watched(model, batch):
        loss, followed = reconstruction(0.25, **terms)(model, batch)
        assert {value.dtype for value in followed.values()} == {torch.float32}
        seen.append((model.encoder(batch.x.movedim(-1, 1) / 127.5 - 1).dtype, loss.dtype, followed["codebook"].dtype))
        return loss, followed

    exact = fit(tmp_path / "fp32", watched, some_images(20), model=tiny_tokenizer(), steps=6, learning_rate=1e-3)
    short = fit(
        tmp_path / "bf16",
        watched,
        some_images(20),
        model=tiny_tokenizer(),
        steps=6,
        learning_rate=1e-3,
        precision="bf16",
    )
    assert seen[0] == (torch.float32,) * 3 and seen[-1] == (torch.bfloat16, torch.float32, torch.float32)
    assert all(weight.dtype in (torch.float32, torch.int64) for weight in short.ema.values())
    assert short.curve["loss"].tolist() == pytest.approx(exact.curve["loss"].tolist(), rel=0.02)
    assert short.curve["loss"].tolist() != exact.curve["loss"].tolist()


def test_unknown_attributes_do_not_count_in_the_probes_loss():
    torch.manual_seed(0)
    probe = Probe(image_channels=1, width=8, feature_dim=6, targets={"a": 3, "b": 2})
    images = some_images(4)
    codes = {"a": torch.tensor([0, -1, 2, 1]), "b": torch.tensor([-1, -1, 1, 0])}
    loss, accuracy = classification(codes)(probe, batch_of(images))
    logits = probe.classify(probe(images.movedim(-1, 1) / 127.5 - 1))
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
