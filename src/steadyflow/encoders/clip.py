"""OpenAI's CLIP ViT-B/32 in open_clip: embeddings of images and texts, 512 features, not normalised."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import open_clip
import torch
from torch import Tensor, nn

from steadyflow.data.records import Picture
from steadyflow.encoders.encoder import Extractor
from steadyflow.encoders.filling import filled
from steadyflow.encoders.pixels import one_by_one
from steadyflow.ground.artifacts import UserError

# The weights were trained with QuickGELU. open_clip's ViT-B-32 also loads them, but uses another GELU.
MODEL = "ViT-B-32-quickgelu"


# Entries of the state dict that are OpenAI's configuration and no weights.
SETTINGS = ("input_resolution", "context_length", "vocab_size")


def build(files: Mapping[str, Path], device: torch.device) -> Extractor:
    """`files` is OpenAI's ViT-B-32.pt."""
    ((_, path),) = files.items()
    prefix = "visual."
    weights = {name.removeprefix(prefix): x for name, x in _read(path).items() if name.startswith(prefix)}
    network, config = filled(_image_tower, weights, path, device), open_clip.get_model_config(MODEL)
    transform = open_clip.image_transform(config["vision_cfg"]["image_size"], is_train=False)

    def features(images: Picture) -> Tensor:
        return network(one_by_one(transform, images, device))

    return Extractor(f"open_clip {MODEL}, PIL bicubic 224", config["embed_dim"], features)


@torch.no_grad()
def embed_texts(path: Path, texts: Sequence[str]) -> Tensor:
    """Embeddings of texts in the space of the image features, by OpenAI's ViT-B-32.pt: float32 [len(texts), dim] on the
    CPU, not normalised. Texts are truncated after 75 tokens."""
    weights = {name: x for name, x in _read(path).items() if not name.startswith("visual.") and name not in SETTINGS}
    network: Any = filled(_text_tower, weights, path, torch.device("cpu"))
    return network.encode_text(open_clip.get_tokenizer(MODEL)(list(texts)))


def _image_tower() -> nn.Module:
    return open_clip.CLIP(**open_clip.get_model_config(MODEL)).visual


def _text_tower() -> nn.Module:
    network = open_clip.CLIP(**open_clip.get_model_config(MODEL))
    del network.visual
    # The causal mask is in no file, and a network built on the meta device has no values.
    unseen = torch.full((network.context_length, network.context_length), float("-inf"), device="cpu")
    network.attn_mask = unseen.triu(1)
    return network


def _read(path: Path) -> dict[str, Tensor]:
    """OpenAI's file is a TorchScript archive, which `weights_only` cannot read. Its hash is verified by the lock; only
    its tensors are used, and none of its code is called."""
    try:
        return torch.jit.load(path, map_location="cpu").state_dict()
    except RuntimeError as error:
        raise UserError(f"{path}: not a TorchScript archive; expected OpenAI's {path.name}") from error
