"""The heads of a probe, applied to its own features."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt

from steadyflow.classifiers.classifier import Classifier, Codes, most_likely
from steadyflow.ground.artifacts import UserError, read_json


def load_probe_heads(files: Mapping[str, Path]) -> Classifier:
    """`files` are weights.safetensors and config.json, as written by the stage train_probe. Raises UserError for an
    incomplete file."""
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    config, path = read_json(files["config.json"]), files["weights.safetensors"]
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise UserError(
            f"{path}: not a complete safetensors file ({error}); delete it and run its stage again"
        ) from error

    def classify(features: npt.NDArray[np.generic]) -> Codes:
        return {
            attribute: most_likely(
                features @ weights[f"heads.{attribute}.weight"].T + weights[f"heads.{attribute}.bias"]
            )
            for attribute in config["values"]
        }

    values = {attribute: tuple(names) for attribute, names in config["values"].items()}
    return Classifier("probe", config["weights_hash"], "trained here", "heads of the probe", values, classify)
