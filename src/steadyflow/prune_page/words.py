"""A subset's rule, and what it was chosen by, in words."""

from collections.abc import Iterable, Mapping
from typing import Any

_LISTED = 10


def rule_in_words(keeps: str, spec: Mapping[str, Any]) -> str:
    """What a criterion keeps, followed by the settings of a subset's spec in parentheses."""
    listed = settings({key: value for key, value in spec.items() if key != "criterion"})
    return f"{keeps} ({listed})" if listed else keeps


def settings(spec: Mapping[str, Any]) -> str:
    """`k 24, restarts 4, drop 0 3 17`: the scalars and lists of a spec, without its dataset."""
    values = {key: _in_words(value) for key, value in spec.items() if key != "dataset"}
    return ", ".join(f"{key.replace('_', ' ')} {words}" for key, words in values.items() if words)


def dependencies_in_words(entries: Iterable[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
    """A line like `clustering k24: k 24, seed 0` for each (section, name, spec) that something is made from."""
    return [f"{section.removesuffix('s')} {name}: {settings(spec)}" for section, name, spec in entries]


def _in_words(value: Any) -> str:
    """A scalar, or the first entries of a list; "" for an unset value or a mapping."""
    if isinstance(value, list | tuple):
        more = f" and {len(value) - _LISTED} more" if len(value) > _LISTED else ""
        return " ".join(map(str, value[:_LISTED])) + more
    return str(value) if isinstance(value, str | int | float) else ""
