"""Encoders: images in, features out. Each brings images to its network as the library does that made it known."""

from steadyflow.encoders.encoder import Encoder
from steadyflow.encoders.registry import load_encoder

__all__ = ["Encoder", "load_encoder"]
