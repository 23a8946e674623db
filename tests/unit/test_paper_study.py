"""studies/paper.yaml holds every training behind the figures and tables of both papers that a study can express."""

import csv
from itertools import product
from pathlib import Path

import pytest
import yaml

from steadyflow.design.arms import arms
from steadyflow.design.by_k import runs_by_k
from steadyflow.design.pairs import pairs_of_one_seed
from steadyflow.study import load_study, parse_study

ROOT = Path(__file__).parents[2]

SCORES = ("grad", "grad_inv", "loss", "loss_inv")
CLUSTERS = ("cluster_p", "cluster_p_inv", "cluster_b", "cluster_b_inv")
CRITERIA = ("random", *SCORES, *CLUSTERS)
GRID = (0.25, 0.5, 0.75, 0.9, 0.95)


def grid(criteria, suffix="", fractions=GRID):
    return {f"{criterion}-{fraction:g}{suffix}" for criterion, fraction in product(criteria, fractions)}


# source: how many trainings it is made of, and which
TARGETS = {
    "Amazing Stability, Table 1a": (10, {"unpruned"} | grid(CRITERIA, fractions=[0.5])),
    "Amazing Stability, Table 1a: three seeds": (3, {"random-0.5", "random-0.5.2", "random-0.5.3"}),
    "Amazing Stability, Fig. 1a": (2, {"half_a", "half_b"}),
    "Amazing Stability, Sec. 3: capacity": (3, {"DiT-XL-2", "DiT-S-4", "UNet-M"}),
    "Exploiting Stability, Fig. 3 and 15": (46, {"unpruned"} | grid(CRITERIA)),
    "Exploiting Stability, Sec. 3.1: seeds": (2, {"unpruned", "reseeded"}),
    "Exploiting Stability, Fig. 4a": (3, {"unpruned", "DiT-XL-2", "UNet-M"}),
    "Exploiting Stability, Fig. 4b": (2, {"female_only", "male_only"}),
    "Exploiting Stability, Fig. 4c": (1, {"ffhq_on_celebahq_tokenizer"}),
    "Exploiting Stability, Fig. 4d": (3, {"tokenizer_reseeded", "latent_flip_first", "latent_flip_all"}),
    "Exploiting Stability, Fig. 4e": (1, {"diffusion"}),
    "Exploiting Stability, Table 1": (
        6,
        {"unpruned", "grad-0.5", "loss_inv-0.5", "cluster_p-0.5", "cluster_b-0.5", "cluster_b_gender-0.5"},
    ),
    "Exploiting Stability, Table 2": (
        5,
        {"male_only-50k", "female_only-50k", "cluster_b_gender", "gender_oversampled", "unpruned"},
    ),
    "Exploiting Stability, Table 3": (9, grid(CRITERIA, fractions=[0.5])),
    "Exploiting Stability, Table 4": (
        8,
        {"unpruned", "half_clusters_removed"} | grid([*SCORES, "cluster_b", "cluster_b_inv"], fractions=[0.5]),
    ),
    "Exploiting Stability, App. A.1": (3, {"cluster_b-0.5", "cluster_b_kernel-0.5", "kernel_global-0.5"}),
    "Exploiting Stability, Fig. 7": (8, {f"cluster_b-0.7-k{k}" for k in (2, 4, 8, 12, 16, 24, 32, 48)}),
    "Exploiting Stability, App. A.3": (2, {"unpruned-celebahq-512", "cluster_b-0.5-celebahq-512"}),
    "Exploiting Stability, Fig. 14": (46, {"unpruned-ffhq"} | grid(CRITERIA, "-ffhq")),
    "Exploiting Stability, Fig. 6 and 10": (26, {"unpruned-imagenet"} | grid(["random", *CLUSTERS], "-imagenet")),
    "Closed Form, Fig. 4": (4, {"unpruned", "efm-128", "efm-256", "efm-1000"}),
    "OT-CFM slides": (2, {"unpruned", "ot"}),
}
# What the papers print numbers of, and a study cannot express yet, or what is no run of its own.
NOT_A_RUN = {"c2f_male-t0.7", "any", "criterion-0.5", "inverse-0.5", "uniform", ""}
NOT_OF_RUNS = {"exp_integral_lipschitz", "sampling_ms_per_image", "training_hours"}


@pytest.fixture(scope="module")
def study():
    """Without the null models, which nobody trains."""
    loaded = load_study(ROOT / "studies" / "paper.yaml")
    trained = {name: run for name, run in loaded.runs.items() if not run.gaussian and run.steps}
    return loaded.model_copy(update={"runs": trained})


@pytest.mark.parametrize("source", TARGETS)
def test_every_figure_and_table_has_its_trainings(study, source):
    count, names = TARGETS[source]
    assert len(names) == count
    assert names <= study.runs.keys()
    evaluated = {name for evaluation in study.evaluations.values() for name in evaluation.runs}
    assert names <= evaluated


def test_nothing_else_is_trained(study):
    wanted = set().union(*(names for _, names in TARGETS.values()))
    repeats = {run for dataset in study.evaluations for arm in arms(study, dataset) for run in arm.runs[1:]}
    trained = {name for name, run in study.runs.items() if run.trained}
    assert trained - wanted - repeats == {"surrogate", "surrogate-ffhq"}
    assert len(trained) == 200 and len(repeats) == 46


@pytest.mark.parametrize(
    ("dataset", "thrice"),
    {
        "celebahq": {"unpruned", "half_a", "half_b"}
        | {"cluster_b_kernel-0.5", "kernel_global-0.5", "cluster_b_gender-0.5"}
        | grid(CRITERIA, fractions=[0.5]),
        "celebahq-512": {"unpruned-celebahq-512", "cluster_b-0.5-celebahq-512"},
        "ffhq": {"unpruned-ffhq"} | grid(["random", "cluster_b", "cluster_b_inv"], "-ffhq", [0.5]),
        "imagenet": {"unpruned-imagenet", "cluster_b-0.5-imagenet"},
    }.items(),
)
def test_both_sides_of_what_is_claimed_are_trained_three_times(study, dataset, thrice):
    several = [arm.runs for arm in arms(study, dataset) if len(arm.runs) > 1]
    assert thrice == {runs[0] for runs in several} and all(len(runs) == 3 for runs in several)
    seeds = [study.runs[run].seed for runs in several for run in runs]
    assert len(set(seeds)) == len(seeds) and pairs_of_one_seed(study, dataset) == []


def test_a_runs_name_says_what_it_is_trained_on(study):
    for criterion, fraction in product(CRITERIA, GRID):
        for suffix in ("", "-ffhq", "-imagenet"):
            if suffix == "-imagenet" and criterion in SCORES:
                continue
            run = study.runs[f"{criterion}-{fraction:g}{suffix}"]
            subset = study.subsets[run.subset]
            assert (subset.criterion, subset.pruning_fraction) == (criterion, fraction)
            assert run.dataset == subset.dataset == (suffix.removeprefix("-") or "celebahq")
            reference = study.runs[f"unpruned{suffix}"]
            assert run.identity() == {**reference.identity(), "subset": run.subset, "seed": run.seed}
    for repeat, run in study.runs.items():
        if not run.trained:
            continue
        name = repeat.removesuffix(".2").removesuffix(".3")
        assert name.endswith(f"-{run.dataset}") == (run.dataset != "celebahq") or name == "ffhq_on_celebahq_tokenizer"


def test_schedules_are_those_of_the_papers(study):
    said = {
        "unpruned": ("DiT-S/2", 140_000, 128),
        "unpruned-celebahq-512": ("DiT-S/2", 120_000, 256),
        "unpruned-ffhq": ("DiT-B/2", 150_000, 128),
        "unpruned-imagenet": ("DiT-XL/2", 200_000, 128),
        "cluster_b_gender": ("DiT-S/2", 80_000, 128),
        "gender_oversampled": ("DiT-S/2", 120_000, 128),
        "female_only-50k": ("DiT-S/2", 50_000, 128),
        "male_only-50k": ("DiT-S/2", 50_000, 128),
        "DiT-XL-2": ("DiT-XL/2", 140_000, 128),
    }
    for name, expected in said.items():
        run = study.runs[name]
        assert (run.model, run.steps, run.batch_size) == expected, name
    for name in ("surrogate", "surrogate-ffhq"):
        full = study.runs[name.replace("surrogate", "unpruned")].steps
        assert study.runs[name].steps == pytest.approx(0.07 * full, rel=0.03)
    assert study.runs["unpruned-imagenet"].conditional and not study.runs["unpruned"].conditional
    counts = {dataset: study.samplings[spec.sampling].count for dataset, spec in study.evaluations.items()}
    assert counts == {"celebahq": 4096, "celebahq-512": 4096, "ffhq": 4096, "imagenet": 10_000}
    assert study.clusterings["k24-celebahq"].k == study.clusterings["k24-ffhq"].k == 24
    assert study.clusterings["k1000-imagenet"].k == 1000
    assert len({spec.dataset for spec in study.tokenizers.values()}) == 4


def test_gender_is_that_which_paligemma_perceives(study):
    by_gender = [s for s in study.subsets.values() if s.criterion.startswith("attribute_")]
    assert {(s.attribute, s.classifier) for s in by_gender} == {("gender", "paligemma")}
    assert len(by_gender) == 4 + 2  # two repeats of the balanced one draw subsets of their own
    assert study.modes("celebahq") == {
        run: ("gender", run.partition("_")[0])
        for run in ("female_only", "male_only", "female_only-50k", "male_only-50k")
    }
    balanced = next(arm for arm in arms(study, "celebahq") if arm.criterion == "attribute_balanced")
    assert (balanced.kind, balanced.attribute) == ("subset", "gender")


def test_a_dataset_is_held_against_what_the_papers_print_of_it(study):
    assert {dataset: spec.reproduces for dataset, spec in study.evaluations.items()} == {
        dataset: dataset for dataset in study.datasets
    }


def test_the_two_transformers_of_the_workshop_paper_are_compared_with_each_other(study):
    assert ("DiT-XL-2", "DiT-S-4") in study.compared_pairs("celebahq")


def test_celebahq_is_evaluated_whole_and_beside_the_swapped_dataset(study):
    own = {name for name, run in study.runs.items() if run.dataset == "celebahq" and run.trained}
    assert set(study.evaluations["celebahq"].runs) == own - {"surrogate"} | {"ffhq_on_celebahq_tokenizer"}
    (line,) = runs_by_k(study, "celebahq").values()
    assert [k for k, _ in line] == [2, 4, 8, 12, 16, 24, 32, 48]


def test_the_papers_numbers_name_our_runs(study):
    """So that they can stand beside ours; where a row is of several criteria at once it says each_criterion."""
    with (ROOT / "resources/paper/scalars.csv").open(encoding="utf-8", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["quantity"] not in NOT_OF_RUNS]
    named = 0
    for row in rows:
        if row["dataset"] == "synth" or row["quantity"].startswith("closed_form"):
            continue
        suffix = "" if row["dataset"] == "celebahq" else f"-{row['dataset']}"
        for field in ("variant", "reference"):
            if row[field] in NOT_A_RUN or row[field].startswith("each_criterion"):
                continue
            assert f"{row[field]}{suffix}" in {**study.runs, **study.evaluations["celebahq"].mixtures}, row
            named += 1
    assert named > 80


SHARED = {"celebahq": "celebahq", "celebahq_512": "celebahq-512", "ffhq": "ffhq", "imagenet": "imagenet"}


def with_marked_lines(name):
    """The study with the lines that are marked by `#: `, and without the one that its comment tells to leave out."""
    text = (ROOT / "studies" / f"{name}.yaml").read_text(encoding="utf-8")
    kept = [line for line in text.splitlines() if "# without this line" not in line]
    return parse_study(yaml.safe_load("\n".join(kept).replace("#: ", "")))


@pytest.mark.parametrize(("name", "dataset"), SHARED.items())
def test_the_marked_lines_of_a_study_bring_the_papers_encoders(study, name, dataset):
    as_it_is, theirs = load_study(ROOT / "studies" / f"{name}.yaml").evaluations[dataset], with_marked_lines(name)
    assert all(each.startswith("probe-") for each in (*as_it_is.encoders, *as_it_is.similarity_encoders))
    for field in ("encoders", "similarity_encoders", "reproduces"):
        assert getattr(theirs.evaluations[dataset], field) == getattr(study.evaluations[dataset], field)
    papers = {each: spec for each, spec in theirs.encoders.items() if not each.startswith("probe-")}
    assert papers == {each: study.encoders[each] for each in papers} and len(papers) == 4
    assert {clustering.encoder for clustering in theirs.clusterings.values()} == {"clip"}


def test_the_marked_lines_of_ffhq_bring_its_clusters():
    found = with_marked_lines("ffhq")
    assert set(CLUSTERS) <= {subset.criterion for subset in found.subsets.values()}
    assert ("cluster_b-0.5", "cluster_b_inv-0.5") in found.evaluations["ffhq"].inverse_pairs


def test_imagenet_has_the_papers_fractions():
    found = load_study(ROOT / "studies" / "imagenet.yaml")
    balanced = {s.pruning_fraction for s in found.subsets.values() if s.criterion == "cluster_b"}
    assert balanced == {0.5, 0.75, 0.9, 0.95}
