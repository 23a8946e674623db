"""A subset's rule, and what it was chosen by, in words."""

from collections.abc import Mapping
from typing import Any


def rule_in_words(keeps: str, spec: Mapping[str, Any]) -> str:
    """What a criterion keeps, with the settings of a subset's spec behind it."""
    listed = settings({key: value for key, value in spec.items() if key != "criterion"})
    return f"{keeps} ({listed})" if listed else keeps


def settings(spec: Mapping[str, Any]) -> str:
    """`k 24, restarts 4`: what a spec says of itself, but for its dataset and what a sentence has no room for."""
    plain = {key: value for key, value in spec.items() if isinstance(value, str | int | float) and key != "dataset"}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in plain.items())
