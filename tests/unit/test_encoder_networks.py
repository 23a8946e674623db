"""Every encoder gives what the library gives that it stands for, on weights made here."""

import hashlib
import inspect
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from support.clip_networks import write_archive
from support.face_networks import POINTS, write_detection, write_recognition

from steadyflow.artifacts import UserError, write_json, write_weights
from steadyflow.encoders import load_encoder
from steadyflow.encoders.registry import PRETRAINED
from steadyflow.fetch.lock import Locked, read_lock
from steadyflow.models import Probe, to_model_range
from steadyflow.study import parse_study

CPU = torch.device("cpu")
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def pictures(count, side=40, channels=3, seed=0):
    """Smooth, with hard edges and both ends of the range: what resizings differ at."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(-80, 340, (count, channels, 6, 6)))
    smooth = F.interpolate(coarse, (side, side), mode="bilinear").movedim(1, -1).numpy()
    smooth[:, side // 3 : side // 2, side // 4 :] = rng.uniform(0, 255, (count, 1, 1, channels))
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def locked(path, licence="MIT"):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Locked(path.name, f"http://127.0.0.1/{path.name}", digest, licence)


def opened(kind, *files, **options):
    return load_encoder(kind, options, files, lock={path.name: locked(path) for path in files}, device=CPU)


def assert_close(found, expected, tolerance=2e-4):
    """Up to a share of the features' own size."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def random_state(network, seed=0):
    """Weights that keep every layer alive, and running statistics that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)

    def values(name, tensor):
        if not tensor.is_floating_point():
            return tensor
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            return noise.abs() + 0.5
        fan_in = max(tensor[0].numel(), 1) if tensor.ndim > 1 else 25
        return noise * (2 / fan_in) ** 0.5 + (1.0 if tensor.ndim == 1 and name.endswith("weight") else 0.0)

    return {name: values(name, tensor) for name, tensor in network.state_dict().items()}


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


@pytest.fixture(scope="module")
def face_files(tmp_path_factory):
    """A recognition network that is linear in its pixels, and a detector that sees one face in bright pictures."""
    folder = tmp_path_factory.mktemp("faces")
    return write_recognition(folder / "glintr100.onnx"), write_detection(folder / "scrfd_10g_bnkps.onnx")


def recognised(path, faces):
    """The network on uint8 RGB faces [B,112,112,3], as its paper scales them."""
    import onnxruntime

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (features,) = session.run(None, {"pixels": (np.moveaxis(faces, -1, 1).astype(np.float32) - 127.5) / 127.5})
    return features


def test_a_whole_frame_goes_to_arcface_squashed_in_rgb(face_files):
    import cv2

    images = np.concatenate([pictures(2, side=200)[:, :, :150], pictures(1, side=200, seed=1)[:, :, :150]])
    expected = recognised(face_files[0], np.stack([cv2.resize(image, (112, 112)) for image in images]))
    encoder = opened("arcface", face_files[0], alignment="whole_frame")
    assert_close(encoder.encode(images), expected, tolerance=1e-5)
    assert_close(encoder.encode(images[1:2]), expected[1:2], tolerance=1e-5)
    assert np.abs(encoder.encode(images[..., ::-1]) - expected).max() > 0.1 * np.abs(expected).max()
    assert encoder.dim == 512


def test_a_face_is_turned_upright_and_none_is_nan(face_files):
    import cv2
    from skimage.transform import SimilarityTransform

    upright = [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
    images = pictures(3, side=320)
    images[1] //= 4
    turn = SimilarityTransform.from_estimate(POINTS / 2, np.array(upright)).params[:2]
    faces = np.stack([cv2.warpAffine(image, turn, (112, 112)) for image in images])
    found = opened("arcface", *face_files, alignment="five_points").encode(images)
    assert_close(found[[0, 2]], recognised(face_files[0], faces)[[0, 2]], tolerance=1e-3)
    assert np.isnan(found[1]).all()


def test_a_probe_sees_images_as_they_are(tmp_path):
    architecture = {"image_channels": 1, "width": 8, "feature_dim": 16, "targets": {"label": 3}}
    torch.manual_seed(0)
    model = Probe(**architecture)
    write_weights(tmp_path / "weights.safetensors", model.state_dict())
    write_json(tmp_path / "config.json", {"architecture": architecture, "weights_hash": "0123"})
    files = [tmp_path / "weights.safetensors", tmp_path / "config.json"]
    encoder = load_encoder("probe", {}, files, lock={}, device=CPU)
    images = pictures(4, side=16, channels=1)
    with torch.no_grad():
        expected = model(to_model_range(torch.from_numpy(images)))
    np.testing.assert_allclose(encoder.encode(images), expected, rtol=1e-5)
    assert (encoder.kind, encoder.dim, encoder.weights_hash) == ("probe", 16, "0123")


def test_grey_is_repeated(face_files):
    encoder, grey = opened("arcface", face_files[0], alignment="whole_frame"), pictures(2, channels=1)
    np.testing.assert_array_equal(encoder.encode(grey), encoder.encode(np.repeat(grey, 3, axis=-1)))


@pytest.mark.parametrize(
    "images",
    [np.zeros((1, 8, 8, 3), np.float32), np.zeros((8, 8, 3), np.uint8), np.zeros((1, 3, 8, 8), np.uint8)],
    ids=["floats", "one image", "channels first"],
)
def test_other_images_are_refused(face_files, images):
    encoder = opened("arcface", face_files[0], alignment="whole_frame")
    with pytest.raises(UserError, match=r"takes uint8 \[images, height, width, 1 or 3\]"):
        encoder.encode(images)


def test_an_encoder_says_where_its_weights_are_from(face_files):
    first, second = (locked(path).sha256[:16] for path in face_files)
    lock = {path.name: locked(path, "research only") for path in face_files}
    encoder = load_encoder("arcface", {"alignment": "five_points"}, face_files, lock=lock, device=CPU)
    assert (encoder.weights_hash, encoder.licence) == (f"{first}+{second}", "research only")


def test_files_that_are_not_the_locked_ones_are_refused(face_files, tmp_path):
    path = face_files[0]
    other = Locked(path.name, "http://127.0.0.1/x", "0" * 64, "MIT")
    with pytest.raises(UserError, match=rf"{path.name}: .*sha256"):
        load_encoder("arcface", {"alignment": "whole_frame"}, [path], lock={path.name: other}, device=CPU)
    with pytest.raises(UserError, match="not there; run `snakemake fetch`"):
        load_encoder("clip", {}, [tmp_path / path.name], lock={path.name: other}, device=CPU)
    with pytest.raises(UserError, match=r"'ViT-B-32\.pt': not in the lock"):
        load_encoder("clip", {}, [tmp_path / "ViT-B-32.pt"], lock={}, device=CPU)


def test_weights_of_another_network_are_refused(tmp_path):
    path = tmp_path / "weights-inception-2015-12-05-6726825d.pth"
    torch.save({"Conv2d_1a_3x3.conv.weight": torch.zeros(1)}, path)
    with pytest.raises(UserError, match=rf"{path.name}: not the weights of this Sequential: .* is "):
        opened("inception", path, resize="clean")


def test_code_in_a_file_of_weights_is_not_run(tmp_path):
    path, touched = tmp_path / "weights-inception-2015-12-05-6726825d.pth", tmp_path / "touched"
    torch.save({"weights": Touch(touched)}, path)
    with pytest.raises(UserError, match="code in it, which is never run"):
        opened("inception", path, resize="clean")
    assert not touched.exists()


class Touch:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_a_missing_library_names_the_extra(face_files, monkeypatch):
    monkeypatch.delitem(sys.modules, "steadyflow.encoders.arcface", raising=False)
    monkeypatch.setitem(sys.modules, "insightface.model_zoo.arcface_onnx", None)
    with pytest.raises(UserError, match=r"insightface.*pip install 'steadyflow\[encoders\]'"):
        opened("arcface", face_files[0], alignment="whole_frame")


KINDS = {
    "inception": {"resize": ["clean", "paper"]},
    "clip": {},
    "dinov2": {"model": ["vitb14", "vitl14"], "resize": ["antialias", "paper"]},
    "arcface": {"alignment": ["five_points", "whole_frame"]},
    "vgg16": {},
}


def test_the_encoders_of_the_study_are_those_of_the_library():
    assert tuple(KINDS) == PRETRAINED
    lock = read_lock(Path(__file__).parents[2] / "resources" / "weights.lock")
    raw = {"name": "all", "datasets": {"faces": {"source": "synthetic_faces", "count": 10}}}
    specs = parse_study({**raw, "encoders": {kind: {"kind": kind} for kind in KINDS}}).encoders
    for kind, options in KINDS.items():
        assert {name: list(get_args(type(specs[kind]).model_fields[name].annotation)) for name in options} == options
        build = __import__(f"steadyflow.encoders.{kind}", fromlist=["build"]).build
        keywords = {name for name, p in inspect.signature(build).parameters.items() if p.kind is p.KEYWORD_ONLY}
        assert specs[kind].options.keys() == options.keys() == keywords
        assert specs[kind].weights and set(specs[kind].weights) <= lock.keys()
