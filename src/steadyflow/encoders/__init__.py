"""Encoders, from images to features. Each preprocesses images as the reference implementation does."""

from steadyflow.encoders.encoder import Encoder
from steadyflow.encoders.registry import load_encoder

__all__ = ["Encoder", "load_encoder"]
