"""Selects a subset by its settings and the files of other stages: the stage select_subset."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steadyflow.data.images import DatasetInfo, attribute_codes, train_ids
from steadyflow.ground.artifacts import UserError, file_hash, read_array, read_json
from steadyflow.prune.criteria import CRITERIA
from steadyflow.prune.inputs import aligned, flattened, unit_length
from steadyflow.prune.listing import read_listing
from steadyflow.prune.quotas import keep_count

Arguments = dict[str, Any]
"""Arguments of criteria by name, see `prune.criteria`."""

MEMBER = "subset "
"""Prefix of the kind of a file that is another subset."""


@dataclass(frozen=True)
class Selection:
    """A selected subset.

    ids: int64 [m], the images kept, increasing
    multiplicity: int64 [m], how often each is repeated
    n_from: number of images from which they were selected
    groups: for a criterion by groups, their names and sizes before and after, counted with multiplicity
    """

    ids: np.ndarray
    multiplicity: np.ndarray
    n_from: int
    groups: dict[str, list[Any]] | None


def select_subset(
    settings: Mapping[str, Any], manifest: pd.DataFrame, info: DatasetInfo, files: Mapping[str, Path | str]
) -> Selection:
    """Applies a criterion to a dataset's training images.

    settings: `criterion`, and its settings in a study (pruning_fraction, seed, attribute, ...)
    manifest, info: of the dataset
    files: kind -> input file: "clusters", "scores", "latents", "embeddings", "attributes" as predicted,
        each with its JSON beside it, and "subset NAME" for each subset from which this one is derived

    Raises UserError as the criterion does, for an unknown attribute or value, and for files of other images.
    """
    given = _arguments(settings, manifest, info, files)
    criterion = CRITERIA[settings["criterion"]]
    drawn = criterion.choose(**{name: given[name] for name in criterion.needs})
    ids, multiplicity = np.unique(drawn, return_counts=True)
    return Selection(ids, multiplicity, len(given["ids"]), _group_sizes(given, drawn) if "group" in given else None)


def input_hashes(files: Mapping[str, Path | str], listed: Path | str | None = None) -> dict[str, dict[str, str]]:
    """Hashes of the `files` of `select_subset`, with the input hashes in the JSON beside each, and the hash of a user's
    list."""
    found = {}
    for kind, file in files.items():
        made_from = {key: value for key, value in _sidecar(file).items() if key.endswith("_hash")}
        found[kind] = {"hash": file_hash(file), **made_from}
    return found if listed is None else {**found, "file": {"hash": file_hash(listed)}}


def _arguments(
    settings: Mapping[str, Any], manifest: pd.DataFrame, info: DatasetInfo, files: Mapping[str, Path | str]
) -> Arguments:
    """All arguments that the criterion may need."""
    ids = train_ids(manifest)
    given: Arguments = {**settings, "ids": ids}
    for kind, file in files.items():
        if not kind.startswith(MEMBER):
            given |= _OF_FILES[kind](file, ids, settings)
    given["members"] = [
        pd.read_parquet(file)["id"].to_numpy() for kind, file in files.items() if kind.startswith(MEMBER)
    ]
    for setting, arguments in _OF_SETTINGS.items():
        if setting in settings and not (setting == "attribute" and "attributes" in files):
            given |= arguments(settings, manifest, info)
    return given


def _of_clusters(file: Path | str, ids: np.ndarray, settings: Mapping[str, Any]) -> Arguments:
    table = aligned(file, ids)
    names = [str(number) for number in range(_sidecar(file)["k"])]
    return {"group": table["cluster"].to_numpy(), "groups": names, "distance": table["distance"].to_numpy()}


def _of_scores(file: Path | str, ids: np.ndarray, settings: Mapping[str, Any]) -> Arguments:
    # loss, loss_inv and loss_ccs use the column loss.
    return {"score": aligned(file, ids)[settings["criterion"].partition("_")[0]].to_numpy()}


def _of_predictions(file: Path | str, ids: np.ndarray, settings: Mapping[str, Any]) -> Arguments:
    codes, values = pd.read_parquet(file), _sidecar(file)["values"]
    return _of_groups(settings, {name: codes[name].to_numpy()[ids] for name in values}, values)


_OF_FILES: Mapping[str, Callable[[Path | str, np.ndarray, Mapping[str, Any]], Arguments]] = {
    "clusters": _of_clusters,
    "scores": _of_scores,
    "latents": lambda file, ids, settings: {"features": flattened(read_array(file), ids)},
    "embeddings": lambda file, ids, settings: {"features": unit_length(read_array(file), ids)},
    "attributes": _of_predictions,
}
"""Kind of a file -> function that returns the arguments from it."""


def _of_fraction(settings: Mapping[str, Any], manifest: pd.DataFrame, info: DatasetInfo) -> Arguments:
    return {"keep": keep_count(len(train_ids(manifest)), settings["pruning_fraction"])}


def _of_attribute(settings: Mapping[str, Any], manifest: pd.DataFrame, info: DatasetInfo) -> Arguments:
    """By the dataset's own labels and attributes."""
    ids = train_ids(manifest)
    codes = {name: every[ids] for name, every in attribute_codes(manifest, info).items()}
    return _of_groups(settings, codes, {**info.attributes, "label": info.classes or []})


def _of_groups(
    settings: Mapping[str, Any], codes: Mapping[str, np.ndarray], values: Mapping[str, Sequence[str]]
) -> Arguments:
    """The codes of the attribute's values as groups, their names, and the code of the value in `settings`."""
    attribute = settings["attribute"]
    if attribute not in codes:
        raise UserError(f"unknown attribute '{attribute}' (known: {', '.join(codes) or 'none'})")
    names = list(values[attribute])
    given: Arguments = {"group": codes[attribute], "groups": names}
    if "value" not in settings:
        return given
    if settings["value"] not in names:
        raise UserError(f"{attribute} has no value '{settings['value']}' (known: {', '.join(names)})")
    return given | {"value": names.index(settings["value"])}


def _of_list(settings: Mapping[str, Any], manifest: pd.DataFrame, info: DatasetInfo) -> Arguments:
    keys = manifest[manifest["split"] == "train"].set_index("id")["key"]
    return {"listed": read_listing(settings["file"], keys, settings["entries"])}


_OF_SETTINGS: Mapping[str, Callable[[Mapping[str, Any], pd.DataFrame, DatasetInfo], Arguments]] = {
    "pruning_fraction": _of_fraction,
    "attribute": _of_attribute,
    "file": _of_list,
}
"""Setting -> function that returns the arguments from it and the dataset."""


def _group_sizes(given: Arguments, drawn: np.ndarray) -> dict[str, list[Any]]:
    group = given["group"]
    after = group[np.searchsorted(given["ids"], drawn)]
    sizes = [np.bincount(codes[codes >= 0], minlength=len(given["groups"])).tolist() for codes in (group, after)]
    return {"names": given["groups"], "before": sizes[0], "after": sizes[1]}


def _sidecar(file: Path | str) -> Any:
    return read_json(Path(file).with_suffix(".json"))
