"""Stage: the ids that a criterion keeps, and their keys as plain text."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import UserError, file_hash, write_json, write_parquet, write_text
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import attribute_codes, read_dataset_info, read_manifest
from steadyflow.prune import CRITERIA, keep_count
from steadyflow.study import load_study

parser = stage_parser(__doc__, study=True)
parser.add_argument("--subset", required=True, help="its name in the study")
parser.add_argument("--manifest", type=Path, required=True)
parser.add_argument("--info", type=Path, required=True, help="dataset.json")
parser.add_argument("--clusters", type=Path, help=".parquet: id, cluster, distance; for criteria of clusters")
parser.add_argument("--scores", type=Path, help=".parquet: id, loss, grad; for criteria of scores")
parser.add_argument("--output", type=Path, required=True, help=".parquet; .json (rule) and .txt (keys) go beside it")


def main() -> None:
    args = parser.parse_args()
    spec = load_study(args.study).subsets[args.subset]
    manifest, info = read_manifest(args.manifest), read_dataset_info(args.info)
    ids = manifest.loc[manifest["split"] == "train", "id"].to_numpy()
    arguments: dict = {"ids": ids}
    if hasattr(spec, "pruning_fraction"):
        arguments["keep"] = keep_count(len(ids), spec.pruning_fraction)
    if hasattr(spec, "seed"):
        arguments["seed"] = spec.seed
    if hasattr(spec, "part"):
        arguments["part"] = spec.part
    if args.clusters:
        ranked = pd.read_parquet(args.clusters)
        arguments |= {"cluster": ranked["cluster"].to_numpy(), "distance": ranked["distance"].to_numpy()}
    if args.scores:
        ranked = pd.read_parquet(args.scores)
        arguments["score"] = ranked[spec.criterion.removesuffix("_inv")].to_numpy()
    if args.clusters or args.scores:
        arguments["ids"] = ranked["id"].to_numpy()
    if hasattr(spec, "attribute"):
        codes, values = attribute_values(args.subset, spec.attribute, manifest, info)
        arguments["codes"] = codes[ids]
        if hasattr(spec, "value"):
            arguments["value_code"] = code_of(args.subset, spec, values)
    try:
        kept = CRITERIA[spec.criterion](**arguments)
    except UserError as error:
        raise UserError(f"subsets.{args.subset}: {error}") from error
    kept, quotas = kept if isinstance(kept, tuple) else (kept, None)

    rule = {
        "spec": spec.identity(),
        "n_from": len(ids),
        "n_kept": len(kept),
        "dataset_hash": info.content_hash,
        "ranking_hash": file_hash(args.clusters or args.scores) if args.clusters or args.scores else None,
        "quota_per_cluster": None if quotas is None else quotas.tolist(),
    }
    write_text(args.output.with_suffix(".txt"), "".join(f"{key}\n" for key in manifest["key"].to_numpy()[kept]))
    write_json(args.output.with_suffix(".json"), rule)
    write_parquet(args.output, pd.DataFrame({"id": kept, "multiplicity": np.ones(len(kept), dtype=np.int64)}))


def attribute_values(subset: str, attribute: str, manifest, info) -> tuple[np.ndarray, list[str]]:
    codes = attribute_codes(manifest, info)
    if attribute not in codes:
        raise UserError(f"subsets.{subset}.attribute: unknown '{attribute}' (known: {', '.join(codes) or 'none'})")
    return codes[attribute], info.classes if attribute == "label" else info.attributes[attribute]


def code_of(subset: str, spec, values: list[str]) -> int:
    if spec.value not in values:
        raise UserError(f"subsets.{subset}.value: {spec.attribute} has no '{spec.value}' (known: {', '.join(values)})")
    return values.index(spec.value)


run_stage(main)
