"""The interface of classifiers."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

UNKNOWN = -1

Codes: TypeAlias = dict[str, npt.NDArray[np.int8]]


@dataclass(frozen=True)
class Classifier:
    """Predicts attributes of images, from the images or from an encoder's features.

    kind: its name in studies
    hash: of everything but the image that predictions depend on (weights, prompts), 16 hex digits
    licence: of the weights
    protocol: short description of the prediction
    values: attribute -> its values, in the order of their codes
    classify: features [n,d] of its encoder, or images uint8 [n,H,W,C] if it has none -> attribute -> codes int8 [n],
        UNKNOWN if undecided; independent of the other images of the batch
    """

    kind: str
    hash: str
    licence: str
    protocol: str
    values: Mapping[str, tuple[str, ...]]
    classify: Callable[[npt.NDArray[np.generic]], Codes]


def most_likely(scores: npt.NDArray[np.floating]) -> npt.NDArray[np.int8]:
    """The argmax of each row of `scores` [n,K] as a code int8 [n]; UNKNOWN for rows with NaN."""
    return np.where(np.isnan(scores).any(axis=1), UNKNOWN, scores.argmax(axis=1)).astype(np.int8)
