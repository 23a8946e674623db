"""One engine trains everything; what is trained is an objective, a small function."""

from steadyflow.train.engine import Batch, Objective, Schedule, Trained, train
from steadyflow.train.objectives import classification, flow_matching, reconstruction

__all__ = ["Batch", "Objective", "Schedule", "Trained", "classification", "flow_matching", "reconstruction", "train"]
