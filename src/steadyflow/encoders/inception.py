"""Inception-v3 (2015) converted from TensorFlow: the features of FID, after the last pooling."""

from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch_fidelity import feature_extractor_inceptionv3 as blocks
from torch_fidelity.interpolate_compat_tensorflow import interpolate_bilinear_2d_like_tensorflow1x

from steadyflow.data.records import Picture
from steadyflow.encoders.encoder import Extractor
from steadyflow.encoders.filling import filled, read_tensors
from steadyflow.encoders.pixels import planes
from steadyflow.ground.constants import FEATURE_DIMS

SIZE = (299, 299)


def build(files: Mapping[str, Path], device: torch.device, *, resize: str) -> Extractor:
    """`files` is torch-fidelity's weights-inception-2015-12-05-6726825d.pth; `resize` one of RESIZES."""
    ((_, path),) = files.items()
    weights = {name: tensor for name, tensor in read_tensors(path).items() if not name.startswith("fc.")}
    network, resized = filled(_network, weights, path, device), RESIZES[resize]

    def features(images: Picture) -> Tensor:
        return network((resized(planes(images, device)) - 128) / 128)

    return Extractor(f"Inception pool, {resize} resize to 299", FEATURE_DIMS["inception"], features)


def clean_resize(x: Tensor) -> Tensor:
    """[B,3,H,W] in 0..255 -> [B,3,299,299], bicubic with antialiasing and clipped; equals clean-fid's resizing up to
    0.004 grey levels."""
    return F.interpolate(x, SIZE, mode="bicubic", antialias=True, align_corners=False).clamp(0, 255)


def paper_resize(x: Tensor) -> Tensor:
    """[B,3,H,W] -> [B,3,299,299] as in torch-fidelity: TensorFlow 1's bilinear, without antialiasing."""
    return interpolate_bilinear_2d_like_tensorflow1x(x, size=SIZE, align_corners=False)


RESIZES = {"clean": clean_resize, "paper": paper_resize}


def _network() -> nn.Module:
    """torch-fidelity's layers by their names. Its own class also resizes, and loads its file by unrestricted pickle."""
    layers = {
        "Conv2d_1a_3x3": blocks.BasicConv2d(3, 32, kernel_size=3, stride=2),
        "Conv2d_2a_3x3": blocks.BasicConv2d(32, 32, kernel_size=3),
        "Conv2d_2b_3x3": blocks.BasicConv2d(32, 64, kernel_size=3, padding=1),
        "MaxPool_1": nn.MaxPool2d(kernel_size=3, stride=2),
        "Conv2d_3b_1x1": blocks.BasicConv2d(64, 80, kernel_size=1),
        "Conv2d_4a_3x3": blocks.BasicConv2d(80, 192, kernel_size=3),
        "MaxPool_2": nn.MaxPool2d(kernel_size=3, stride=2),
        "Mixed_5b": blocks.InceptionA(192, pool_features=32),
        "Mixed_5c": blocks.InceptionA(256, pool_features=64),
        "Mixed_5d": blocks.InceptionA(288, pool_features=64),
        "Mixed_6a": blocks.InceptionB(288),
        "Mixed_6b": blocks.InceptionC(768, channels_7x7=128),
        "Mixed_6c": blocks.InceptionC(768, channels_7x7=160),
        "Mixed_6d": blocks.InceptionC(768, channels_7x7=160),
        "Mixed_6e": blocks.InceptionC(768, channels_7x7=192),
        "Mixed_7a": blocks.InceptionD(768),
        "Mixed_7b": blocks.InceptionE_1(1280),
        "Mixed_7c": blocks.InceptionE_2(2048),
        "AvgPool": nn.AdaptiveAvgPool2d(1),
        "Flatten": nn.Flatten(),
    }
    return nn.Sequential(OrderedDict(layers))
