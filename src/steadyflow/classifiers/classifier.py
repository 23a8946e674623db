"""What every classifier is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

UNKNOWN = -1

Codes: TypeAlias = dict[str, npt.NDArray[np.int8]]


@dataclass(frozen=True)
class Classifier:
    """Predicts attributes of images, from the images or from features of them.

    kind: as studies call it
    hash: of all that its predictions depend on but the image (weights, prompts), 16 hex digits
    licence: of the weights
    protocol: how it predicts, in a few words
    values: attribute -> its values, in the order of their codes
    classify: features [n,d] of the encoder that it reads, or uint8 images [n,H,W,C] where it reads none -> of each
        attribute int8 [n], a code or UNKNOWN; each row of its own image alone
    """

    kind: str
    hash: str
    licence: str
    protocol: str
    values: Mapping[str, tuple[str, ...]]
    classify: Callable[[npt.NDArray[np.generic]], Codes]


def most_likely(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.int8]:
    """The code of the highest of each row's scores [n,K], UNKNOWN in rows with NaN: int8 [n]."""
    return np.where(np.isnan(scores).any(axis=1), UNKNOWN, scores.argmax(axis=1)).astype(np.int8)
