"""Builds networks and loads pretrained weights into them."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from steadyflow.models.weights import read_torch_file, require_shapes, require_tensors


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a state dict saved by torch. Raises UserError for other files."""
    expected = f"expected {path.name} of resources/weights.lock"
    return require_tensors(path, read_torch_file(path, expected), expected)


def filled(
    build: Callable[[], nn.Module], weights: Mapping[str, Tensor], path: Path, device: torch.device
) -> nn.Module:
    """The network that `build` returns, with these `weights` (from the file `path`): float32, frozen, in evaluation
    mode.

    Raises UserError naming the first key that is missing, unexpected or of another shape.
    """
    # On the meta device no random numbers are drawn, so the caller's generator does not advance.
    with torch.device("meta"):
        network = build()
    weights = {name: tensor.float() for name, tensor in weights.items() if not _is_count(name)}
    wanted = {name: tensor for name, tensor in network.state_dict().items() if not _is_count(name)}
    require_shapes(path, weights, wanted, f"not the weights of this {type(network).__name__}")
    network.load_state_dict(weights, strict=False, assign=True)
    return network.requires_grad_(False).eval().to(device)


def _is_count(name: str) -> bool:
    """The counter of a batch normalisation, which is used in training only, and absent in some files."""
    return name.endswith("num_batches_tracked")
