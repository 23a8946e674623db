"""One engine trains everything; what is trained is an objective, a small function."""

from steadyflow.train.clock import Cadence
from steadyflow.train.engine import Batch, Objective, Schedule, Trained, Watch, train
from steadyflow.train.objectives import (
    AdversarialTerm,
    PerceptualTerm,
    Revival,
    classification,
    denoising,
    explicit_flow_matching,
    flow_matching,
    losses_over_time,
    reconstruction,
)
from steadyflow.train.state import forget_state

__all__ = [
    "AdversarialTerm",
    "Batch",
    "Cadence",
    "Objective",
    "PerceptualTerm",
    "Revival",
    "Schedule",
    "Trained",
    "Watch",
    "classification",
    "denoising",
    "explicit_flow_matching",
    "flow_matching",
    "forget_state",
    "losses_over_time",
    "reconstruction",
    "train",
]
