"""Fields from what a run leaves: its architecture, in run.json, and its weights."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from steadyflow.fields.gaussian import GAUSSIAN, GaussianField
from steadyflow.models import build_velocity, load_trained

EXACT: dict[str, Callable[..., nn.Module]] = {GAUSSIAN: GaussianField}
"""Fields in closed form by the name in their architecture; the others are networks."""


def load_field(architecture: Mapping[str, Any], weights: Path | str) -> nn.Module:
    """The field x [B,C,h,w], t [B], y int64 [B] or None -> velocity [B,C,h,w] of a run, in evaluation mode on the CPU.

    `architecture` is that of the run's run.json, `weights` its safetensors.
    """
    return load_trained(EXACT.get(architecture["name"], build_velocity), architecture, weights)
