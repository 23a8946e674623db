"""Networks as small as can be with the inputs and outputs of InsightFace's: recognition and detection of faces."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

# In the detector's 640 pixels: eyes, nose, corners of the mouth of a face turned a little.
POINTS = np.array([[250, 260], [370, 290], [300, 340], [230, 380], [340, 410]], np.float32)


def _write(path: Path, nodes: list, constants: dict, shape: list, outputs: dict) -> Path:
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    return path


def write_recognition(path: Path, seed: int = 0) -> Path:
    """512 features, linear in the pixels."""
    projection = np.random.default_rng(seed).normal(size=(3 * 14 * 14, 512)).astype(np.float32)
    nodes = [
        helper.make_node("AveragePool", ["pixels"], ["pooled"], kernel_shape=[8, 8], strides=[8, 8]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "projection"], ["features"]),
    ]
    shapes = {"features": ["n", 512]}
    return _write(path, nodes, {"projection": projection}, ["n", 3, 112, 112], shapes)


def write_detection(path: Path, patchy: bool = False) -> Path:
    """A face at POINTS wherever there is a bright pixel; or, when `patchy`, in two images of three, whichever.

    Nine outputs, as SCRFD's: scores, boxes and points of two anchors a place, at strides 8, 16 and 32.
    """
    constants, outputs = {}, {}
    nodes = [
        helper.make_node("ReduceMax", ["pixels"], ["brightest"], keepdims=0),
        helper.make_node("Relu", ["brightest"], ["sure"]),
    ]
    if patchy:
        constants["many"] = np.array(1e4, np.float32)
        nodes = [
            helper.make_node("ReduceMean", ["pixels"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "many"], ["angle"]),
            helper.make_node("Sin", ["angle"], ["signed"]),
            helper.make_node("Abs", ["signed"], ["sure"]),
        ]
    for kind, width in (("score", 1), ("box", 4), ("points", 10)):
        for stride in (8, 16, 32):
            name, values = f"{kind}_{stride}", np.zeros((2 * (640 // stride) ** 2, width), np.float32)
            if stride == 8:
                # The first anchor of row 40, column 38, whose centre is at (304, 320).
                place = 2 * (40 * 80 + 38)
                values[place] = {"score": 0.9, "box": 12, "points": (POINTS - (304, 320)).flatten() / 8}[kind]
            constants[f"{name}_values"], outputs[name] = values, list(values.shape)
            scale = "sure" if kind == "score" else "one"
            nodes.append(helper.make_node("Mul", [f"{name}_values", scale], [name], name=f"scaled_{name}"))
    constants["one"] = np.array(1, np.float32)
    return _write(path, nodes, constants, [1, 3, 640, 640], outputs)
