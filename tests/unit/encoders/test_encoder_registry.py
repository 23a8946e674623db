"""Faces, the probe, and what all encoders refuse."""

import inspect
import sys
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from support.encoding import CPU, assert_close, locked, opened, pictures
from support.face_networks import POINTS, write_detection, write_recognition

from steadyflow.encoders import load_encoder
from steadyflow.encoders.registry import PRETRAINED
from steadyflow.fetch.lock import Locked, read_lock
from steadyflow.ground.artifacts import UserError, write_json, write_weights
from steadyflow.ground.constants import FEATURE_DIMS
from steadyflow.models import Probe, to_model_range
from steadyflow.study import parse_study


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
    lock = read_lock(Path(__file__).parents[3] / "resources" / "weights.lock")
    raw = {"name": "all", "datasets": {"faces": {"source": "synthetic_faces", "count": 10}}}
    specs = parse_study({**raw, "encoders": {kind: {"kind": kind} for kind in KINDS}}).encoders
    for kind, options in KINDS.items():
        assert {name: list(get_args(type(specs[kind]).model_fields[name].annotation)) for name in options} == options
        build = __import__(f"steadyflow.encoders.{kind}", fromlist=["build"]).build
        keywords = {name for name, p in inspect.signature(build).parameters.items() if p.kind is p.KEYWORD_ONLY}
        assert specs[kind].options.keys() == options.keys() == keywords
        assert specs[kind].weights and set(specs[kind].weights) <= lock.keys()


def test_features_have_the_dimension_that_estimates_take_them_to_have():
    """By the libraries' own descriptions of the networks; arcface's is in its file alone."""
    import open_clip
    import timm

    from steadyflow.encoders.clip import MODEL
    from steadyflow.encoders.dinov2 import MODELS

    assert open_clip.get_model_config(MODEL)["embed_dim"] == FEATURE_DIMS["clip"]
    for model, name in MODELS.items():
        with torch.device("meta"):
            assert timm.create_model(name).num_features == FEATURE_DIMS[model]
