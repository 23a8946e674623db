"""CLIP without any training: an image has the value whose text is nearest (Radford et al. 2021, section 3.1.4)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from torch import Tensor

from steadyflow.classifiers.classifier import Classifier, Codes, most_likely
from steadyflow.encoders.clip import MODEL, embed_texts
from steadyflow.fetch.lock import Locked
from steadyflow.ground.artifacts import spec_hash


def load(path: Path, attributes: Mapping[str, Mapping[str, Sequence[str]]], entry: Locked) -> Classifier:
    """`path` is OpenAI's ViT-B-32.pt, by which the features were made that will be read; `entry` is the lock's."""
    texts = [text for values in attributes.values() for prompts in values.values() for text in prompts]
    embedded = dict(zip(texts, F.normalize(embed_texts(path, texts), dim=1), strict=True))

    def direction(prompts: Sequence[str]) -> Tensor:
        return F.normalize(torch.stack([embedded[text] for text in prompts]).mean(dim=0), dim=0)

    # [d, values] of each attribute
    directions = {
        attribute: torch.stack([direction(prompts) for prompts in values.values()], dim=1).numpy()
        for attribute, values in attributes.items()
    }

    def classify(features: npt.NDArray[np.generic]) -> Codes:
        # The length of an image's features changes nothing about which direction is nearest.
        return {attribute: most_likely(features @ columns) for attribute, columns in directions.items()}

    return Classifier(
        "clip_zero_shot",
        spec_hash([entry.sha256, {name: list(values.items()) for name, values in attributes.items()}]),
        entry.licence,
        f"open_clip {MODEL} zero-shot, mean of prompts",
        {attribute: tuple(values) for attribute, values in attributes.items()},
        classify,
    )
