"""Zero-shot classification by CLIP (Radford et al. 2021, section 3.1.4): the value with the nearest prompts."""

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
    """`path` is OpenAI's ViT-B-32.pt, the encoder of the features; `attributes`: attribute -> value -> prompts; `entry`
    is that of the lock."""
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
        # The norm of an image's features does not affect the argmax.
        return {attribute: most_likely(features @ columns) for attribute, columns in directions.items()}

    return Classifier(
        "clip_zero_shot",
        spec_hash([entry.sha256, {name: list(values.items()) for name, values in attributes.items()}]),
        entry.licence,
        f"open_clip {MODEL} zero-shot, mean of prompts",
        {attribute: tuple(values) for attribute, values in attributes.items()},
        classify,
    )
