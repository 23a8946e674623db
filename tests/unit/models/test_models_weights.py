"""Weights in the public layout, against a DiT written anew around PyTorch's own multi-head attention."""

import argparse
import math
import os

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from steadyflow.ground.artifacts import UserError
from steadyflow.models import build_velocity, load_dit_weights
from steadyflow.models.dit import DiT, Size

DEPTH, WIDTH, HEADS, PATCH, CHANNELS, SIDE, CLASSES = 2, 32, 4, 2, 3, 6, 5


class PublicBlock(nn.Module):
    def __init__(self):
        super().__init__()
        self.attn = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(WIDTH, 4 * WIDTH), "fc2": nn.Linear(4 * WIDTH, WIDTH)})
        self.adaLN_modulation = nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 6 * WIDTH))

    def forward(self, x, c):
        modulation = self.adaLN_modulation(c).view(len(c), 6, 1, WIDTH)
        shift, scale, gate = modulation[:, 0], modulation[:, 1], modulation[:, 2]
        h = normalised(x) * (1 + scale) + shift
        x = x + gate * self.attn(h, h, h, need_weights=False)[0]
        shift, scale, gate = modulation[:, 3], modulation[:, 4], modulation[:, 5]
        h = self.mlp["fc1"](normalised(x) * (1 + scale) + shift)
        h = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))
        return x + gate * self.mlp["fc2"](h)


def normalised(x):
    return (x - x.mean(-1, keepdim=True)) / (x.var(-1, keepdim=True, correction=0) + 1e-6).sqrt()


class PublicDiT(nn.Module):
    """Labels are embedded always; with `learn_sigma` twice the channels come out, and the first half is what counts."""

    def __init__(self, learn_sigma):
        super().__init__()
        self.outputs = (1 + learn_sigma) * CHANNELS
        self.x_embedder = nn.ModuleDict({"proj": nn.Conv2d(CHANNELS, WIDTH, PATCH, stride=PATCH)})
        self.t_embedder = nn.ModuleDict(
            {"mlp": nn.Sequential(nn.Linear(256, WIDTH), nn.SiLU(), nn.Linear(WIDTH, WIDTH))}
        )
        self.y_embedder = nn.ModuleDict({"embedding_table": nn.Embedding(CLASSES + 1, WIDTH)})
        self.pos_embed = nn.Parameter(torch.zeros(1, (SIDE // PATCH) ** 2, WIDTH))
        self.blocks = nn.ModuleList(PublicBlock() for _ in range(DEPTH))
        self.final_layer = nn.ModuleDict(
            {
                "linear": nn.Linear(WIDTH, PATCH * PATCH * self.outputs),
                "adaLN_modulation": nn.Sequential(nn.SiLU(), nn.Linear(WIDTH, 2 * WIDTH)),
            }
        )
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.2)

    def forward(self, x, t, y):
        angles = t[:, None] * torch.tensor([10000 ** (-k / 128) for k in range(128)])
        c = self.t_embedder["mlp"](torch.cat([angles.cos(), angles.sin()], dim=1))
        c = c + self.y_embedder["embedding_table"](y)
        tokens = self.x_embedder["proj"](x).flatten(2).transpose(1, 2) + self.pos_embed
        for block in self.blocks:
            tokens = block(tokens, c)
        shift, scale = self.final_layer["adaLN_modulation"](c)[:, None].chunk(2, dim=-1)
        tokens = self.final_layer["linear"](normalised(tokens) * (1 + scale) + shift)
        grid = SIDE // PATCH
        image = torch.empty(len(x), self.outputs, SIDE, SIDE)
        for n in range(grid * grid):
            row, column = PATCH * (n // grid), PATCH * (n % grid)
            for i in range(PATCH):
                for j in range(PATCH):
                    pixel = (i * PATCH + j) * self.outputs
                    image[:, :, row + i, column + j] = tokens[:, n, pixel : pixel + self.outputs]
        return image[:, :CHANNELS]

    def public_state(self):
        """Under the keys of the released files."""
        renamed = {
            "attn.in_proj_weight": "attn.qkv.weight",
            "attn.in_proj_bias": "attn.qkv.bias",
            "attn.out_proj.": "attn.proj.",
        }
        state = {}
        for key, tensor in self.state_dict().items():
            for ours, public in renamed.items():
                key = key.replace(ours, public)
            state[key] = tensor.clone()
        return state


def public(learn_sigma=False, seed=0):
    torch.manual_seed(seed)
    return PublicDiT(learn_sigma).eval()


def empty(classes=CLASSES, **changes):
    options = {"size": Size(DEPTH, WIDTH, HEADS), "patch": PATCH, "side": SIDE, **changes}
    return DiT(options["size"], options["patch"], CHANNELS, options["side"], classes).eval()


def as_safetensors(state, path):
    save_file(state, path.with_suffix(".safetensors"))
    return path.with_suffix(".safetensors")


def as_torch(content):
    def write(state, path):
        torch.save(content(state), path.with_suffix(".pt"))
        return path.with_suffix(".pt")

    return write


def training_checkpoint(state):
    other = {key: tensor + 1 for key, tensor in state.items()}
    optimiser = torch.optim.AdamW([nn.Parameter(torch.ones(2))])
    arguments = argparse.Namespace(model="DiT-S/2", image_size=256, data_path="x", lr=1e-4, wandb=False)
    return {"model": other, "ema": state, "opt": optimiser.state_dict(), "args": arguments}


FILES = {
    "safetensors": (as_safetensors, []),
    "bare": (as_torch(lambda state: state), []),
    "training": (as_torch(training_checkpoint), ["the entry 'ema' of 'model', 'ema', 'opt', 'args'"]),
    "model alone": (as_torch(lambda state: {"model": state, "step": 7}), ["the entry 'model' of 'model', 'step'"]),
    "wrapped": (
        as_torch(lambda state: {"ema": {f"module.{key}": tensor for key, tensor in state.items()}}),
        ["the entry 'ema' of 'ema'", "every key without its prefix 'module.'"],
    ),
}


@pytest.mark.parametrize("learn_sigma", [False, True])
@pytest.mark.parametrize("file", FILES)
def test_the_outputs_are_those_of_the_public_architecture(file, learn_sigma, tmp_path):
    write, remarks = FILES[file]
    theirs, ours = public(learn_sigma), empty()
    path = write(theirs.public_state(), tmp_path / "weights")
    notes = load_dit_weights(ours, path)
    cut = ["6 output channels, of which the last 3 are cut"] if learn_sigma else []
    assert notes == [f"{path}: {remark}" for remark in remarks + cut]
    x, t, y = torch.randn(4, CHANNELS, SIDE, SIDE), torch.tensor([0.0, 0.3, 0.99, 1]), torch.tensor([0, 4, 5, 2])
    with torch.no_grad():
        expected = theirs(x, t, y)
        found = ours(x, t, y)
    assert expected.abs().mean() > 0.3
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert ours.pos_embed.requires_grad is False


def test_a_half_precision_file_fills_a_single_precision_model(tmp_path):
    state = {key: tensor.half() for key, tensor in public().public_state().items()}
    model = empty()
    load_dit_weights(model, as_safetensors(state, tmp_path / "half"))
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(model.pos_embed, state["pos_embed"].float())


def test_a_unet_is_filled_by_its_own_keys(tmp_path):
    torch.manual_seed(0)
    with torch.device("meta"):
        shapes = {key: tensor.shape for key, tensor in build_velocity("UNet-S", 4, 8).state_dict().items()}
    state = {key: torch.zeros(1).expand(shape) for key, shape in shapes.items()}
    state["conv_out.bias"] = torch.arange(4.0)
    torch.save(state, tmp_path / "unet.pt")
    with torch.device("meta"):
        model = build_velocity("UNet-S", 4, 8)
    model.to_empty(device="cpu")
    assert load_dit_weights(model, tmp_path / "unet.pt") == []
    assert model.conv_out.bias.tolist() == [0, 1, 2, 3]


def changed(edit):
    def write(path):
        state = public().public_state()
        edit(state)
        torch.save(state, path)

    return write


QKV = "blocks.1.attn.qkv.weight"
WRONG = [
    (changed(lambda s: s.pop(QKV)), empty, rf"{QKV} is absent, expected of shape \[96, 32\]"),
    (changed(lambda s: s.update(projector=torch.ones(2))), empty, r"projector is of shape \[2\], expected absent"),
    (
        changed(lambda s: s.update({QKV: torch.ones(96, 31)})),
        empty,
        rf"not the weights of this DiT: {QKV} is of shape \[96, 31\], expected of shape \[96, 32\]",
    ),
    (
        changed(lambda s: None),
        lambda: empty(classes=7),
        r"y_embedder\.embedding_table\.weight is of shape \[6, 32\], expected of shape \[8, 32\]",
    ),
    (changed(lambda s: None), lambda: empty(side=8), r"pos_embed is of shape \[1, 9, 32\], expected of shape \[1, 16"),
    (
        changed(lambda s: None),
        lambda: empty(classes=None),
        r"weights of a conditional model \(y_embedder\.\S+\), but the model to fill takes no class labels",
    ),
    (
        changed(lambda s: s.pop("y_embedder.embedding_table.weight")),
        empty,
        r"weights of an unconditional model \(.*\), but the model to fill takes labels",
    ),
    (changed(lambda s: s.update(step=3)), empty, "not a dictionary of tensors; expected a state dict"),
    (changed(lambda s: s.update(ema=None)), empty, "not a dictionary of tensors"),
    (lambda path: torch.save([torch.ones(2)], path), empty, "not a dictionary of tensors"),
    (lambda path: path.write_text("<html>not found</html>"), empty, "not a file of PyTorch weights"),
    (lambda path: path.write_bytes(b""), empty, "not a file of PyTorch weights"),
    (lambda path: path.mkdir(), empty, "cannot be read"),
    (lambda path: None, empty, r"cannot be read \(No such file or directory\); expected a state dict"),
]


@pytest.mark.parametrize(("write", "model", "message"), WRONG)
def test_what_does_not_fit_is_refused_by_name(write, model, message, tmp_path):
    write(tmp_path / "file.pt")
    filled = model()
    before = {key: tensor.clone() for key, tensor in filled.state_dict().items()}
    with pytest.raises(UserError, match=rf"^{tmp_path}/file\.pt: .*{message}"):
        load_dit_weights(filled, tmp_path / "file.pt")
    assert all(torch.equal(tensor, before[key]) for key, tensor in filled.state_dict().items())


def test_what_is_no_safetensors_file_is_refused(tmp_path):
    for write, message in ((lambda p: None, "cannot be read"), (lambda p: p.write_bytes(b"x"), "not a complete")):
        write(tmp_path / "file.safetensors")
        with pytest.raises(UserError, match=rf"file\.safetensors: {message}"):
            load_dit_weights(empty(), tmp_path / "file.safetensors")


class Code:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize(
    "hide", [lambda code: code, lambda code: {"args": argparse.Namespace(x=code)}], ids=["open", "in arguments"]
)
@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_file_is_not_run(hide, zipped, tmp_path):
    content = {"ema": public().public_state(), "more": hide(Code(tmp_path / "ran"))}
    torch.save(content, tmp_path / "evil.pt", _use_new_zipfile_serialization=zipped)
    with pytest.raises(UserError, match=r"evil\.pt: .*code in it, which is never run; expected a state dict"):
        load_dit_weights(empty(), tmp_path / "evil.pt")
    assert not (tmp_path / "ran").exists()
    torch.load(tmp_path / "evil.pt", weights_only=False)
    assert (tmp_path / "ran").exists()
