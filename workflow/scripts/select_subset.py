"""Stage: the ids that a criterion keeps, and their keys as plain text."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from steadyflow.artifacts import UserError, file_hash, read_array, read_json, write_json, write_parquet, write_text
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import DatasetInfo, attribute_codes, read_dataset_info, read_manifest
from steadyflow.prune import CRITERIA, keep_count
from steadyflow.prune.listing import read_listing
from steadyflow.prune.rows import aligned, flattened, unit_length
from steadyflow.study import Study, load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--subset", required=True, help="its name in the study")
parser.add_argument("--output", type=Path, required=True, help=".parquet; .json (rule) and .txt (keys) go beside it")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec, files = study.subsets[args.subset], paths.dataset_files(study, study.subsets[args.subset].dataset)
    manifest, info = read_manifest(files["manifest"]), read_dataset_info(files["info"])
    criterion = CRITERIA[spec.criterion]
    try:
        given = arguments(study, args.subset, manifest, info)
        drawn = criterion.choose(**{name: given[name] for name in criterion.needs})
    except UserError as error:
        raise UserError(f"subsets.{args.subset}: {error}") from error

    kept, multiplicity = np.unique(drawn, return_counts=True)
    rule = {
        "spec": spec.identity(),
        "n_from": len(given["ids"]),
        "n_kept": len(kept),
        "n_drawn": len(drawn),
        "dataset_hash": info.content_hash,
        "chosen_by": hashes(study, args.subset),
        "groups": group_sizes(given, drawn) if "group" in given else None,
    }
    write_text(args.output.with_suffix(".txt"), "".join(f"{key}\n" for key in manifest["key"].to_numpy()[kept]))
    write_json(args.output.with_suffix(".json"), rule)
    write_parquet(args.output, pd.DataFrame({"id": kept, "multiplicity": multiplicity}))


def arguments(study: Study, subset: str, manifest: pd.DataFrame, info: DatasetInfo) -> dict[str, Any]:
    """All that the subset's criterion may ask for, by the names that `prune.criteria` explains."""
    spec, files = study.subsets[subset], paths.chosen_by(study, subset)
    train = manifest[manifest["split"] == "train"]
    ids = train["id"].to_numpy()
    given: dict[str, Any] = {**dict(spec), "ids": ids}
    if hasattr(spec, "pruning_fraction"):
        given["keep"] = keep_count(len(ids), spec.pruning_fraction)
    if "clusters" in files:
        table = aligned(files["clusters"], ids)
        given |= {"group": table["cluster"].to_numpy(), "distance": table["distance"].to_numpy()}
        given["groups"] = [str(number) for number in range(study.clusterings[spec.clusters].k)]
    if "scores" in files:
        given["score"] = aligned(files["scores"], ids)[spec.criterion.partition("_")[0]].to_numpy()
    if "latents" in files:
        given["features"] = flattened(read_array(files["latents"]), ids)
    if "embeddings" in files:
        given["features"] = unit_length(read_array(files["embeddings"]), ids)
    if hasattr(spec, "attribute"):
        given |= attribute(spec, ids, manifest, info)
    if spec.members:
        given["members"] = [pd.read_parquet(paths.subset_files(study, name)["subset"])["id"] for name in spec.members]
    if hasattr(spec, "file"):
        given["listed"] = read_listing(spec.file, train.set_index("id")["key"], spec.entries)
    return given


def attribute(spec: Any, ids: np.ndarray, manifest: pd.DataFrame, info: DatasetInfo) -> dict[str, Any]:
    """The codes of its values as groups, their names, and the code of the value that is asked for."""
    codes = attribute_codes(manifest, info)
    if spec.attribute not in codes:
        raise UserError(f"unknown attribute '{spec.attribute}' (known: {', '.join(codes) or 'none'})")
    values = info.classes if spec.attribute == "label" else info.attributes[spec.attribute]
    given = {"group": codes[spec.attribute][ids], "groups": values}
    if not hasattr(spec, "value"):
        return given
    if spec.value not in values:
        raise UserError(f"{spec.attribute} has no value '{spec.value}' (known: {', '.join(values)})")
    return given | {"value": values.index(spec.value)}


def hashes(study: Study, subset: str) -> dict[str, dict[str, str]]:
    """Of each file that the subset is chosen by, and of what that one says it was made from."""
    found = {}
    for kind, file in paths.chosen_by(study, subset).items():
        made_from = {key: value for key, value in read_json(paths.sidecar(file)).items() if key.endswith("_hash")}
        found[kind] = {"hash": file_hash(file), **made_from}
    if hasattr(study.subsets[subset], "file"):
        found["file"] = {"hash": file_hash(study.subsets[subset].file)}
    return found


def group_sizes(given: dict[str, Any], drawn: np.ndarray) -> dict[str, list]:
    """Names of the groups, and how many images of each there are before and after, repeated ones as often as drawn."""
    group = given["group"]
    after = group[np.searchsorted(given["ids"], drawn)]
    sizes = [np.bincount(codes[codes >= 0], minlength=len(given["groups"])).tolist() for codes in (group, after)]
    return {"names": given["groups"], "before": sizes[0], "after": sizes[1]}


run_stage(main)
