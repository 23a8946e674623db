"""The encoders by kind."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch

from steadyflow.encoders.encoder import Encoder, Extractor
from steadyflow.fetch.lock import Locked, entry_of, verified
from steadyflow.ground.artifacts import UserError

# Each is a module of this package, imported on first use: its library is heavy, and may not be installed.
PRETRAINED = ("inception", "clip", "dinov2", "arcface", "vgg16")


def load_encoder(
    kind: str,
    options: Mapping[str, str],
    files: Sequence[Path | str],
    *,
    lock: Mapping[str, Locked],
    device: torch.device,
) -> Encoder:
    """Loads an encoder.

    kind: "probe", or one of PRETRAINED
    options: further arguments of `build` in the kind's module, such as {"resize": "clean"}
    files: of a probe weights.safetensors and config.json, otherwise the kind's files of `lock` with their names there

    Raises UserError for an unknown kind, a file that is missing or has another hash than in the lock, and a missing
    library, naming the extra to install.
    """
    if kind == "probe":
        from steadyflow.encoders.probe import load_probe

        return load_probe({Path(path).name: Path(path) for path in files}, device)
    entries = [entry_of(lock, Path(path).name) for path in files]
    weights = {entry.name: verified(path, entry) for entry, path in zip(entries, files, strict=True)}
    hashes = "+".join(entry.sha256[:16] for entry in entries)
    licences = " and ".join(dict.fromkeys(entry.licence for entry in entries))
    return Encoder(kind, hashes, licences, _builder(kind)(weights, device, **options))


def _builder(kind: str) -> Callable[..., Extractor]:
    if kind not in PRETRAINED:
        raise UserError(f"encoder '{kind}': unknown (known: probe, {', '.join(PRETRAINED)})")
    try:
        return importlib.import_module(f"steadyflow.encoders.{kind}").build
    except ImportError as error:
        raise UserError(
            f"encoder '{kind}': its library cannot be imported ({error}); install it by "
            "pip install 'steadyflow[encoders]'"
        ) from error
