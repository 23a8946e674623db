"""The probe, a small network trained here, which needs no download."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from steadyflow.data.records import Picture
from steadyflow.encoders.encoder import Encoder, Extractor
from steadyflow.ground.artifacts import read_json
from steadyflow.models import Probe, load_trained, to_model_range


def load_probe(files: Mapping[str, Path], device: torch.device) -> Encoder:
    """`files` are weights.safetensors and config.json, as written by the stage train_probe."""
    config = read_json(files["config.json"])
    network = load_trained(Probe, config["architecture"], files["weights.safetensors"]).to(device)

    def features(images: Picture) -> Tensor:
        return network(to_model_range(torch.from_numpy(images).to(device)))

    extractor = Extractor("probe, images as they are", config["architecture"]["feature_dim"], features)
    return Encoder("probe", config["weights_hash"], "trained here", extractor)
