"""Classifiers: the attributes of images, as a network perceives them. Imports no torch until one is opened."""

from steadyflow.classifiers.classifier import UNKNOWN, Classifier
from steadyflow.classifiers.registry import load_classifier

__all__ = ["UNKNOWN", "Classifier", "load_classifier"]
