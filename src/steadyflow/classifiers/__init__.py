"""Classifiers, which predict attributes of images. Importing the package does not import torch."""

from steadyflow.classifiers.classifier import UNKNOWN, Classifier
from steadyflow.classifiers.registry import load_classifier

__all__ = ["UNKNOWN", "Classifier", "load_classifier"]
