"""An edit of a study reruns what depends on it, and nothing else. Dry runs on a finished study."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from support.workspace import Finished, edited

from steadyflow.stages.exhibits import FIGURES, TABLES

pytestmark = pytest.mark.pipeline

OF_CLUSTERS = ("cluster_b-0.5", "cluster_b_inv-0.5", "cluster_b-0.5-k5", "cluster_b-0.75")
OF_MODES = ("threes", "eights")
RUNS = ("surrogate", "unpruned", *OF_CLUSTERS, *OF_MODES, "conditional", "diffusion", "flipped")
EVALUATED = RUNS[1:]
FLOWS = [f"{run}.gaussian" for run in ("unpruned", *OF_CLUSTERS, *OF_MODES, "conditional", "flipped")]
NULLS = [*FLOWS, "unpruned.untrained"]
# What shows the data and what is made of them before any run.
OF_TOKENIZERS = {"tokenizers", "tokenizer_reconstructions", "tokenizer_curves"}
OF_DATA = {"dataset_samples", "number_of_clusters", "cluster_sizes"} | OF_TOKENIZERS


def plan(finished: Finished, edits: dict[str, Any], *arguments: object) -> set[str]:
    study = finished.write(edited(finished.raw, edits), "edited.yaml")
    return finished.planned("all", *arguments, study=study)


def chain(run: str) -> set[str]:
    """One evaluated run: its training, its loss, its samples, their features, attributes and quality, its paths."""
    return (
        traced(*[run] if run in TRACED or run not in EVALUATED else [])
        | losses(*[run] if run != "diffusion" else [])
        | {
            f"train_run dataset=digits run={run}",
            f"sample_run dataset=digits run={run} sampling=euler",
            f"embed_samples dataset=digits encoder=probe run={run} sampling=euler",
            f"classify_samples dataset=digits classifier=probe run={run} sampling=euler",
        }
        | qualities(run, *(["threes_and_eights"] if run in OF_MODES else []))
    )


def null_chain(run: str) -> set[str]:
    """One null model."""
    made = {
        f"train_run dataset=digits run={run}",
        f"sample_run dataset=digits run={run} sampling=euler",
        f"embed_samples dataset=digits encoder=probe run={run} sampling=euler",
    }
    return made | qualities(run) | losses(run)


def sampled(jobs: set[str]) -> set[str]:
    """Those that follow from how a run is sampled."""
    return {job for job in jobs if not job.startswith(("train_run", "measure_loss"))}


def losses(*runs: str) -> set[str]:
    return {f"measure_loss dataset=digits run={run}" for run in runs}


def qualities(*measured: str) -> set[str]:
    return {f"measure_quality dataset=digits measured={name}" for name in measured}


def traced(*runs: str) -> set[str]:
    return {f"trace_paths dataset=digits run={run} sampling=euler" for run in runs}


OF_CEILING = "embed_samples dataset=digits encoder=probe "
OF_PATHS = {"measure_paths dataset=digits", "write_path_deviation dataset=digits", "draw_path_distance dataset=digits"}
SAMPLE_MEASURES = {f"measure_{kind} dataset=digits" for kind in ("similarity", "fairness")}
# The reference under another solver.
CEILING = {f"{rule}run=unpruned sampling=heun" for rule in ("sample_run dataset=digits ", OF_CEILING)}
MEASURES = SAMPLE_MEASURES | {"measure_paths dataset=digits"}
# A diffusion run has no path.
TRACED = [run for run in EVALUATED if run != "diffusion"]


def shown(without: Iterable[str] = ()) -> set[str]:
    """Every table and figure, and the report of them."""
    tables = {f"write_{name} dataset=digits" for name in TABLES if name not in without}
    figures = {f"draw_{name} dataset=digits" for name in FIGURES if name not in without}
    return tables | figures | {"report"}


def test_an_unchanged_study_has_nothing_to_do(finished: Finished) -> None:
    before = finished.digests()
    assert "Nothing to be done" in finished.run("all", study=finished.path)
    assert finished.digests() == before


def test_a_learning_rate_reruns_its_run(finished: Finished) -> None:
    found = plan(finished, {"runs/cluster_b-0.5/learning_rate": 2e-3})
    # It is no longer compared by its number of clusters, or by its fraction, alone.
    alone = {"fd_by_k", "fd_by_fraction", "precision_recall_by_fraction"}
    assert found == chain("cluster_b-0.5") | MEASURES | shown(without=OF_DATA | alone)


def test_a_surrogate_reruns_what_its_scores_choose(finished: Finished) -> None:
    found = plan(finished, {"runs/surrogate/learning_rate": 2e-3})
    scores = {
        "train_run dataset=digits run=surrogate",
        "score_samples dataset=digits run=surrogate",
        "select_subset dataset=digits subset=loss-0.5",
        "list_dropped dataset=digits subset=loss-0.5",
        "write_prune_page",
        "compare_subsets dataset=digits",
    }
    chosen = chain("conditional") | null_chain("conditional.gaussian")
    assert found == scores | chosen | MEASURES | shown(without=OF_DATA - {"cluster_sizes"})


def test_numbers_of_clusters_to_compare_redraw_their_figure(finished: Finished) -> None:
    found = plan(finished, {"clusterings/k10/compare_k": [5, 15, 20]})
    numbers = "compare_cluster_numbers dataset=digits clustering=k10"
    assert found == {numbers, "draw_number_of_clusters dataset=digits", "report"}


def test_a_label_remakes_tables_and_figures_only(finished: Finished) -> None:
    assert plan(finished, {"runs/cluster_b-0.5/label": "another name"}) == shown()


def test_a_label_of_a_subset_remakes_the_pruning_page_only(finished: Finished) -> None:
    assert plan(finished, {"subsets/loss-0.5/label": "another name"}) == {"write_prune_page"}


def test_a_label_of_a_surrogate_does_nothing(finished: Finished) -> None:
    assert plan(finished, {"runs/surrogate/label": "another name"}) == set()


def test_paper_attributes_remake_tables_and_figures_only(finished: Finished) -> None:
    of_paper = {
        "evaluations/digits/paper_attributes": {"label": "kl_gender"},
        "evaluations/digits/reproduces": "celebahq",
    }
    assert plan(finished, of_paper) == shown()


PROMPTS = {"kind": "clip_zero_shot", "attributes": {"shape": {"round": ["a circle"], "straight": ["a line"]}}}


def test_a_classifier_more_is_asked_alone(finished: Finished) -> None:
    """Its own features and answers, fairness, and similarity by its classes; not quality."""
    edits = {f"clusterings/{name}/encoder": "probe" for name in ("k10", "k5")}
    edits |= {
        "evaluations/digits/encoders": ["probe"],
        "encoders/clip": {"kind": "clip"},
        "classifiers/prompts": PROMPTS,
    }
    weights = finished.directory / "downloads" / "weights" / "ViT-B-32.pt"
    weights.parent.mkdir(parents=True)
    weights.touch()
    try:
        found = plan(finished, edits)
    finally:
        shutil.rmtree(finished.directory / "downloads")
    own = {f"embed_samples dataset=digits encoder=clip run={run} sampling=euler" for run in EVALUATED}
    own |= {f"classify_samples dataset=digits classifier=prompts run={run} sampling=euler" for run in EVALUATED}
    own |= {"embed_images dataset=digits encoder=clip", "classify_images dataset=digits classifier=prompts"}
    assert found == own | SAMPLE_MEASURES | shown()


def test_tokenizer_steps_rerun_all_but_dataset_and_probe(finished: Finished) -> None:
    found = plan(finished, {"tokenizers/vqvae/steps": 21})
    below = {
        "train_tokenizer dataset=digits tokenizer=vqvae",
        "encode_latents dataset=digits tokenizer=vqvae",
        "measure_tokenizers dataset=digits",
        "train_run dataset=digits run=surrogate",
        "score_samples dataset=digits run=surrogate",
        "select_subset dataset=digits subset=loss-0.5",
        "list_dropped dataset=digits subset=loss-0.5",
        "write_prune_page",
        "compare_subsets dataset=digits",
    }
    runs = set().union(*map(chain, EVALUATED), *map(null_chain, NULLS))
    assert found == below | runs | CEILING | MEASURES | shown(without={"dataset_samples", "number_of_clusters"})


def test_a_sampling_reruns_no_training(finished: Finished) -> None:
    """Nor the sampling of a diffusion run, which has steps of its own."""
    found = plan(finished, {"samplings/euler/steps": 5})
    solved = [run for run in EVALUATED if run != "diffusion"]
    runs = sampled(set().union(*map(chain, solved), *map(null_chain, NULLS)))
    assert runs | MEASURES <= found
    # Tables and figures of the evaluation read its sampling; the report follows.
    assert found - runs - MEASURES <= shown()


def test_how_diffusion_is_sampled_resamples_diffusion_alone(finished: Finished) -> None:
    found = plan(finished, {"samplings/euler/diffusion": {"steps": 6}})
    assert not found & {"measure_paths dataset=digits"}
    assert found - MEASURES - shown() == sampled(chain("diffusion"))


def test_an_evaluation_alone_samples_nothing(finished: Finished) -> None:
    found = plan(finished, {"evaluations/digits/seed": 1})
    measured = qualities(*EVALUATED, "threes_and_eights", *NULLS) | {"measure_fairness dataset=digits"}
    assert found == measured | shown()


def test_more_paths_train_and_sample_nothing(finished: Finished) -> None:
    assert plan(finished, {"evaluations/digits/paths": 9}) == traced(*TRACED) | OF_PATHS | {"report"}


def test_without_paths_nothing_of_them_is_asked_for(finished: Finished) -> None:
    """Nor anything else done."""
    study = finished.write(edited(finished.raw, {"evaluations/digits/paths": 0}), "edited.yaml")
    done = finished.planned("all_tables", "all_figures", study=study)
    assert done == set()
    target = finished.target("digits", "samples", "unpruned", "euler", "paths.npy")
    assert finished.planned(target, study=study) == traced("unpruned")


def test_more_samples_trace_no_paths(finished: Finished) -> None:
    found = plan(finished, {"samplings/euler/count": 65, "samplings/heun/count": 65})
    assert "sample_run dataset=digits run=unpruned sampling=euler" in found
    assert not found & (traced(*TRACED) | {"measure_paths dataset=digits"})


def test_adding_a_run_makes_its_chain(finished: Finished) -> None:
    found = plan(finished, {"runs/reseeded": {"seed": 1, "label": "another seed"}})
    assert found - MEASURES - shown() == chain("reseeded")
    assert found >= MEASURES


@pytest.mark.parametrize(
    "arguments",
    [("--set-threads", "train_run=2", "train_tokenizer=1"), ("--config", "device=cpu")],
    ids=["threads", "device"],
)
def test_how_it_is_run_changes_nothing(finished: Finished, arguments: tuple[str, ...]) -> None:
    assert plan(finished, {}, *arguments) == set()


def test_cores_change_nothing(finished: Finished) -> None:
    assert finished.planned("all", study=finished.path, cores=1) == set()


def test_a_moved_study_file_changes_nothing(finished: Finished) -> None:
    moved = finished.write(finished.raw, "under_another_name.yaml")
    assert finished.planned("all", study=moved) == set()


def test_parsing_imports_no_torch(finished: Finished, tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("raise RuntimeError('torch was imported')\n", encoding="utf-8")
    environment = {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])])}
    check = subprocess.run([sys.executable, "-c", "import torch"], env=environment, capture_output=True, text=True)
    assert "torch was imported" in check.stderr
    study = finished.write(edited(finished.raw, {"runs/unpruned/seed": 1}), "edited.yaml")
    done = finished.snakemake("all", "--dry-run", study=study, environment=environment)
    assert done.returncode == 0, done.stdout
    assert "train_run" in done.stdout
