"""One training loop for all networks; an objective, a small function, gives the loss."""

from steadyflow.train.checkpoint import delete_checkpoints
from steadyflow.train.clock import Cadence
from steadyflow.train.engine import Batch, Execution, Objective, Schedule, Trained, Validation, train
from steadyflow.train.objectives import (
    OBJECTIVES,
    denoising,
    explicit_flow_matching,
    flow_matching,
    validation_losses,
    velocity_objective,
)
from steadyflow.train.probe import accuracy, classification, train_probe
from steadyflow.train.samples import Samples, VelocityData, latent_samples, open_velocity_data
from steadyflow.train.tokenizer import (
    AdversarialTerm,
    PerceptualTerm,
    Revival,
    fresh_tokenizer,
    initialise_codebook,
    reconstruction,
    train_tokenizer,
)
from steadyflow.train.velocity import NO_CURVE, pretrained_velocity, train_velocity, velocity_architecture

__all__ = [
    "NO_CURVE",
    "OBJECTIVES",
    "AdversarialTerm",
    "Batch",
    "Cadence",
    "Execution",
    "Objective",
    "PerceptualTerm",
    "Revival",
    "Samples",
    "Schedule",
    "Trained",
    "Validation",
    "VelocityData",
    "accuracy",
    "classification",
    "delete_checkpoints",
    "denoising",
    "explicit_flow_matching",
    "flow_matching",
    "fresh_tokenizer",
    "initialise_codebook",
    "latent_samples",
    "open_velocity_data",
    "pretrained_velocity",
    "reconstruction",
    "train",
    "train_probe",
    "train_tokenizer",
    "train_velocity",
    "validation_losses",
    "velocity_architecture",
    "velocity_objective",
]
