"""The networks: velocity models, the tokenizer, the probe."""

from steadyflow.models.discriminator import PatchDiscriminator, hinge
from steadyflow.models.probe import Probe
from steadyflow.models.velocity import build_velocity, compile_blocks, forward_flops
from steadyflow.models.vqvae import VQVAE, to_model_range, to_uint8
from steadyflow.models.weights import load_dit_weights, load_trained

__all__ = [
    "VQVAE",
    "PatchDiscriminator",
    "Probe",
    "build_velocity",
    "compile_blocks",
    "forward_flops",
    "hinge",
    "load_dit_weights",
    "load_trained",
    "to_model_range",
    "to_uint8",
]
