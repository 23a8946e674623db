"""Networks from files of weights, trained here or pretrained elsewhere; no code in the files is run."""

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from steadyflow.ground.artifacts import UserError, read_weights
from steadyflow.models.dit import DiT

LAST = ("final_layer.linear.weight", "final_layer.linear.bias")

Network = TypeVar("Network", bound=nn.Module)


def load_trained(build: Callable[..., Network], architecture: Mapping[str, Any], path: Path | str) -> Network:
    """`build(**architecture)` with the safetensors at `path`, written by a training of this library; in evaluation
    mode."""
    network = build(**architecture)
    network.load_state_dict(read_weights(path))
    return network.eval()


def load_dit_weights(model: nn.Module, path: Path | str) -> list[str]:
    """Loads a state dict with the keys of the public DiT and SiT code into a velocity model.

    `path` is a safetensors file by its suffix, otherwise one of `torch.save`: a state dict, or a dictionary with one
    under `ema` or else `model`, beside other entries such as a training's arguments. A prefix `module.` of all keys is
    dropped. Of a DiT that also predicts a variance (`learn_sigma`) the first half of the output channels is kept.

    Returns what was selected, dropped or cut, one sentence each. Raises UserError naming the file and the first key
    that is missing, unexpected or of another shape, and for a file with content other than tensors and plain values.

    The file does not say what the network predicts. SiT's linear interpolant with velocity prediction, the default of
    its code, is the convention here: t=0 noise, t=1 data, velocity x1 - x0. For others see docs/models.md.
    """
    path = Path(path)
    weights, notes = _read_state_dict(path)
    wanted = model.state_dict()
    if isinstance(model, DiT) and all(_is_doubled(weights.get(key), wanted[key]) for key in LAST):
        weights |= {key: _first_half(weights[key], model.patch, model.channels) for key in LAST}
        notes.append(f"{path}: {2 * model.channels} output channels, of which the last {model.channels} are cut")
    labels = "y_embedder.embedding_table.weight"
    if (labels in weights) != (labels in wanted):
        kind, other = ("a conditional", "no class labels") if labels in weights else ("an unconditional", "labels")
        raise UserError(f"{path}: weights of {kind} model ({labels}), but the model to fill takes {other}")
    require_shapes(path, weights, wanted, f"not the weights of this {type(model).__name__}")
    model.load_state_dict(weights)
    return notes


def read_torch_file(path: Path, expected: str) -> Any:
    """The content of a file written by `torch.save`, on the CPU. Raises UserError, ending with `expected`, otherwise.

    No code in the file is run: it may contain tensors, plain values and an argparse.Namespace of them only.
    """
    try:
        # The public DiT and SiT trainings save their arguments, a Namespace of plain values, with the weights.
        with torch.serialization.safe_globals([argparse.Namespace]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); {expected}") from error
    # Files that are not pickles, or are damaged, raise errors of many types.
    except Exception as error:
        raise UserError(
            f"{path}: not a file of PyTorch weights, or one with code in it, which is never run; {expected}"
        ) from error


def require_tensors(path: Path, found: Any, expected: str) -> dict[str, Tensor]:
    """`found`, if it is a dictionary of tensors by name. Raises UserError, ending with `expected`, otherwise."""
    pairs = found.items() if isinstance(found, dict) else ()
    if not pairs or not all(isinstance(name, str) and isinstance(tensor, Tensor) for name, tensor in pairs):
        raise UserError(f"{path}: not a dictionary of tensors; {expected}")
    return dict(pairs)


def require_shapes(path: Path | str, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor], trouble: str) -> None:
    """Raises UserError naming the first key, in sorted order, that is missing in one of them or differs in shape."""
    for name in sorted(found.keys() | wanted.keys()):
        shapes = [tensors[name].shape if name in tensors else None for tensors in (found, wanted)]
        if shapes[0] != shapes[1]:
            raise UserError(f"{path}: {trouble}: {name} is {_words(shapes[0])}, expected {_words(shapes[1])}")


def _words(shape: torch.Size | None) -> str:
    return "absent" if shape is None else f"of shape {list(shape)}"


def _read_state_dict(path: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Tensors by name, and notes on which entries of the file they are."""
    expected, notes = "expected a state dict, as .safetensors or of torch.save", []
    if path.suffix == ".safetensors":
        try:
            weights: Any = load_file(path)
        except OSError as error:
            raise UserError(f"{path}: cannot be read ({error.strerror or error}); {expected}") from error
        except SafetensorError as error:
            raise UserError(f"{path}: not a complete safetensors file ({error}); {expected}") from error
    else:
        weights = read_torch_file(path, expected)
    entry = next((name for name in ("ema", "model") if isinstance(weights, dict) and name in weights), None)
    if entry is not None:
        notes.append(f"{path}: the entry '{entry}' of {', '.join(map(repr, weights))}")
        weights = weights[entry]
    weights = require_tensors(path, weights, expected)
    if all(name.startswith("module.") for name in weights):
        notes.append(f"{path}: every key without its prefix 'module.'")
        weights = {name.removeprefix("module."): tensor for name, tensor in weights.items()}
    return weights, notes


def _is_doubled(found: Tensor | None, wanted: Tensor) -> bool:
    return found is not None and found.shape == (2 * len(wanted), *wanted.shape[1:])


def _first_half(parameter: Tensor, patch: int, channels: int) -> Tensor:
    """Outputs are ordered by (row in the patch, column, channel), so the channels are cut for each pixel."""
    pixels = parameter.unflatten(0, (patch * patch, 2 * channels))
    return pixels[:, :channels].flatten(0, 1).clone()
