"""Features of many images by an encoder, in a resumable table."""

from pathlib import Path
from typing import Any

import numpy as np

from steadyflow.data.pictures import Pictures
from steadyflow.data.rows import compute_rows
from steadyflow.encoders import Encoder
from steadyflow.evaluate.rows import mean_norm, with_features
from steadyflow.ground.artifacts import read_array


def embed_pictures(
    encoder: Encoder, pictures: Pictures, state: Path, *, batch_size: int, device: Any, seconds: float
) -> dict[str, Any]:
    """Fills the table at `state`, float32 [n,d], NaN where a picture is not usable or has no features. Returns its
    sidecar: hashes of its inputs, and the number of pictures without features.

    Under torchrun the batches are sharded. `seconds`: minimum time between two checkpoints.
    """
    read, usable = pictures.open(), pictures.usable
    made_of = {
        "encoder": encoder.kind,
        "protocol": encoder.protocol,
        "dim": encoder.dim,
        "encoder_hash": encoder.weights_hash,
        "images_hash": pictures.content_hash(),
    }
    compute_rows(
        lambda ids: encoder.encode(read(ids)),
        usable,
        state,
        (pictures.count, encoder.dim),
        np.float32,
        inputs=made_of,
        batch_size=batch_size,
        device=device,
        name="embed",
        seconds=seconds,
    )
    found = with_features(read_array(state), usable)
    return {
        **made_of,
        "licence": encoder.licence,
        "images": len(usable),
        "without_features": len(usable) - len(found),
        "l2_norm": {"mean": mean_norm(found), "normalised": False},
    }
