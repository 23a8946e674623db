"""ArcFace (InsightFace's glintr100): 512 features of a face's identity."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from insightface.model_zoo.arcface_onnx import ArcFaceONNX
from insightface.model_zoo.scrfd import SCRFD
from insightface.utils.face_align import norm_crop
from torch import Tensor

from steadyflow.data.records import Picture
from steadyflow.encoders.encoder import Extractor
from steadyflow.encoders.pixels import rgb
from steadyflow.ground.artifacts import UserError

RECOGNITION, DETECTION = "glintr100.onnx", "scrfd_10g_bnkps.onnx"
DETECTION_SIZE = (640, 640)
DETECTION_THRESHOLD = 0.5


def build(files: Mapping[str, Path], device: torch.device, *, alignment: str) -> Extractor:
    """`files` are glintr100.onnx and, for the `alignment` "five_points", scrfd_10g_bnkps.onnx.

    five_points: the most central large face is detected and aligned; the row of an image without a face is NaN.
    whole_frame: the image is resized to the network's 112x112, ignoring its aspect.
    Raises UserError if a file is not the expected network.
    """
    path = files[RECOGNITION]
    recognition = ArcFaceONNX(str(path), _session(path, device))
    if (recognition.input_mean, recognition.input_std) != (127.5, 127.5):
        raise UserError(f"{path}: pixels are scaled in the network itself; expected InsightFace's {RECOGNITION}")
    dim = int(recognition.output_shape[1])
    if alignment == "whole_frame":
        return Extractor(
            "ArcFace glintr100, whole frame squashed to 112",
            dim,
            lambda images: torch.from_numpy(recognition.get_feat(_bgr(images))),
        )
    detection = SCRFD(str(files[DETECTION]), _session(files[DETECTION], device))
    detection.prepare(0, input_size=DETECTION_SIZE, det_thresh=DETECTION_THRESHOLD)

    def features(images: Picture) -> Tensor:
        found = torch.full((len(images), dim), torch.nan)
        for row, image in enumerate(_bgr(images)):
            face = _upright_face(detection, image)
            if face is not None:
                found[row] = torch.from_numpy(recognition.get_feat(face))[0]
        return found

    return Extractor("ArcFace glintr100, five points of SCRFD at 640 aligned to 112", dim, features)


def _bgr(images: Picture) -> list[Picture]:
    """The images in OpenCV's order of colours, which InsightFace expects and converts to RGB."""
    return [np.ascontiguousarray(image[..., ::-1]) for image in rgb(images)]


def _upright_face(detection: Any, image: Picture) -> npt.NDArray[np.uint8] | None:
    _, points = detection.detect(image, max_num=1)
    return norm_crop(image, points[0]) if len(points) else None


def _session(path: Path, device: torch.device) -> onnxruntime.InferenceSession:
    """Raises UserError if the network would not run on `device`, for which ONNX Runtime only warns."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    providers: dict[str, Any] = {"cuda": ("CUDAExecutionProvider", {"device_id": device.index or 0})}
    wanted = providers.get(device.type, ("CPUExecutionProvider", {}))
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[wanted])
    # Its exceptions have no common base class.
    except Exception as error:
        raise UserError(f"{path}: ONNX Runtime cannot open it ({error}); expected the file of that name") from error
    if session.get_providers()[0] != wanted[0]:
        raise UserError(
            f"{path}: ONNX Runtime has no {wanted[0]} here; install onnxruntime-gpu in place of onnxruntime, or use "
            "--device cpu"
        )
    return session
