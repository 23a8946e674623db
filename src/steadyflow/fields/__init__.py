"""Runs as velocity fields: modules `field(x, t, y)` that are sampled, traced and measured alike, whether they were
trained or follow from the data in closed form."""

from steadyflow.fields.gaussian import GAUSSIAN, FittedGaussian, GaussianField, fit_gaussian
from steadyflow.fields.load import load_field

__all__ = ["GAUSSIAN", "FittedGaussian", "GaussianField", "fit_gaussian", "load_field"]
