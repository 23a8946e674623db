"""Stage: the page that shows what a study's subsets keep and drop."""

import os

import pandas as pd

from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest
from steadyflow.ground.artifacts import read_json, write_text
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.prune import CRITERIA
from steadyflow.prune_page import Clustering, Selection, dataset_facts, prune_page, thumbnails
from steadyflow.prune_page.facts import DatasetFacts
from steadyflow.prune_page.page import Thumbnail
from steadyflow.prune_page.words import dependencies_in_words, rule_in_words, settings
from steadyflow.stages.data import dataset_artifacts
from steadyflow.stages.pruning import (
    clusters_artifacts,
    dropped_list,
    kept_list,
    overlaps_artifact,
    scores_artifact,
    subset_artifact,
)
from steadyflow.stages.stage import file_of
from steadyflow.study import Study
from steadyflow.study.dependencies import dependencies
from steadyflow.study.specs.fields import Spec

parser = stage_parser("write_prune_page", __doc__)


def main(job: StageRun) -> None:
    pages = [dataset_page(job, name) for name in job.study.pruned_datasets]
    write_text(job.outputs["page"], prune_page(job.study.name, pages))


def dataset_page(job: StageRun, dataset: str) -> tuple[DatasetFacts, dict[int, Thumbnail]]:
    """What the page shows of a dataset, and its pictures by id."""
    study, files = job.study, {name: job.file(each) for name, each in dataset_artifacts(dataset).items()}
    manifest = read_manifest(files["manifest"])
    facts = dataset_facts(
        dataset,
        read_dataset_info(files["info"]),
        manifest,
        {name: clustering(job, name) for name in study.pruned_by(dataset)},
        {name: selection(job, name) for name in study.subsets_of(dataset)},
        {name: row["overlap"] for name, row in read_json(job.file(overlaps_artifact(dataset))).items()},
    )
    keys = dict(zip(facts.shown_ids, manifest["key"].iloc[facts.shown_ids], strict=True))
    return facts, thumbnails(facts.shown_ids, ImageStore(files["images"]).read, keys)


def clustering(job: StageRun, name: str) -> Clustering:
    spec = job.study.clusterings[name]
    words = "; ".join([settings(spec.identity()), *dependency_lines(job.study, spec)])
    return Clustering(spec.k, words, pd.read_parquet(job.file(clusters_artifacts(job.study, name)["clusters"])))


def selection(job: StageRun, name: str) -> Selection:
    spec, folder = job.study.subsets[name], job.outputs["page"].parent
    return Selection(
        label=spec.label,
        rule=rule_in_words(CRITERIA[spec.criterion].keeps, spec.identity()),
        chosen_by=dependency_lines(job.study, spec),
        table=pd.read_parquet(job.file(subset_artifact(job.study, name))),
        kept_list=os.path.relpath(file_of(job.study, kept_list(job.study, name)), folder),
        dropped_list=os.path.relpath(file_of(job.study, dropped_list(job.study, name)), folder),
        clusters=getattr(spec, "clusters", None),
        scores=scores(job, spec),
    )


def scores(job: StageRun, spec: Spec) -> pd.DataFrame | None:
    """The scores that a subset is chosen by, if any: id and its scoring's measures."""
    name = getattr(spec, "scores", None)
    if name is None:
        return None
    columns = ["id", *job.study.scorings[name].measures]
    return pd.read_parquet(job.file(scores_artifact(job.study, name)), columns=columns)


def dependency_lines(study: Study, spec: Spec) -> list[str]:
    entries = dependencies(study, spec)
    return dependencies_in_words((section, name, entry.identity()) for section, name, entry in entries)


if __name__ == "__main__":
    run_stage(parser, main)
