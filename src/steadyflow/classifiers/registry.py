"""The classifiers by kind."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from steadyflow.classifiers.classifier import Classifier
from steadyflow.classifiers.probe import load_probe_heads
from steadyflow.fetch.lock import Locked, entry_of, verified
from steadyflow.ground.artifacts import UserError

if TYPE_CHECKING:
    import torch


def load_classifier(
    kind: str,
    attributes: Mapping[str, Any],
    files: Sequence[Path | str],
    *,
    lock: Mapping[str, Locked],
    device: "torch.device | None" = None,
) -> Classifier:
    """Loads a classifier.

    kind: "probe", "clip_zero_shot" or "paligemma"
    attributes: as in a study, for clip_zero_shot attribute -> value -> prompts, for paligemma
        attribute -> {"question": ..., "answers": value -> words}; a probe has its own
    files: weights.safetensors and config.json of a probe, CLIP's file of `lock`, or all files of PaliGemma's folder
    device: of PaliGemma, which reads images; the others read features, and need none

    Raises UserError for an unknown kind, a missing or wrong file, and a missing library, naming the extra to install.
    """
    if kind not in _OPEN:
        raise UserError(f"classifier '{kind}': unknown (known: {', '.join(_OPEN)})")
    return _OPEN[kind]([Path(file) for file in files], attributes, lock, device)


def _module(kind: str, extra: str) -> ModuleType:
    """The kind's module, imported on first use: its library is heavy, and may not be installed."""
    try:
        return importlib.import_module(f"steadyflow.classifiers.{kind}")
    except ImportError as error:
        raise UserError(
            f"classifier '{kind}': its library cannot be imported ({error}); install it by "
            f"pip install 'steadyflow[{extra}]'"
        ) from error


_Lock = Mapping[str, Locked]
_Device: TypeAlias = "torch.device | None"


def _probe(files: list[Path], attributes: Mapping[str, Any], lock: _Lock, device: _Device) -> Classifier:
    return load_probe_heads({file.name: file for file in files})


def _clip_zero_shot(files: list[Path], attributes: Mapping[str, Any], lock: _Lock, device: _Device) -> Classifier:
    (file,) = files
    entry = entry_of(lock, file.name)
    return _module("clip_zero_shot", "encoders").load(verified(file, entry), attributes, entry)


def _paligemma(files: list[Path], attributes: Mapping[str, Any], lock: _Lock, device: _Device) -> Classifier:
    return _module("paligemma", "paligemma").load(files, attributes, device)


_OPEN: Mapping[str, Callable[[list[Path], Mapping[str, Any], _Lock, _Device], Classifier]] = {
    "probe": _probe,
    "clip_zero_shot": _clip_zero_shot,
    "paligemma": _paligemma,
}
