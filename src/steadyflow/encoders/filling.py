"""Networks that are built without weights, and filled from a file of others."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from steadyflow.models.weights import read_torch_file, require_shapes, require_tensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict saved by torch. Raises UserError for a file of anything else."""
    expected = f"expected {path.name} of resources/weights.lock"
    return require_tensors(path, read_torch_file(path, expected), expected)


def filled(
    build: Callable[[], nn.Module], weights: Mapping[str, Tensor], path: Path, device: torch.device
) -> nn.Module:
    """What `build` gives, with these weights of the file `path`: float32, frozen, in evaluation mode.

    Raises UserError with the first name that is missing, unexpected or of another shape.
    """
    # Without memory or random numbers: fast, and the caller's generator does not advance.
    with torch.device("meta"):
        network = build()
    weights = {name: tensor.float() for name, tensor in weights.items() if not _is_count(name)}
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not _is_count(name)}
    require_shapes(path, weights, wanted, f"not the weights of this {type(network).__name__}")
    network.load_state_dict(weights, strict=False, assign=True)
    return network.requires_grad_(False).eval().to(device)


def _is_count(name: str) -> bool:
    """Batches that a normalisation has seen: of use in training alone, and in some files absent."""
    return name.endswith("num_batches_tracked")
