"""Pictures, weights made here and lock entries that the tests of encoders share."""

import hashlib

import numpy as np
import torch
import torch.nn.functional as F

from steadyflow.encoders import load_encoder
from steadyflow.fetch.lock import Locked

CPU = torch.device("cpu")
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def pictures(count, side=40, channels=3, seed=0):
    """Smooth, with hard edges and both ends of the range: what resizings differ at."""
    rng = np.random.default_rng(seed)
    coarse = torch.from_numpy(rng.uniform(-80, 340, (count, channels, 6, 6)))
    smooth = F.interpolate(coarse, (side, side), mode="bilinear").movedim(1, -1).numpy()
    smooth[:, side // 3 : side // 2, side // 4 :] = rng.uniform(0, 255, (count, 1, 1, channels))
    return np.clip(np.rint(smooth), 0, 255).astype(np.uint8)


def locked(path, licence="MIT"):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return Locked(path.name, f"http://127.0.0.1/{path.name}", digest, licence)


def opened(kind, *files, **options):
    return load_encoder(kind, options, files, lock={path.name: locked(path) for path in files}, device=CPU)


def assert_close(found, expected, tolerance=2e-4):
    """Up to a share of the features' own size."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape and found.dtype == np.float32
    assert np.abs(found - expected).max() <= tolerance * np.abs(expected).max()


def random_state(network, seed=0):
    """Weights that keep every layer alive, and running statistics that are not those of a fresh network."""
    generator = torch.Generator().manual_seed(seed)

    def values(name, tensor):
        if not tensor.is_floating_point():
            return tensor
        noise = torch.randn(tensor.shape, generator=generator)
        if name.endswith("running_var"):
            return noise.abs() + 0.5
        fan_in = max(tensor[0].numel(), 1) if tensor.ndim > 1 else 25
        return noise * (2 / fan_in) ** 0.5 + (1.0 if tensor.ndim == 1 and name.endswith("weight") else 0.0)

    return {name: values(name, tensor) for name, tensor in network.state_dict().items()}
