"""Which pairs of trainings are compared beside each run with the reference, and which share a seed."""

from support.arms_study import study

from steadyflow.design.pairs import pairs_of_one_seed, pairs_of_repeats

HALVES = {"half_a": {"subset": "half_a"}, "half_b": {"subset": "half_b"}}


def evaluated(**settings):
    return {"digits": {"reference": "unpruned", **settings}}


def test_the_second_trainings_of_two_arms_are_a_pair():
    made = study(
        {"unpruned": {"repeats": 3}, "random": {"subset": "random-0.5", "repeats": 2}}, evaluations=evaluated()
    )
    assert pairs_of_repeats(made, "digits") == [("random.2", "unpruned.2")]
    runs = {"reseeded": {}, "r": {"subset": "random-0.5"}, "r1": {"subset": "random-0.5-1"}}
    assert pairs_of_repeats(study(runs), "digits") == [("r1", "reseeded")]


def test_no_training_is_in_two_pairs_of_an_arm():
    made = study({"unpruned": {}, **HALVES}, evaluations=evaluated(repeats=4))
    for half in ("half_a", "half_b"):
        pairs = [(half, "unpruned"), *(pair for pair in pairs_of_repeats(made, "digits") if pair[0].startswith(half))]
        assert pairs == [(f"{half}{end}", f"unpruned{end}") for end in ("", ".2", ".3", ".4")]


def test_without_repeats_of_both_there_are_none():
    assert pairs_of_repeats(study({"random": {"subset": "random-0.5", "repeats": 3}}), "digits") == []
    assert pairs_of_repeats(study({"unpruned": {"repeats": 3}, **HALVES}), "digits") == []
    assert pairs_of_repeats(study({}, evaluations={"digits": {"runs": []}}), "digits") == []


def test_pairs_that_share_a_seed():
    runs = {"half_a": {"subset": "half_a", "seed": 7}, "half_b": {"subset": "half_b", "seed": 7}, "random": {"seed": 8}}
    halves = evaluated(inverse_pairs=[["half_a", "half_b"]])
    assert pairs_of_one_seed(study({"unpruned": {}, **runs}, evaluations=halves), "digits") == [("half_a", "half_b")]
    fixed = study({"unpruned": {}, **HALVES}, defaults={"runs": {**DEFAULTS, "seed": 0}}, evaluations=halves)
    assert pairs_of_one_seed(fixed, "digits") == [("half_a", "unpruned"), ("half_b", "unpruned"), ("half_a", "half_b")]


def test_seeds_of_one_design_are_shared_by_repeats_too():
    runs = {name: {**run, "seed": 7, "repeats": 2} for name, run in HALVES.items()}
    made = study({"unpruned": {"repeats": 2}, **runs}, evaluations=evaluated(inverse_pairs=[["half_a", "half_b"]]))
    assert pairs_of_one_seed(made, "digits") == [("half_a", "half_b"), ("half_a.2", "half_b.2")]


def test_a_pretrained_run_shares_no_seed():
    runs = {"half_a": {"subset": "half_a", "seed": 7}, "half_b": {"subset": "half_b", "weights": "w.pt"}}
    made = study({"unpruned": {"seed": 7}, **runs}, evaluations=evaluated())
    assert pairs_of_one_seed(made, "digits") == [("half_a", "unpruned")]


DEFAULTS = {"dataset": "digits", "tokenizer": "vq", "model": "DiT-T/2", "steps": 10}
