"""Seeds of trainings that name none, and `repeats`: trainings that differ in nothing but chance."""

import hashlib

import pytest
from support.studies import STUDIES, study
from support.tiny import TINY

from steadyflow.design.arms import arms
from steadyflow.ground.artifacts import UserError, spec_hash
from steadyflow.study import load_study, parse_study
from steadyflow.study.repeats import seed_of_name


def seeds(made):
    return {name: run.seed for name, run in made.runs.items()}


def test_the_seed_of_a_run_that_names_none_is_a_hash_of_its_name():
    first_bytes = hashlib.sha256(b"run half").hexdigest()[:8]
    assert seed_of_name("half") == int(first_bytes, 16) == 1836420615
    found = seeds(study())
    assert found["half"] == 1836420615
    assert len(set(found.values())) == len(found)
    # It is the run's alone: whatever else the study holds.
    assert seeds(study(runs__late={"subset": "half"}))["half"] == 1836420615


def test_a_named_seed_fixes_one_run_and_that_of_the_defaults_all_others():
    found = seeds(study(runs__half__seed=3, defaults__runs__seed=5))
    assert found == {"surrogate": 5, "all": 5, "half": 3, "near": 5, "hard": 5}
    assert seeds(study(runs__half__seed=0))["half"] == 0


@pytest.mark.parametrize("file", STUDIES, ids=lambda file: file.stem)
def test_no_two_runs_of_a_study_share_a_seed_unless_it_says_so(file):
    found = seeds(load_study(file))
    named = {name for name in found if found[name] != seed_of_name(name)}
    hashed = [found[name] for name in found if name not in named]
    assert len(set(hashed)) == len(hashed)
    assert not set(hashed) & {found[name] for name in named}


def test_results_of_an_earlier_steadyflow_are_kept_by_a_default_seed():
    """The identity that the run `unpruned` of the tiny study had when seeds were 0 by default."""
    before = "9745c1d5b4811bfd"
    kept = parse_study({**TINY, "defaults": {"runs": {**TINY["defaults"]["runs"], "seed": 0}}})
    now = parse_study(TINY)
    assert spec_hash(kept.runs["unpruned"].identity()) == before != spec_hash(now.runs["unpruned"].identity())


def test_repeats_are_runs_of_their_own_that_follow_the_first():
    made = study(runs__half__repeats=3, runs__half__label="one half", subsets__half__label="half a")
    assert list(made.runs) == ["surrogate", "all", "half", "half.2", "half.3", "near", "hard"]
    assert made.evaluations["faces"].runs == ("all", "half", "half.2", "half.3", "near", "hard")
    assert [made.label(f"half{end}") for end in ("", ".2", ".3")] == ["one half", "one half (2)", "one half (3)"]
    assert list(made.subsets) == ["half", "half.2", "half.3", "near", "hard"]
    assert made.subsets["half.2"].label == "half a (2)"
    first, *others = (made.runs[f"half{end}"] for end in ("", ".2", ".3"))
    assert first == study(runs__half__label="one half").runs["half"].model_copy(update={"repeats": 3})
    for number, run in enumerate(others, start=2):
        assert run.seed == seed_of_name(f"half.{number}")
        assert run.subset == f"half.{number}"
        same = {"seed": first.seed, "subset": first.subset}
        assert {**run.identity(), **same} == first.identity()
    assert len({made.subsets[run.subset].seed for run in (first, *others)}) == 3


def test_repeats_change_no_identity():
    once, thrice = study(), study(defaults__runs__repeats=3)
    assert all(thrice.runs[name].identity() == run.identity() for name, run in once.runs.items())
    assert all(thrice.subsets[name].identity() == subset.identity() for name, subset in once.subsets.items())


def test_a_named_seed_is_of_the_first_and_decides_the_others():
    """Two runs that share a seed on purpose share it in every repeat."""
    made = study(runs__half={"subset": "half", "seed": 7, "repeats": 2}, runs__near={"seed": 7, "repeats": 2})
    found = seeds(made)
    assert found["half"] == found["near"] == 7
    assert found["half.2"] == found["near.2"] not in (7, seed_of_name("half.2"))


def test_every_draw_of_a_subset_has_its_own_null_model():
    made = study(runs__half__repeats=2, runs__near__repeats=2, evaluations__faces__null_model=True)
    null_models = made.null_models("faces")
    assert (null_models["half"], null_models["half.2"]) == ("half.gaussian", "half.2.gaussian")
    assert null_models["near"] == null_models["near.2"]
    assert made.runs["all.untrained"].seed == seed_of_name("all.untrained")


def test_only_subsets_drawn_by_chance_are_drawn_again():
    made = study(runs__near__repeats=2, runs__hard__repeats=2)
    assert (made.runs["near.2"].subset, made.runs["hard.2"].subset) == ("near", "hard")
    assert list(made.subsets) == ["half", "near", "hard"]


@pytest.mark.parametrize(("drop", "by_chance"), [(2, True), ([1, 3], False)])
def test_clusters_dropped_by_name_are_the_same_in_every_repeat(drop, by_chance):
    made = study(
        subsets__fewer={"criterion": "drop_clusters", "drop": drop}, runs__fewer={"subset": "fewer", "repeats": 2}
    )
    assert ("fewer.2" in made.subsets) == by_chance


def test_what_is_derived_from_chance_is_derived_again():
    """Disjoint subsets stay disjoint: the second complement is that of the second half."""
    derived = {
        "subsets__rest": {"criterion": "complement", "of": "half"},
        "subsets__both": {"criterion": "intersection", "of": ["rest", "near"]},
        "subsets__far": {"criterion": "complement", "of": "near"},
    }
    runs = {f"runs__{name}": {"subset": name, "repeats": 2} for name in ("rest", "both", "far")}
    made = study(**derived, **runs)
    assert made.subsets["rest.2"].of == "half.2"
    assert made.subsets["both.2"].of == ("rest.2", "near")
    assert made.runs["far.2"].subset == "far"
    assert made.runs["half"].subset == "half" and "half.2" not in made.runs


def test_the_draws_of_two_halves_are_halves_of_one_split():
    made = study(
        subsets__other={"criterion": "random_half", "part": "b"},
        runs__half__repeats=3,
        runs__other={"subset": "other", "repeats": 2},
        evaluations__faces__inverse_pairs=[["half", "other"], ["near", "half"]],
    )
    assert made.subsets["half.2"].seed == made.subsets["other.2"].seed != made.subsets["half"].seed
    # The i-th with the i-th, as often as both are trained.
    assert made.evaluations["faces"].inverse_pairs == (("half", "other"), ("half.2", "other.2"), ("near", "half"))


def test_an_evaluation_or_the_defaults_repeat_what_is_evaluated():
    of_evaluation = study(evaluations__faces__repeats=2, runs__near__repeats=1, runs__half__repeats=3)
    assert [name for name in of_evaluation.runs if "." in name] == ["all.2", "half.2", "half.3", "hard.2"]
    of_defaults = study(defaults__runs__repeats=2, runs__hard__weights="w.pt")
    assert [name for name in of_defaults.runs if "." in name] == ["all.2", "half.2", "near.2"]
    assert "surrogate.2" in study(runs__surrogate__repeats=2).runs
    most = study(defaults__runs__repeats=2, evaluations__faces__repeats=4).runs
    assert sum(name.startswith("near") for name in most) == 4


def test_the_repeats_of_a_run_are_one_arm():
    made = study(defaults__runs__repeats=3)
    found = arms(made, "faces")
    names = [tuple(f"{run}{end}" for end in ("", ".2", ".3")) for run in ("all", "half", "near", "hard")]
    assert [arm.runs for arm in found] == names
    assert [arm.kind for arm in found] == ["reference", "subset", "subset", "subset"]


@pytest.mark.parametrize("section", ["runs", "subsets"])
def test_a_name_that_a_repeat_needs_is_refused(section):
    entry = {"subset": "near"} if section == "runs" else {"criterion": "random", "pruning_fraction": 0.5}
    with pytest.raises(UserError, match=rf"^{section}\.half\.2: is the name of repeat 2 of 'half', .*otherwise$"):
        study(runs__half__repeats=2, **{f"{section}__half.2": entry})


@pytest.mark.parametrize("count", [0, -1, 1.5])
def test_repeats_are_counted(count):
    with pytest.raises(UserError, match=r"^runs\.half\.repeats: "):
        study(runs__half__repeats=count)
