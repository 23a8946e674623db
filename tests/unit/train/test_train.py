"""What a training computes."""

import pytest
import torch
from support.toys import some_images, tiny_discriminator, tiny_tokenizer
from support.trainings import NEVER, X, fit, line
from torch import nn

from steadyflow.ground.noise import batch_rows
from steadyflow.train import (
    AdversarialTerm,
    reconstruction,
)


@pytest.mark.parametrize("most", [1, 3, 8, 100])
def test_a_batch_taken_in_pieces_has_the_same_gradient(tmp_path, most):
    whole, pieces = fit(tmp_path / "whole"), fit(tmp_path / "pieces", micro_batch=most)
    assert pieces.curve["loss"].tolist() == pytest.approx(whole.curve["loss"].tolist(), rel=1e-4)
    assert pieces.curve["grad_norm"].tolist() == pytest.approx(whole.curve["grad_norm"].tolist(), rel=1e-4)
    assert pieces.ema["weight"].item() == pytest.approx(whole.ema["weight"].item(), rel=1e-4)


def test_the_averaged_model_is_validated_ten_times(tmp_path):
    seen = []

    def validation(model):
        assert not model.training
        seen.append(model.weight.item())
        return {"weight": model.weight.item()}

    trained = fit(tmp_path, steps=400, validation=validation, cadence=NEVER)
    validated = trained.curve.dropna(subset="weight")
    assert validated["step"].tolist() == list(range(40, 401, 40))
    assert validated["weight"].tolist() == seen
    assert seen[-1] == trained.ema["weight"].item()


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
    trained = fit(tmp_path, steps=400, cadence=NEVER)
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
    # The adaptive weight is a ratio of small gradients: rounding shows in it, by 3% on some CPUs.
    assert short.curve["loss"].tolist() == pytest.approx(exact.curve["loss"].tolist(), rel=0.05)
    assert short.curve["loss"].tolist() != exact.curve["loss"].tolist()
