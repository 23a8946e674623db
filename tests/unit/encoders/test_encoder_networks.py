"""Every encoder gives what the library gives that it stands for, on weights made here."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from support.clip_networks import write_archive
from support.encoding import CPU, IMAGENET, assert_close, opened, pictures, random_state


@pytest.fixture(scope="module")
def inception_file(tmp_path_factory):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    path = tmp_path_factory.mktemp("inception") / "weights-inception-2015-12-05-6726825d.pth"
    torch.save(random_state(unloaded(FeatureExtractorInceptionV3, "2048")), path)
    return path


def unloaded(extractor, feature):
    """torch-fidelity's own network of whatever weights it draws; it asks for a file."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch, "load", lambda *_, **__: {})
        patch.setattr(torch.nn.Module, "load_state_dict", lambda *_, **__: None)
        return extractor("network", [feature], feature_extractor_weights_path="none")


def test_inception_by_the_papers_resize_is_torch_fidelitys(inception_file):
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    theirs = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(inception_file))
    images = pictures(2)
    (expected,) = theirs(torch.from_numpy(images).movedim(-1, 1))
    encoder = opened("inception", inception_file, resize="paper")
    assert_close(encoder.encode(images), expected)
    assert_close(encoder.encode(images[1:]), expected[1:])
    assert (encoder.dim, encoder.protocol) == (2048, "Inception pool, paper resize to 299")


@pytest.mark.parametrize("side", [17, 64, 299, 400])
def test_the_clean_resize_is_clean_fids(side):
    from cleanfid.resize import build_resizer

    from steadyflow.encoders.inception import clean_resize
    from steadyflow.encoders.pixels import planes

    images, theirs = pictures(2, side), build_resizer("clean")
    found = clean_resize(planes(images, CPU)).movedim(1, -1).numpy()
    expected = np.stack([theirs(image) for image in images])
    assert np.abs(found - expected).max() < 0.004
    # It goes over both ends, and is cut there.
    assert (expected.min(), expected.max()) == (found.min(), found.max()) == (0, 255)


def test_inception_by_the_clean_resize_is_the_network_on_clean_fids_pixels(inception_file):
    """At 299 pixels torch-fidelity's own resizing does nothing; rounding its input costs what is allowed here."""
    from cleanfid.resize import build_resizer
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    theirs = FeatureExtractorInceptionV3("inception", ["2048"], feature_extractor_weights_path=str(inception_file))
    images, resize = pictures(2), build_resizer("clean")
    resized = np.stack([resize(image) for image in images])
    (expected,) = theirs(torch.from_numpy(np.rint(resized).astype(np.uint8)).movedim(-1, 1))
    clean = opened("inception", inception_file, resize="clean").encode(images)
    assert_close(clean, expected, tolerance=0.01)
    paper = opened("inception", inception_file, resize="paper").encode(images)
    assert np.abs(paper - clean).max() > 5 * np.abs(expected.numpy() - clean).max()


@pytest.mark.pipeline
def test_vgg16_is_torch_fidelitys(tmp_path):
    from torch_fidelity.feature_extractor_vgg16 import FeatureExtractorVGG16
    from torchvision.models import vgg16

    path = tmp_path / "vgg16-397923af.pth"
    torch.manual_seed(0)
    network = vgg16(init_weights=False)
    torch.save(network.state_dict(), path)
    theirs = FeatureExtractorVGG16("vgg16", ["fc2_relu"], feature_extractor_weights_path=str(path))
    images = pictures(2)
    (expected,) = theirs(torch.from_numpy(images).movedim(-1, 1))
    encoder = opened("vgg16", path)
    found = encoder.encode(images)
    assert_close(found, expected)
    assert found.shape == (2, encoder.dim) and 0.1 < (found > 0).mean() < 0.9


@pytest.mark.pipeline
@pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning", "ignore:.*torch.jit:DeprecationWarning")
def test_clip_is_open_clips(tmp_path):
    import open_clip

    torch.manual_seed(0)
    theirs, _, transform = open_clip.create_model_and_transforms("ViT-B-32-quickgelu")
    path = write_archive(theirs, tmp_path / "ViT-B-32.pt")
    images = pictures(3, side=64)
    with torch.no_grad():
        expected = theirs.encode_image(torch.stack([transform(Image.fromarray(image)) for image in images]))
    encoder = opened("clip", path)
    assert_close(encoder.encode(images), expected)
    assert encoder.dim == 512
    plain = open_clip.create_model("ViT-B-32")
    plain.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        other = plain.eval().encode_image(torch.stack([transform(Image.fromarray(image)) for image in images]))
    assert (other - expected).abs().max() > 0.002 * expected.abs().max()


def cubic_rows(n, side, factor):
    """[side, n]: bicubic interpolation of n values at ((i + 1/2) / factor - 1/2), the border repeated."""
    rows = np.zeros((side, n))
    for i in range(side):
        place = (i + 0.5) / factor - 0.5
        for j in range(int(np.floor(place)) - 1, int(np.floor(place)) + 3):
            x = abs(place - j)
            # Keys's kernel with a = -0.75, torch's.
            near, far = 1.25 * x**3 - 2.25 * x**2 + 1, -0.75 * x**3 + 3.75 * x**2 - 6 * x + 3
            rows[i, min(max(j, 0), n - 1)] += near if x <= 1 else far
    return rows


def hub_positions(table):
    rows = torch.from_numpy(cubic_rows(37, 16, 16.1 / 37)).float()
    grid = table[0, 1:].unflatten(0, (37, 37))
    grid = torch.einsum("ik,jl,kld->ijd", rows, rows, grid)
    return torch.cat([table[:, :1], grid.flatten(0, 1)[None]], dim=1)


def test_position_embeddings_are_the_hubs():
    import timm

    from steadyflow.encoders.dinov2 import hub_position_embedding

    table = torch.randn(1, 1 + 37 * 37, 8, generator=torch.Generator().manual_seed(0))
    found, expected = hub_position_embedding(table, 16), hub_positions(table)
    assert_close(found, expected, tolerance=1e-5)
    plain = timm.layers.resample_abs_pos_embed(table, [16, 16], [37, 37])
    assert (plain - expected).norm() > 0.07 * expected.norm()


def hub_class_token(weights, x, heads=6):
    """DINOv2's forward pass, written out from the paper's layers and the hub's names; x [B,3,224,224]."""

    def linear(name, h):
        return F.linear(h, weights[f"{name}.weight"], weights[f"{name}.bias"])

    def norm(name, h):
        return F.layer_norm(h, h.shape[-1:], weights[f"{name}.weight"], weights[f"{name}.bias"], eps=1e-6)

    patches = F.conv2d(x, weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"], stride=14)
    h = torch.cat([weights["cls_token"].expand(len(x), -1, -1), patches.flatten(2).mT], dim=1)
    h = h + hub_positions(weights["pos_embed"])
    for block in (f"blocks.{number}" for number in range(12)):
        q, k, v = linear(f"{block}.attn.qkv", norm(f"{block}.norm1", h)).unflatten(2, (3, heads, -1)).unbind(2)
        shares = torch.einsum("bihd,bjhd->bhij", q, k).div(q.shape[-1] ** 0.5).softmax(dim=-1)
        mixed = torch.einsum("bhij,bjhd->bihd", shares, v).flatten(2)
        h = h + weights[f"{block}.ls1.gamma"] * linear(f"{block}.attn.proj", mixed)
        wide = F.gelu(linear(f"{block}.mlp.fc1", norm(f"{block}.norm2", h)))
        h = h + weights[f"{block}.ls2.gamma"] * linear(f"{block}.mlp.fc2", wide)
    return norm("norm", h)[:, 0]


@pytest.fixture(scope="module")
def dino_file(tmp_path_factory):
    """A file as the hub's, of the small model, which has the layers of the others in less width."""
    import timm

    with torch.device("meta"):
        shapes = timm.create_model("vit_small_patch14_dinov2").state_dict()
    generator = torch.Generator().manual_seed(0)
    weights = {name: 0.05 * torch.randn(tensor.shape, generator=generator) for name, tensor in shapes.items()}
    weights |= {name: x + 1 for name, x in weights.items() if name.endswith(("gamma", "norm.weight", "1.weight"))}
    path = tmp_path_factory.mktemp("dinov2") / "dinov2_vits14_pretrain.pth"
    torch.save(weights | {"mask_token": torch.zeros(1, 384)}, path)
    return path


@pytest.mark.parametrize("resize", ["antialias", "paper"])
def test_dinov2_is_the_hubs(dino_file, resize, monkeypatch):
    from torchvision.transforms import v2

    from steadyflow.encoders import dinov2

    monkeypatch.setitem(dinov2.MODELS, "vits14", "vit_small_patch14_dinov2")
    encoder = opened("dinov2", dino_file, model="vits14", resize=resize)
    images = pictures(2, side=300)
    bicubic = {"size": 224, "interpolation": v2.InterpolationMode.BICUBIC}
    if resize == "antialias":
        # Of pictures, by PIL.
        resized = [v2.functional.to_image(v2.Resize(**bicubic)(Image.fromarray(image))) / 255 for image in images]
    else:
        resized = [v2.Resize(**bicubic, antialias=False)(torch.from_numpy(x).movedim(-1, 0) / 255) for x in images]
    normalise = v2.Normalize(**IMAGENET)
    expected = hub_class_token(torch.load(dino_file, weights_only=True), torch.stack([normalise(x) for x in resized]))
    assert_close(encoder.encode(images), expected)
    assert_close(encoder.encode(images[1:]), expected[1:])
    assert encoder.dim == 384
