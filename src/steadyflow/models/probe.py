"""The probe: a small classifier of the dataset's own attributes, whose penultimate layer is an encoder.

It replaces pretrained encoders in studies without downloads, so that every table exists for them. Distances in its
feature space are comparable only within one study.
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Probe(nn.Module):
    """Images in [-1, 1] of shape [B,C,H,W] -> features [B, feature_dim]; `heads` maps features to class logits."""

    def __init__(self, *, image_channels: int, width: int, feature_dim: int, targets: Mapping[str, int]) -> None:
        super().__init__()
        stages, channels = [], image_channels
        for out in (width, 2 * width, 4 * width):
            stages += [nn.Conv2d(channels, out, 3, stride=2, padding=1), nn.GroupNorm(out // 8, out), nn.ReLU()]
            stages += [nn.Conv2d(out, out, 3, padding=1), nn.GroupNorm(out // 8, out), nn.ReLU()]
            channels = out
        self.trunk = nn.Sequential(*stages)
        # Mean and maximum over positions.
        self.project = nn.Linear(2 * channels, feature_dim)
        self.heads = nn.ModuleDict({name: nn.Linear(feature_dim, classes) for name, classes in targets.items()})
        self.to(memory_format=torch.channels_last)

    def forward(self, images: Tensor) -> Tensor:
        h = self.trunk(images)
        return F.relu(self.project(torch.cat([h.mean((2, 3)), h.amax((2, 3))], dim=1)))

    def classify(self, features: Tensor) -> dict[str, Tensor]:
        """Logits per attribute, [B, number of values]."""
        return {name: head(features) for name, head in self.heads.items()}
