"""A subset's rule, and what it was chosen by, in words."""

from collections.abc import Mapping
from typing import Any

_LISTED = 10


def rule_in_words(keeps: str, spec: Mapping[str, Any]) -> str:
    """What a criterion keeps, with the settings of a subset's spec behind it."""
    listed = settings({key: value for key, value in spec.items() if key != "criterion"})
    return f"{keeps} ({listed})" if listed else keeps


def settings(spec: Mapping[str, Any]) -> str:
    """`k 24, restarts 4, drop 0 3 17`: what a spec says of itself, but for its dataset and mappings."""
    said = {key: _in_words(value) for key, value in spec.items() if key != "dataset"}
    return ", ".join(f"{key.replace('_', ' ')} {words}" for key, words in said.items() if words)


def _in_words(value: Any) -> str:
    """A long list by its first entries; nothing for what is left out, or for a mapping."""
    if isinstance(value, list | tuple):
        more = f" and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        return " ".join(map(str, value[:_LISTED])) + more
    return str(value) if isinstance(value, str | int | float) else ""
