"""Stage: the page that shows what a study's subsets keep and drop."""

import os
from pathlib import Path

import pandas as pd

from steadyflow.artifacts import read_json, write_text
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest
from steadyflow.prune import CRITERIA
from steadyflow.prune_page import Clustering, Selection, dataset_facts, prune_page, thumbnails
from steadyflow.prune_page.facts import DatasetFacts
from steadyflow.prune_page.page import Thumbnail
from steadyflow.prune_page.words import rule_in_words, settings, upstream_in_words
from steadyflow.study import Study, load_study, paths
from steadyflow.study.specs.fields import Spec
from steadyflow.study.upstream import upstream

parser = stage_parser(__doc__, study=True)
parser.add_argument("--output", type=Path, required=True, help=".html")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    pages = [dataset_page(study, name, args.output.parent) for name in study.pruned_datasets]
    write_text(args.output, prune_page(study.name, pages))


def dataset_page(study: Study, dataset: str, folder: Path) -> tuple[DatasetFacts, dict[int, Thumbnail]]:
    """What the page in `folder` shows of a dataset, and its pictures by id."""
    files = paths.dataset_files(study, dataset)
    manifest = read_manifest(files["manifest"])
    facts = dataset_facts(
        dataset,
        read_dataset_info(files["info"]),
        manifest,
        {name: clustering(study, name) for name in study.pruned_by(dataset)},
        {name: selection(study, name, folder) for name in study.subsets_of(dataset)},
        {name: row["overlap"] for name, row in read_json(paths.overlaps_file(study, dataset)).items()},
    )
    keys = manifest["key"].iloc[facts.shown_ids].to_dict()
    return facts, thumbnails(facts.shown_ids, ImageStore(files["images"]).read, keys)


def clustering(study: Study, name: str) -> Clustering:
    spec = study.clusterings[name]
    words = "; ".join([settings(spec.identity()), *upstream_lines(study, spec)])
    return Clustering(spec.k, words, pd.read_parquet(paths.clusters_files(study, name)["clusters"]))


def selection(study: Study, name: str, folder: Path) -> Selection:
    spec, files = study.subsets[name], paths.subset_files(study, name)
    return Selection(
        label=spec.label,
        rule=rule_in_words(CRITERIA[spec.criterion].keeps, spec.identity()),
        chosen_by=upstream_lines(study, spec),
        table=pd.read_parquet(files["subset"]),
        kept_list=os.path.relpath(files["kept"], folder),
        dropped_list=os.path.relpath(files["dropped"], folder),
        clusters=getattr(spec, "clusters", None),
        scores=scores(study, spec),
    )


def scores(study: Study, spec: Spec) -> pd.DataFrame | None:
    """The scores that a subset is chosen by, if any: id and its scoring's measures."""
    name = getattr(spec, "scores", None)
    if name is None:
        return None
    return pd.read_parquet(paths.scores_file(study, name), columns=["id", *study.scorings[name].measures])


def upstream_lines(study: Study, spec: Spec) -> list[str]:
    entries = upstream(study, spec)
    return upstream_in_words((section, name, entry.identity()) for section, name, entry in entries)


if __name__ == "__main__":
    run_stage(main)
