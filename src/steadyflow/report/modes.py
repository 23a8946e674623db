"""Runs that saw one value of an attribute alone, the modes of the papers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Modes:
    """What a table of modes compares, and by which classifier's predictions.

    labels: name -> display name of the runs, and mixtures of runs, that are compared
    attribute, values: the attribute whose values are the modes
    classifier: the one that predicts it
    """

    labels: Mapping[str, str]
    attribute: str
    values: Sequence[str]
    classifier: str
