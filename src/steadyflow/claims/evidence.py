"""All that a study has measured on one dataset, as the rules read it."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from steadyflow.claims.bounds import Bounds
from steadyflow.ground.arm import Arm

Pair = tuple[str, str]
"""A run, and the run that it is compared with."""


@dataclass(frozen=True)
class Evidence:
    """Measurements of one dataset.

    quality, similarity, fairness: tidy tables of metrics; empty where nothing was measured
    arms: the reference's first
    inverse_pairs: runs whose training images are nearly disjoint
    encoder: the evaluation's first; claims on quality are judged in it
    similarity_encoders: all of the evaluation; claims on pairs are judged in the first unless they say otherwise
    labels: run -> its name in tables
    reproduces: the papers' dataset that this one is, a key of PAPER_DATASETS; "" if it is none
    clip_encoder: that of the evaluation's encoders which is CLIP; "" if none is
    by_k: criterion -> (number of clusters, run) of runs that differ in that number
    operations: run -> floating-point operations of one evaluation of its network
    loss: tidy table of held-out losses
    null_models: run -> the Gaussian flow of its training latents; None if the evaluation has none
    shared_seeds: pairs whose two trainings have one seed, so are not independent
    bounds: what verdicts are judged by
    distance: metric of the Fréchet distance, "fd" to held-out images or "fd_train" to training images
    """

    quality: pd.DataFrame
    similarity: pd.DataFrame
    fairness: pd.DataFrame
    arms: Sequence[Arm]
    inverse_pairs: Sequence[Pair]
    encoder: str
    similarity_encoders: Sequence[str]
    labels: dict[str, str]
    reproduces: str = ""
    clip_encoder: str = ""
    by_k: Mapping[str, Sequence[tuple[int, str]]] = field(default_factory=dict)
    operations: Mapping[str, float] = field(default_factory=dict)
    loss: pd.DataFrame = field(default_factory=pd.DataFrame)
    null_models: Mapping[str, str] | None = None
    shared_seeds: Collection[Pair] = ()
    bounds: Bounds = field(default_factory=Bounds)
    distance: str = "fd"

    @property
    def similarity_encoder(self) -> str:
        """The one that pairs are judged in."""
        return self.similarity_encoders[0]

    def compared_in(self, encoder: str) -> "Evidence":
        """The same, with pairs judged in another encoder."""
        return replace(self, similarity_encoders=(encoder,))

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

    def arm_of(self, run: str) -> Arm:
        """The arm that a run belongs to."""
        return next(arm for arm in self.arms if run in arm.runs)

    def pairs_with_reference(self, arms: Iterable[Arm]) -> list[Pair]:
        """Every training of `arms` beside one of the reference's: the i-th beside the i-th where several such pairs
        were compared, since these have no training in common; else each beside the reference run, but that itself."""
        return [pair for arm in arms for pair in self._pairs_of_arm(arm)]

    def _pairs_of_arm(self, arm: Arm) -> list[Pair]:
        compared = set(zip(self.similarity["run"], self.similarity["reference"], strict=True))
        apart = [pair for pair in zip(arm.runs, self.reference.runs, strict=False) if pair in compared]
        if len(apart) > 1 and arm != self.reference:
            return apart
        return [(run, self.reference_run) for run in arm.runs if run != self.reference_run]

    def arm_label(self, arm: Arm) -> str:
        several = f" ({len(arm.runs)} trainings)" if len(arm.runs) > 1 else ""
        return self.labels[arm.runs[0]] + several

    def pair_label(self, pair: Pair) -> str:
        run, reference = pair
        label = self.labels[run]
        return label if reference == self.reference_run else f"{label} against {self.labels[reference]}"
