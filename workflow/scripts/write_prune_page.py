"""Stage: the page that shows what a study's subsets keep and drop."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import read_json, write_text
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import ImageStore, attribute_codes, read_dataset_info, read_manifest
from steadyflow.prune import CRITERIA
from steadyflow.prune.keyed import keyed_permutation
from steadyflow.report import prune_facts as facts
from steadyflow.report.prune_page import Thumbnail, prune_page, thumbnails
from steadyflow.report.prune_words import rule_in_words, settings
from steadyflow.study import Study, load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--output", type=Path, required=True, help=".html")

CHOSEN_BY = {
    "clusters": ["clusterings"],
    "scores": ["scorings", "runs"],
    "encoder": ["encoders"],
    "tokenizer": ["tokenizers"],
}
"""Field of a spec -> sections of the study that it names an entry of."""


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    pages = [dataset_page(study, name, args.output.parent) for name in study.pruned_datasets]
    write_text(args.output, prune_page(study.name, pages))


def dataset_page(study: Study, dataset: str, folder: Path) -> tuple[facts.DatasetFacts, dict[int, Thumbnail]]:
    """What the page in `folder` says of a dataset, and its pictures by id."""
    files = paths.dataset_files(study, dataset)
    info, manifest = read_dataset_info(files["info"]), read_manifest(files["manifest"])
    codes, values = attribute_codes(manifest, info), {"label": info.classes, **info.attributes}
    ids = manifest.loc[manifest["split"] == "train", "id"].to_numpy()
    shuffled = ids[keyed_permutation(0, "examples", len(ids))]
    names, overlaps = study.subsets_of(dataset), read_json(paths.overlaps_file(study, dataset))
    subsets = {name: pd.read_parquet(paths.subset_files(study, name)["subset"]) for name in names}
    kept = {name: table["id"].to_numpy() for name, table in subsets.items()}
    clusters = {
        name: pd.read_parquet(paths.clusters_files(study, name)["clusters"]) for name in study.pruned_by(dataset)
    }

    def group_sizes(name: str) -> Iterator[facts.Grouping]:
        shown = getattr(study.subsets[name], "clusters", None) or next(iter(clusters), None)
        if shown is not None:
            table, k = clusters[shown], study.clusterings[shown].k
            is_kept = np.isin(table["id"], kept[name])
            numbers = [str(number) for number in range(k)]
            sizes = facts.grouping(f"clusters of {shown}, largest first", numbers, table["cluster"].to_numpy(), is_kept)
            yield facts.largest_first(sizes)
        is_kept = np.isin(ids, kept[name])
        attributes = [facts.grouping(key, values[key], column[ids], is_kept) for key, column in codes.items()]
        yield from facts.most_shifted(attributes)

    def examples(name: str) -> Iterator[facts.Examples]:
        count = facts.examples_a_row(len(names))
        yield from facts.drawn_examples(shuffled, kept[name], count)
        spec = study.subsets[name]
        if hasattr(spec, "clusters"):
            table = clusters[spec.clusters]
            rankings = {"distance to the centre of its cluster": table["distance"]}
        elif hasattr(spec, "scores"):
            table = pd.read_parquet(paths.scores_file(study, spec.scores))
            rankings = {measure: table[measure] for measure in study.scorings[spec.scores].measures}
        else:
            return
        for what, value in rankings.items():
            yield from facts.ranked_examples(table["id"].to_numpy(), value.to_numpy(), what, kept[name], count)

    def subset_facts(name: str) -> facts.SubsetFacts:
        spec, lists = study.subsets[name], paths.subset_files(study, name)
        return facts.SubsetFacts(
            name=name,
            label=spec.label,
            rule=rule_in_words(CRITERIA[spec.criterion].keeps, spec.identity()),
            chosen_by=chosen_by(study, spec),
            n_kept=len(kept[name]),
            drawn=int(subsets[name]["multiplicity"].sum()),
            kept_list=os.path.relpath(lists["kept"], folder),
            dropped_list=os.path.relpath(lists["dropped"], folder),
            groupings=list(group_sizes(name)),
            examples=list(examples(name)),
        )

    page = facts.DatasetFacts(
        name=dataset,
        counts=info.counts,
        resolution=info.resolution,
        channels=info.channels,
        clusterings=[clustering_facts(study, name, table) for name, table in clusters.items()],
        subsets=[subset_facts(name) for name in names],
        overlaps=[[1.0 if a == b else overlaps[a]["overlap"][b] for b in names] for a in names],
    )
    keys = manifest["key"].iloc[page.shown_ids].to_dict()
    return page, thumbnails(page.shown_ids, ImageStore(files["images"]).read, keys)


def clustering_facts(study: Study, name: str, table: pd.DataFrame) -> facts.ClusteringFacts:
    columns = (table[column].to_numpy() for column in ("id", "cluster", "distance"))
    spec = study.clusterings[name]
    said = "; ".join([settings(spec.identity()), *chosen_by(study, spec)])
    return facts.ClusteringFacts(name, said, spec.k, facts.shown_clusters(*columns))


def chosen_by(study: Study, spec) -> list[str]:
    """What a spec rests on, and what that rests on, one line each."""
    lines = []
    for field, sections in CHOSEN_BY.items():
        name = getattr(spec, field, None)
        for section in sections if name is not None else ():
            named = getattr(study, section)[name]
            lines += [f"{section[:-1]} {name}: {settings(named.identity())}", *chosen_by(study, named)]
    for name in getattr(spec, "members", ()):
        member = study.subsets[name]
        lines += [f"subset {name}: {settings(member.identity())}", *chosen_by(study, member)]
    return lines


run_stage(main)
