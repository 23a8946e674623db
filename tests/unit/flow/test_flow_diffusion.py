"""Against diffusers, whose `leading` spacing visits the same times when the steps divide the timesteps."""

import pytest
import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import nn

from steadyflow.flow import ALPHAS_CUMPROD, CountedVelocity, ancestral, ddim, diffuse
from steadyflow.flow.diffusion import stride
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.noise import normal

SETTINGS = {"linear": ("linear", 1e-4, 0.02), "cosine": ("squaredcos_cap_v2", 1e-4, 0.02)}
SHAPE = (4, 2, 2)


def scheduler(kind, schedule, **more):
    name, start, end = SETTINGS[schedule]
    common = {"beta_schedule": name, "beta_start": start, "beta_end": end, "timestep_spacing": "leading"}
    return kind(num_train_timesteps=1000, clip_sample=False, **common, **more)


def in_float64(reference, schedule):
    """Steps are compared in float64: in fp32 theirs alone differ by 1e-5 after some hundreds."""
    reference.alphas_cumprod = ALPHAS_CUMPROD[schedule](1000)
    return reference


def start(n=5, seed=0):
    return torch.randn(n, *SHAPE, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


class Denoiser(nn.Module):
    """The best prediction for data ~ N(1, 0.25) at every entry, k/T coming in."""

    def __init__(self, schedule):
        super().__init__()
        self.alphas_cumprod = ALPHAS_CUMPROD[schedule](1000)

    def forward(self, x, t, y=None):
        alphas_cumprod = self.alphas_cumprod[(t.double() * 1000).round().long()].to(x).view(-1, 1, 1, 1)
        return (1 - alphas_cumprod).sqrt() * (x - alphas_cumprod.sqrt()) / (0.25 * alphas_cumprod + 1 - alphas_cumprod)


@pytest.mark.parametrize("schedule", ALPHAS_CUMPROD)
def test_noising_is_that_of_diffusers(schedule):
    reference = scheduler(DDPMScheduler, schedule)
    alphas_cumprod = ALPHAS_CUMPROD[schedule](1000)
    assert torch.allclose(alphas_cumprod.float(), reference.alphas_cumprod, rtol=2e-5, atol=0)
    k = torch.arange(0, 1000, 9)
    x1, eps = start(len(k)).float(), start(len(k), seed=1).float()
    assert (diffuse(x1, eps, k, alphas_cumprod) - reference.add_noise(x1, eps, k)).abs().max() < 1e-5


@pytest.mark.parametrize("steps", [1, 10, 50, 250, 1000])
@pytest.mark.parametrize("schedule", ALPHAS_CUMPROD)
def test_ddim_follows_diffusers_step_by_step(schedule, steps):
    reference, model = in_float64(scheduler(DDIMScheduler, schedule), schedule), Denoiser(schedule)
    reference.set_timesteps(steps)
    assert reference.timesteps.tolist() == stride(1000, steps)
    x = start()
    for k in reference.timesteps:
        x = reference.step(model(x, torch.full((5,), k / 1000)), k, x, eta=0.0).prev_sample
    assert (ddim(model, start(), ALPHAS_CUMPROD[schedule](1000), steps) - x).abs().max() < 1e-8


@pytest.mark.parametrize("steps", [1, 10, 50, 250])
@pytest.mark.parametrize("schedule", ALPHAS_CUMPROD)
def test_ancestral_sampling_follows_diffusers_given_its_noise(schedule, steps, monkeypatch):
    reference = in_float64(scheduler(DDPMScheduler, schedule, variance_type="fixed_small"), schedule)
    model = Denoiser(schedule)
    reference.set_timesteps(steps)
    assert reference.timesteps.tolist() == stride(1000, steps)
    indices, x = torch.tensor([7, 0, 3, 1000, 12]), start()
    for k in reference.timesteps.tolist():
        fresh = normal(11, "ancestral noise", indices, SHAPE, step=k)
        monkeypatch.setattr("diffusers.schedulers.scheduling_ddpm.randn_tensor", lambda *_, fresh=fresh, **__: fresh)
        x = reference.step(model(x, torch.full((5,), k / 1000)), k, x).prev_sample
    found = ancestral(model, start(), ALPHAS_CUMPROD[schedule](1000), steps, 11, indices)
    assert (found - x).abs().max() < 1e-8


@pytest.mark.parametrize(("timesteps", "steps"), [(1000, 250), (1000, 60), (1000, 600), (70, 70), (50, 1)])
def test_n_steps_are_n_evaluations_spread_evenly(timesteps, steps):
    times = stride(timesteps, steps)
    assert len(times) == steps and times[-1] == 0 and times == sorted(set(times), reverse=True)
    assert timesteps - times[0] <= timesteps / steps + 1
    seen = []

    def predict(x, t):
        seen.append(t.unique().item())
        return x * 0.5

    ddim(predict, start(), ALPHAS_CUMPROD["linear"](timesteps), steps)
    assert seen == pytest.approx([k / timesteps for k in times])
    velocity = CountedVelocity(Denoiser("linear"))
    if timesteps == 1000:
        ancestral(velocity, start(), ALPHAS_CUMPROD["linear"](1000), steps, 0, torch.arange(5))
        assert velocity.evaluations == steps


@pytest.mark.parametrize("timesteps", [50, 100, 1000, 4000])
@pytest.mark.parametrize("schedule", ALPHAS_CUMPROD)
def test_a_schedule_goes_from_data_to_noise_whatever_its_length(schedule, timesteps):
    alphas_cumprod = ALPHAS_CUMPROD[schedule](timesteps)
    assert (alphas_cumprod.diff() < 0).all() and alphas_cumprod[0] > 0.99 and 0 < alphas_cumprod[-1] < 1e-4


def test_samples_do_not_depend_on_their_batch():
    model, alphas_cumprod, indices = Denoiser("linear"), ALPHAS_CUMPROD["linear"](1000), torch.arange(5)
    whole = ancestral(model, start(), alphas_cumprod, 20, 3, indices)
    parts = [
        ancestral(model, start()[part], alphas_cumprod, 20, 3, indices[part]) for part in (slice(0, 2), slice(2, 5))
    ]
    assert torch.equal(torch.cat(parts), whole)
    assert not torch.allclose(ancestral(model, start(), alphas_cumprod, 20, 4, indices), whole, atol=0.1)


@pytest.mark.parametrize("schedule", ALPHAS_CUMPROD)
def test_both_samplers_end_in_the_data(schedule):
    """The denoiser is exact for N(1, 0.25), so that is what comes out."""
    x0 = normal(0, "test", range(2000), SHAPE)
    alphas_cumprod, indices = ALPHAS_CUMPROD[schedule](1000), torch.arange(2000)
    ends = (
        ddim(Denoiser(schedule), x0, alphas_cumprod, 250),
        ancestral(Denoiser(schedule), x0, alphas_cumprod, 250, 0, indices),
    )
    for end in ends:
        assert end.mean().item() == pytest.approx(1, abs=0.02)
        assert end.std().item() == pytest.approx(0.5, abs=0.02)


def test_more_steps_than_times_are_refused():
    with pytest.raises(UserError, match=r"^251 steps of diffusion are more than its 250 timesteps$"):
        ddim(lambda x, t: x, start(), ALPHAS_CUMPROD["linear"](250), 251)
