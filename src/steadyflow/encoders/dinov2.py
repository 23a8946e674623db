"""DINOv2, class token after the last norm: timm's network with the position embedding of facebookresearch/dinov2."""

from collections.abc import Mapping
from pathlib import Path

import timm
import torch
import torch.nn.functional as F
from timm.data.transforms_factory import create_transform
from torch import Tensor

from steadyflow.data.records import Picture
from steadyflow.encoders.encoder import Extractor
from steadyflow.encoders.filling import filled, read_tensors
from steadyflow.encoders.pixels import IMAGENET_MEAN, IMAGENET_STD, normalised, one_by_one, planes

# Name in facebookresearch/dinov2 -> name in timm.
MODELS = {"vitb14": "vit_base_patch14_dinov2", "vitl14": "vit_large_patch14_dinov2"}
SIDE, PATCH = 224, 14


def build(files: Mapping[str, Path], device: torch.device, *, model: str, resize: str) -> Extractor:
    """`files` is dinov2_{model}_pretrain.pth; `model` is a key of MODELS, `resize` "antialias" or "paper"."""
    ((_, path),) = files.items()
    # The mask token is used in training only.
    weights = {name: tensor for name, tensor in read_tensors(path).items() if name != "mask_token"}
    if "pos_embed" in weights:
        weights["pos_embed"] = hub_position_embedding(weights["pos_embed"], SIDE // PATCH)
    network = filled(lambda: timm.create_model(MODELS[model], img_size=SIDE), weights, path, device)
    transform = create_transform(
        (3, SIDE, SIDE), interpolation="bicubic", crop_pct=1.0, mean=IMAGENET_MEAN, std=IMAGENET_STD
    )

    def features(images: Picture) -> Tensor:
        if resize == "antialias":
            return network(one_by_one(transform, images, device))
        return network(normalised(paper_resize(planes(images, device)), IMAGENET_MEAN, IMAGENET_STD))

    resizing = {"antialias": "PIL bicubic", "paper": "bicubic without antialias to"}[resize]
    return Extractor(f"DINOv2 {model} class token, {resizing} {SIDE}", weights["cls_token"].shape[-1], features)


def paper_resize(x: Tensor) -> Tensor:
    """[B,3,H,W] -> [B,3,224,224], bicubic without antialiasing; values may slightly exceed the range."""
    return F.interpolate(x, (SIDE, SIDE), mode="bicubic", align_corners=False)


def hub_position_embedding(table: Tensor, side: int) -> Tensor:
    """[1, 1 + n*n, d], the class token's first -> [1, 1 + side*side, d], as in facebookresearch/dinov2.

    Coordinates follow from the scale factor (side + 0.1) / n rather than the sizes, without antialiasing. With timm's
    resampling, features differ by several per cent.
    """
    n = round((table.shape[1] - 1) ** 0.5)
    grid = table[:, 1:].float().unflatten(1, (n, n)).movedim(-1, 1)
    grid = F.interpolate(grid, scale_factor=(side + 0.1) / n, mode="bicubic", antialias=False)
    return torch.cat([table[:, :1].float(), grid.flatten(2).movedim(1, -1)], dim=1)
