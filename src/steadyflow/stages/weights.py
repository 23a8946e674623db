"""Files of pretrained networks, outside the results: fetched beforehand, never amid a computation."""

import os
from collections.abc import Mapping
from pathlib import Path

from steadyflow.fetch.lock import Locked, described, entry_of, read_lock
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import PALIGEMMA_FOLDER, PALIGEMMA_REPO, VGG16_WEIGHTS
from steadyflow.stages.stage import External
from steadyflow.study import Study


def weights_lock() -> dict[str, Locked]:
    """resources/weights.lock, where the workflow says that it lies."""
    return read_lock(os.environ["WEIGHTS_LOCK"])


def weights_file(study: Study, name: str) -> str:
    """Where a file of resources/weights.lock lies once it is downloaded, or put there by hand."""
    return f"{study.downloads}/weights/{name}"


def needed_weights(study: Study) -> list[str]:
    """All files of resources/weights.lock that the study needs, each once."""
    needed = [*([VGG16_WEIGHTS] if study.uses_lpips else []), *study.encoder_weights]
    return [weights_file(study, name) for name in dict.fromkeys(needed)]


def archive_of(study: Study, lock: Mapping[str, Locked], name: str) -> list[str]:
    """The archive that holds a file of the lock."""
    archive = lock[name].inside
    return [weights_file(study, archive)] if archive else []


def pretrained(study: Study, *files: str) -> tuple[External, ...]:
    """Files of resources/weights.lock that have to be there before anything is computed."""
    return tuple(
        External(weights_file(study, file), required=lambda: _require_encoder_weights(study)) for file in files
    )


def paligemma(study: Study, classifier: str) -> tuple[External, ...]:
    """The files of PaliGemma, which is gated and in no lock; their folder, where there are none."""
    folder = weights_file(study, PALIGEMMA_FOLDER)
    files = sorted(str(file) for suffix in ("json", "safetensors") for file in Path(folder).glob(f"*.{suffix}"))
    return tuple(External(path, required=lambda: _require_paligemma(folder, classifier)) for path in files or [folder])


def _require_encoder_weights(study: Study) -> None:
    lock = weights_lock()
    needed = {weights_file(study, file): entry_of(lock, file) for file in study.encoder_weights}
    absent = [described(entry, path) for path, entry in needed.items() if not Path(path).is_file()]
    if absent:
        advice = "run `snakemake fetch` where there is a network, or fetch them elsewhere and put them there"
        raise UserError("\n".join([f"weights of the study's encoders are absent; {advice}:", *absent]))


def _require_paligemma(folder: str, classifier: str) -> None:
    if Path(folder, "config.json").is_file() and any(Path(folder).glob("*.safetensors")):
        return
    raise UserError(
        f"classifiers.{classifier}: {folder} does not hold the model {PALIGEMMA_REPO} (config.json, *.safetensors and "
        "others). It is gated, and `snakemake fetch` does not get it: accept the Gemma Terms of Use at "
        f"https://huggingface.co/{PALIGEMMA_REPO}, log in with a token of your own, and where there is a network "
        f"run\n  hf download {PALIGEMMA_REPO} --local-dir {folder}\n"
        "or name other `classifiers` in the evaluation (docs/fairness.md)."
    )
