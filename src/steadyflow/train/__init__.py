"""One engine trains everything; what is trained is an objective, a small function."""

from steadyflow.train.engine import Batch, Objective, Schedule, Trained, train
from steadyflow.train.objectives import (
    AdversarialTerm,
    PerceptualTerm,
    Revival,
    classification,
    denoising,
    explicit_flow_matching,
    flow_matching,
    reconstruction,
)

__all__ = [
    "AdversarialTerm",
    "Batch",
    "Objective",
    "PerceptualTerm",
    "Revival",
    "Schedule",
    "Trained",
    "classification",
    "denoising",
    "explicit_flow_matching",
    "flow_matching",
    "reconstruction",
    "train",
]
