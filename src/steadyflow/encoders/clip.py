"""OpenAI's CLIP ViT-B/32, by open_clip: its image embedding of 512, not normalised."""

from collections.abc import Mapping
from pathlib import Path

import open_clip
import torch
from torch import Tensor, nn

from steadyflow.artifacts import UserError
from steadyflow.data.records import Picture
from steadyflow.encoders.encoder import Extractor
from steadyflow.encoders.filling import filled
from steadyflow.encoders.pixels import one_by_one

# The weights were trained with QuickGELU. open_clip's plain ViT-B-32 takes them too, and computes something else.
MODEL = "ViT-B-32-quickgelu"


def build(files: Mapping[str, Path], device: torch.device) -> Extractor:
    """`files` is OpenAI's ViT-B-32.pt."""
    ((_, path),) = files.items()
    prefix = "visual."
    weights = {name.removeprefix(prefix): x for name, x in _read(path).items() if name.startswith(prefix)}
    network, config = filled(_network, weights, path, device), open_clip.get_model_config(MODEL)
    transform = open_clip.image_transform(config["vision_cfg"]["image_size"], is_train=False)

    def features(images: Picture) -> Tensor:
        return network(one_by_one(transform, images, device))

    return Extractor(f"open_clip {MODEL}, PIL bicubic 224", config["embed_dim"], features)


def _network() -> nn.Module:
    return open_clip.CLIP(**open_clip.get_model_config(MODEL)).visual


def _read(path: Path) -> dict[str, Tensor]:
    """OpenAI's file is a TorchScript archive, which no safe reader takes. Its code is pinned by the lock's hash, its
    tensors are taken out, and nothing in it is called."""
    try:
        return torch.jit.load(path, map_location="cpu").state_dict()
    except RuntimeError as error:
        raise UserError(f"{path}: not a TorchScript archive; expected OpenAI's {path.name}") from error
