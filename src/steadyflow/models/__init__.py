"""The networks: velocity models, the tokenizer, the probe."""

from steadyflow.models.probe import Probe
from steadyflow.models.velocity import build_velocity
from steadyflow.models.vqvae import VQVAE, to_model_range, to_uint8

__all__ = ["VQVAE", "Probe", "build_velocity", "to_model_range", "to_uint8"]
