"""Which classifiers there are, and how one is opened."""

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from steadyflow.artifacts import UserError
from steadyflow.classifiers.classifier import Classifier
from steadyflow.classifiers.probe import load_probe_heads
from steadyflow.fetch.lock import Locked, entry_of, verified

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
    """The classifier of a kind, opened from its files alone.

    kind: "probe", "clip_zero_shot" or "paligemma"
    attributes: what a study says of them: for clip_zero_shot attribute -> value -> prompts, for paligemma
        attribute -> {"question": ..., "answers": value -> words}; a probe has its own
    files: what our training of a probe left; CLIP's file of `lock`; all files of PaliGemma's folder
    device: of PaliGemma, the one that looks at images; the others need none

    Raises UserError for a file that is missing or not what it has to be, and names the extra to install where a library
    is missing.
    """
    paths = [Path(file) for file in files]
    if kind == "probe":
        return load_probe_heads({path.name: path for path in paths})
    if kind == "clip_zero_shot":
        (path,) = paths
        entry = entry_of(lock, path.name)
        return _module(kind, "encoders").load(verified(path, entry), attributes, entry)
    if kind == "paligemma":
        return _module(kind, "paligemma").load(paths, attributes, device)
    raise UserError(f"classifier '{kind}': unknown (known: probe, clip_zero_shot, paligemma)")


def _module(kind: str, extra: str) -> ModuleType:
    """Imported when it is asked for: its library is heavy, and may not be installed."""
    try:
        return importlib.import_module(f"steadyflow.classifiers.{kind}")
    except ImportError as error:
        raise UserError(
            f"classifier '{kind}': its library cannot be imported ({error}); install it by "
            f"pip install 'steadyflow[{extra}]'"
        ) from error
