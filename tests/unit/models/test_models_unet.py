import math
import re
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import VELOCITY_MODELS, side_multiple
from steadyflow.models import build_velocity
from steadyflow.models.unet import BLOCKS, UNet

ROOT = Path(__file__).parents[3]


def tiny(classes=None, perturbed=True, **options):
    torch.manual_seed(0)
    model = UNet(32, 3, classes, **{"multipliers": (1, 2), "blocks": 1, **options}).eval()
    if perturbed:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter += 0.05 * torch.randn_like(parameter)
    return model


def on_meta(name, *arguments):
    with torch.device("meta"):
        return build_velocity(name, *arguments).to("meta")


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)


def block_by_hand(w, x, condition):
    """One residual block from its weights, with group norms written out."""

    def norm(name, h):
        groups = h.reshape(len(h), 32, -1)
        variance, mean = torch.var_mean(groups, dim=2, keepdim=True, correction=0)
        h = ((groups - mean) / (variance + 1e-5).sqrt()).reshape(h.shape)
        return h * w[f"{name}.weight"][:, None, None] + w[f"{name}.bias"][:, None, None]

    def silu(h):
        return h / (1 + torch.exp(-h))

    h = F.conv2d(silu(norm("norm1", x)), w["conv1.weight"], w["conv1.bias"], padding=1)
    film = silu(condition) @ w["modulation.1.weight"].T + w["modulation.1.bias"]
    scale, shift = film[:, : h.shape[1], None, None], film[:, h.shape[1] :, None, None]
    h = F.conv2d(silu(norm("norm2", h) * (1 + scale) + shift), w["conv2.weight"], w["conv2.bias"], padding=1)
    return h + (F.conv2d(x, w["skip.weight"], w["skip.bias"]) if "skip.weight" in w else x)


def test_the_velocity_is_that_of_the_written_out_network():
    model = tiny(classes=3).double()
    weights = model.state_dict()

    def part(name):
        return {k.removeprefix(f"{name}."): v for k, v in weights.items() if k.startswith(f"{name}.")}

    def block(name, x):
        return block_by_hand(part(name), x, c)

    def conv(name, x, **options):
        return F.conv2d(x, weights[f"{name}.weight"], weights[f"{name}.bias"], padding=1, **options)

    x, t, y = torch.randn(2, 3, 4, 4).double(), torch.tensor([0.2, 0.9]).double(), torch.tensor([1, 3])
    angles = torch.tensor([[s * 10000 ** (-k / 128) for k in range(128)] for s in t.tolist()]).double()
    time = torch.cat([angles.cos(), angles.sin()], dim=1) @ weights["t_embedder.mlp.0.weight"].T
    time = F.silu(time + weights["t_embedder.mlp.0.bias"]) @ weights["t_embedder.mlp.2.weight"].T
    c = time + weights["t_embedder.mlp.2.bias"] + weights["y_embedder.embedding_table.weight"][y]

    fine_in = conv("conv_in", x)
    fine = block("down.0", fine_in)
    coarse_in = conv("down.1", fine, stride=2)
    coarse = block("down.2", coarse_in)
    h = block("middle.1", block("middle.0", coarse))
    h = block("up.1", torch.cat([block("up.0", torch.cat([h, coarse], 1)), coarse_in], 1))
    h = conv("up.2.conv", h.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3))
    h = block("up.4", torch.cat([block("up.3", torch.cat([h, fine], 1)), fine_in], 1))
    expected = conv("conv_out", F.silu(F.group_norm(h, 32, weights["norm_out.weight"], weights["norm_out.bias"])))
    assert expected.abs().mean() > 0.1
    # The sinusoids are single precision by design.
    torch.testing.assert_close(model(x, t, y), expected, rtol=1e-4, atol=1e-5)


def unet_parameters(w, channels, classes):
    """Counted layer by layer, from a drawing of the four levels."""
    c = 4 * w

    def block(i, o):
        skip = 0 if i == o else i * o + o
        return 2 * i + 9 * i * o + o + 2 * o * c + 2 * o + 2 * o + 9 * o * o + o + skip

    def conv(i, o):
        return 9 * i * o + o

    down = [(1, 1), (1, 1), (1, 2), (2, 2), (2, 3), (3, 3), (3, 4), (4, 4)]
    middle = [(4, 4), (4, 4)]
    up = [(8, 4), (8, 4), (7, 4), (7, 3), (6, 3), (5, 3), (5, 2), (4, 2), (3, 2), (3, 1), (2, 1), (2, 1)]
    blocks = sum(block(i * w, o * w) for i, o in down + middle + up)
    halvings, doublings = (sum(conv(k * w, k * w) for k in levels) for levels in ((1, 2, 3), (4, 3, 2)))
    ends = conv(channels, w) + 2 * w + conv(w, channels)
    time, labels = 256 * c + c + c * c + c, 0 if classes is None else (classes + 1) * c
    return blocks + halvings + doublings + ends + time + labels


@pytest.mark.parametrize(("name", "width"), [("UNet-T", 32), ("UNet-S", 128), ("UNet-M", 192), ("UNet-L", 256)])
@pytest.mark.parametrize(("channels", "classes"), [(4, None), (8, 1000)])
def test_the_number_of_parameters_is_that_of_the_architecture(name, width, channels, classes):
    assert parameters(on_meta(name, channels, 32, classes)) == unet_parameters(width, channels, classes)


@pytest.mark.parametrize("side", [8, 24])
@pytest.mark.parametrize("classes", [None, 10])
def test_the_velocity_has_the_shape_of_its_input(side, classes):
    model = on_meta("UNet-M", 4, side, classes)
    with torch.device("meta"):
        x, y = torch.empty(2, 4, side, side), None if classes is None else torch.empty(2, dtype=torch.int64)
        assert model(x, torch.empty(2), y).shape == x.shape


def test_a_fresh_model_is_zero_and_every_block_its_skip():
    model = tiny(classes=3, perturbed=False)
    x, t = torch.randn(2, 3, 4, 4), torch.rand(2)
    assert torch.equal(model(x, t, torch.tensor([0, 3])), torch.zeros_like(x))
    h = torch.randn(2, 64, 2, 2)
    for block in model.middle:
        assert torch.equal(block(h, torch.randn(2, 128)), h)


def test_time_and_label_reach_the_output():
    model = tiny(classes=3)
    x, t = torch.randn(1, 3, 4, 4), torch.tensor([0.4])
    outputs = [model(x, t), model(x, torch.tensor([0.45]))] + [model(x, t, torch.tensor([y])) for y in range(4)]
    for i, a in enumerate(outputs):
        assert all((a - b).abs().max() > 1e-5 for b in outputs[:i])


def test_a_batch_is_every_image_on_its_own():
    model = tiny(classes=3, multipliers=(1, 2, 3), blocks=2)
    x, t, y = torch.randn(4, 3, 8, 8), torch.rand(4), torch.tensor([3, 0, 2, 0])
    alone = torch.cat([model(x[i : i + 1], t[i : i + 1], y[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(model(x, t, y), alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", VELOCITY_MODELS)
def test_a_model_takes_the_sides_that_its_name_says(name):
    multiple = side_multiple(name)
    assert multiple == (8 if name.startswith("UNet") else int(name[-1]))
    for side in (side for side in (1, 2, 4, 6, 8, 12) if side % multiple):
        message = f"{name}: takes latents whose side is a multiple of {multiple}, not {side}x{side}"
        with pytest.raises(UserError, match=message):
            build_velocity(name, 4, side)


def test_it_learns():
    """A field that is neither linear nor the same at all times, on its own batch."""
    model = tiny(perturbed=False)
    x, t = torch.randn(32, 3, 4, 4), torch.rand(32)
    target = (x.flip(1) * (3 * t[:, None, None, None]).cos()).detach()
    optimiser = torch.optim.Adam(model.parameters(), 3e-3)
    for _ in range(60):
        optimiser.zero_grad()
        loss = F.mse_loss(model(x, t), target)
        loss.backward()
        optimiser.step()
    assert loss < 0.1 * target.square().mean()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_the_table_in_the_docs_is_what_the_models_are():
    """docs/models.md: parameters in millions and GFLOP of a forward pass on 4x32x32, both to the digits it shows."""
    text = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([\w/-]+)` \|[^|]*\| ([\d.]+) \| ([\d.,]+) \|$", text, re.MULTILINE)
    assert [name for name, _, _ in rows] == list(VELOCITY_MODELS)
    for name, millions, gflop in rows:
        model = on_meta(name, 4, 32)
        assert_written(millions, parameters(model) / 1e6, name)
        if name.endswith("/2") or name.startswith("UNet"):
            with torch.no_grad(), FlopCounterMode(display=False) as counter:
                model(torch.empty(1, 4, 32, 32, device="meta"), torch.empty(1, device="meta"))
            assert_written(gflop, counter.get_total_flops() / 1e9, name)


def assert_written(text, value, name):
    digits = len(text.partition(".")[2])
    assert float(text.replace(",", "")) == pytest.approx(value, abs=0.51 * 10**-digits), name


def test_blocks_of_a_level_are_two():
    model = on_meta("UNet-M", 4, 32)
    assert BLOCKS == 2 and len(model.down) == 4 * 2 + 3 and len(model.up) == 4 * 3 + 3
    assert isinstance(model.down[2], nn.Conv2d) and math.prod(model.down[2].stride) == 4
