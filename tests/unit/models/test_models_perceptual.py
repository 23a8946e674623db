import warnings
from pathlib import Path

import lpips
import pytest
import torch
import torch.nn.functional as F

from steadyflow.ground.artifacts import UserError
from steadyflow.models.perceptual import Lpips

# torchvision's list of VGG16: the number of each convolution and its channels; a pooling at 4, 9, 16, 23.
CONVOLUTIONS = {0: (3, 64), 2: (64, 64), 5: (64, 128), 7: (128, 128), 10: (128, 256), 12: (256, 256), 14: (256, 256)}
CONVOLUTIONS |= {17: (256, 512), **dict.fromkeys((19, 21, 24, 26, 28), (512, 512))}
POOLINGS = (4, 9, 16, 23)
HEADS = Path(lpips.__file__).parent / "weights/v0.1/vgg.pth"
SHOWN = (2, 7, 14, 21, 28)  # the convolutions whose activations are compared


@pytest.fixture(scope="module")
def weights() -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    weights = {"classifier.0.weight": torch.zeros(2, 2)}
    for number, (inputs, outputs) in CONVOLUTIONS.items():
        weights[f"features.{number}.weight"] = torch.randn(outputs, inputs, 3, 3, generator=rng) / (4.5 * inputs) ** 0.5
        weights[f"features.{number}.bias"] = torch.randn(outputs, generator=rng) / 10
    return weights


@pytest.fixture(scope="module")
def path(weights: dict[str, torch.Tensor], tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "vgg16.pth"
    torch.save(weights, path)
    return path


@pytest.fixture(scope="module")
def model(path: Path) -> Lpips:
    return Lpips(path)


def images(seed: int, channels: int = 3) -> torch.Tensor:
    return torch.rand(2, channels, 24, 24, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def activations(x: torch.Tensor, weights: dict[str, torch.Tensor]) -> list[torch.Tensor]:
    shift, scale = torch.tensor([-0.030, -0.088, -0.188]), torch.tensor([0.458, 0.448, 0.450])
    x = (x - shift.view(1, 3, 1, 1)) / scale.view(1, 3, 1, 1)
    found = []
    for number in sorted([*CONVOLUTIONS, *POOLINGS]):
        if number in POOLINGS:
            x = F.max_pool2d(x, 2)
            continue
        x = F.relu(F.conv2d(x, weights[f"features.{number}.weight"], weights[f"features.{number}.bias"], padding=1))
        if number in SHOWN:
            found.append(x)
    return found


def test_the_distance_is_the_papers_formula(model, weights):
    heads = torch.load(HEADS, map_location="cpu", weights_only=True)
    a, b = images(0), images(1)
    expected = torch.zeros(2)
    pairs = zip(activations(a, weights), activations(b, weights), strict=True)
    for level, (left, right) in enumerate(pairs):
        apart = (F.normalize(left, dim=1) - F.normalize(right, dim=1)).square()
        head = heads[f"lin{level}.model.1.weight"].view(1, -1, 1, 1)
        expected += (apart * head).sum(1).mean((1, 2))
    found = model(a, b)
    assert found.shape == (2,)
    assert (expected > 0.01).all()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)
    assert model(a, a).tolist() == [0, 0]


def test_grey_images_are_read_as_grey_in_three_channels(model):
    a, b = images(0, 1), images(1, 1)
    torch.testing.assert_close(model(a, b), model(a.repeat(1, 3, 1, 1), b.repeat(1, 3, 1, 1)))


def test_gradients_reach_the_images_and_no_parameter(model):
    a = images(0, 1).requires_grad_()
    model(a, images(1, 1)).sum().backward()
    assert a.grad is not None
    assert a.grad.abs().max() > 0
    assert [name for name, parameter in model.named_parameters() if parameter.requires_grad] == []


def test_it_stays_in_evaluation_mode_and_leaves_the_generator_alone(path):
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = Lpips(path)
    assert torch.equal(torch.rand(1), expected)
    torch.nn.ModuleList([model]).train()
    assert [name for name, module in model.named_modules() if module.training] == []


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (lambda w: w.pop("features.28.bias"), r"features\.28\.bias is absent, expected of shape \[512\]"),
        (
            lambda w: w.update({"features.0.bias": torch.zeros(3)}),
            r"features\.0\.bias is of shape \[3\], expected of shape \[64\]",
        ),
        (lambda w: w.update({"features.0.bias": 1}), "not a dictionary of tensors"),
    ],
    ids=["missing", "shape", "no tensor"],
)
def test_other_weights_are_refused_by_name(weights, edit, complaint, tmp_path):
    other = dict(weights)
    edit(other)
    torch.save(other, tmp_path / "other.pth")
    with pytest.raises(UserError, match=rf"other\.pth: .*{complaint}"):
        Lpips(tmp_path / "other.pth")


def test_a_file_that_is_missing_or_broken_is_named(tmp_path):
    with pytest.raises(UserError, match=r"absent\.pth: cannot be read.*weights\.lock"):
        Lpips(tmp_path / "absent.pth")
    for content in (b"", b"<html>not found</html>"):
        (tmp_path / "broken.pth").write_bytes(content)
        with pytest.raises(UserError, match=r"broken\.pth: not a file of PyTorch weights"):
            Lpips(tmp_path / "broken.pth")
