"""All that a study has measured on one dataset, as the rules read it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from steadyflow.ground.arm import Arm

Pair = tuple[str, str]
"""A run, and the run that it is compared with."""


@dataclass(frozen=True)
class Evidence:
    """Measurements of one dataset.

    quality, similarity, fairness: tidy tables of metrics; empty where nothing was measured
    arms: the reference's first
    inverse_pairs: runs whose training images are nearly disjoint
    encoder, similarity_encoder: the evaluation's first of each kind; claims are judged in these two
    labels: run -> its name in tables
    conditional: whether the reference run is conditional on labels
    loss: tidy table of held-out losses
    null_models: run -> the Gaussian flow of its training latents; None if the evaluation has none
    """

    quality: pd.DataFrame
    similarity: pd.DataFrame
    fairness: pd.DataFrame
    arms: Sequence[Arm]
    inverse_pairs: Sequence[Pair]
    encoder: str
    similarity_encoder: str
    labels: dict[str, str]
    conditional: bool
    loss: pd.DataFrame = field(default_factory=pd.DataFrame)
    null_models: Mapping[str, str] | None = None

    @property
    def reference(self) -> Arm:
        return self.arms[0]

    @property
    def reference_run(self) -> str:
        """The run that all others are compared with: the reference arm's first."""
        return self.reference.runs[0]

    def of_kind(self, *kinds: str) -> list[Arm]:
        """The arms that differ from the reference in one of these kinds alone."""
        return [arm for arm in self.arms if arm.kind in kinds]

    def pruned_by(self, *criteria: str, fraction: float | None = 0.5) -> list[Arm]:
        """Arms that differ from the reference in their subset alone, chosen by one of `criteria` at this fraction, or
        at any for None."""
        of_subset = [arm for arm in self.of_kind("subset") if arm.criterion in criteria]
        return [arm for arm in of_subset if fraction is None or arm.pruning_fraction == fraction]

    def pairs_with_reference(self, arms: Iterable[Arm]) -> list[Pair]:
        """Every run of `arms` beside the reference run, but that run itself."""
        return [(run, self.reference_run) for arm in arms for run in arm.runs if run != self.reference_run]

    def arm_label(self, arm: Arm) -> str:
        several = f" ({len(arm.runs)} trainings)" if len(arm.runs) > 1 else ""
        return self.labels[arm.runs[0]] + several

    def pair_label(self, pair: Pair) -> str:
        run, reference = pair
        label = self.labels[run]
        return label if reference == self.reference_run else f"{label} against {self.labels[reference]}"
