"""A subset's rule, and what it was chosen by, in words."""

from collections.abc import Mapping
from typing import Any

RULES = {
    "random": "drawn at random (seed {seed})",
    "random_half": "half {part} of a random split into two (seed {seed})",
    "cluster_p": "from each cluster a quota in proportion to its size, nearest to the centre first",
    "cluster_p_inv": "from each cluster a quota in proportion to its size, furthest from the centre first",
    "cluster_b": "from each cluster an equal quota, or all it has, nearest to the centre first",
    "cluster_b_inv": "from each cluster an equal quota, or all it has, furthest from the centre first",
    "loss": "highest loss first",
    "loss_inv": "lowest loss first",
    "grad": "largest gradient first",
    "grad_inv": "smallest gradient first",
    "attribute_value": "all whose {attribute} is {value}",
    "attribute_balanced": "from each value of {attribute} an equal quota, or all there are, at random (seed {seed})",
}


def rule_in_words(spec: Mapping[str, Any]) -> str:
    """What a subset's spec keeps; a criterion without words here is called by its name and settings."""
    words = RULES.get(spec["criterion"])
    if words is not None:
        return words.format_map(spec)
    listed = settings({key: value for key, value in spec.items() if key != "criterion"})
    return f"by the criterion {spec['criterion']}" + (f" ({listed})" if listed else "")


def settings(spec: Mapping[str, Any]) -> str:
    """`k 24, restarts 4`: what a spec says of itself, but for its dataset and what a sentence has no room for."""
    plain = {key: value for key, value in spec.items() if isinstance(value, str | int | float) and key != "dataset"}
    return ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in plain.items())
