"""A folder of small pictures in two classes, and a study that prunes it."""

from pathlib import Path

import numpy as np
import yaml
from PIL import Image

# No run, no tokenizer: pruning by clusters needs neither.
FOLDER_STUDY = yaml.safe_load("""
name: folder
datasets:
  photos: {source: folder, path: set by the test, resolution: 16, val_fraction: 0.2}
encoders:
  probe: {width: 8, feature_dim: 16, steps: 10, batch_size: 16}
clusterings:
  k4: {k: 4, restarts: 1, compare_k: [2, 4]}
subsets:
  cluster_b-0.5: {criterion: cluster_b, pruning_fraction: 0.5}
  random-0.3: {criterion: random, pruning_fraction: 0.3}
""")


def write_photos(folder: Path, per_class: int = 20) -> Path:
    """RGB pictures of 20x20 as FOLDER/{round,square}/00.png..., the same for the same arguments."""
    side = np.arange(20)
    distance = np.hypot(side - 9.5, side[:, None] - 9.5)
    shapes = {"round": distance < 7, "square": np.maximum(abs(side - 9.5), abs(side[:, None] - 9.5)) < 7}
    for place, (name, shape) in enumerate(shapes.items()):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            colours = np.random.default_rng([place, number]).integers(0, 256, (2, 3), dtype=np.uint8)
            Image.fromarray(colours[shape.astype(int)]).save(folder / name / f"{number:02}.png")
    return folder
