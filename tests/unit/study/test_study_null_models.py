"""The null models that an evaluation adds to a study."""

import pytest
from support.arms_study import study
from support.studies import parsed_or_message

from steadyflow.stages.cost import measure_loss, sample_run, train_run
from steadyflow.study.specs import Run


def test_each_training_data_has_one_gaussian_flow_and_the_reference_an_untrained_network():
    found = study({"reseeded": {"seed": 1}, "half": {"subset": "half_a"}, "flipped": {"latent_transform": "flip_all"}})
    assert found.null_models("digits") == {
        "unpruned": "unpruned.gaussian",
        "reseeded": "unpruned.gaussian",
        "half": "half.gaussian",
        "flipped": "flipped.gaussian",
    }
    assert found.untrained("digits") == "unpruned.untrained"
    assert found.null_runs("digits") == [
        "unpruned.gaussian",
        "half.gaussian",
        "flipped.gaussian",
        "unpruned.untrained",
    ]
    half, untrained = found.runs["half.gaussian"], found.runs["unpruned.untrained"]
    assert half.gaussian and half.subset == "half_a" and found.label("half.gaussian") == "Gaussian flow of half"
    assert untrained.steps == 0 and untrained.model == found.runs["unpruned"].model
    assert not half.trained and not untrained.trained


def test_they_are_sampled_and_measured_but_no_runs_of_their_own():
    found = study({"half": {"subset": "half_a"}})
    assert found.evaluations["digits"].runs == ("unpruned", "half")
    assert ("half.gaussian", "euler") in found.evaluated_samples("digits")
    assert found.measured_quality("digits")["half.gaussian"] == ("half.gaussian",)
    assert "half.gaussian" not in found.measured("digits")
    assert found.velocity_fields("digits") == ["unpruned", "half", *found.null_runs("digits")]


def test_they_are_compared_with_the_reference_and_with_each_other():
    found = study({"half": {"subset": "half_a"}, "reseeded": {"seed": 1}})
    assert found.null_pairs("digits") == [
        ("unpruned.gaussian", "unpruned"),
        ("unpruned.untrained", "unpruned"),
        ("half.gaussian", "unpruned.gaussian"),
    ]


def test_a_flow_of_the_study_stands_for_the_default_one():
    found = study({"flow": {"gaussian": True, "label": "no network"}})
    assert found.null_models("digits") == {"unpruned": "flow", "flow": "flow"}
    assert "unpruned.gaussian" not in found.runs
    assert found.null_pairs("digits") == [("unpruned.untrained", "unpruned")]


def test_an_evaluation_may_want_none():
    evaluation = {"reference": "unpruned", "runs": ["unpruned"], "null_model": False}
    found = study({}, evaluations={"digits": evaluation})
    assert list(found.runs) == ["unpruned"] and found.null_runs("digits") == []


def test_keys_of_trainings_in_defaults_do_not_reach_a_gaussian_flow():
    run = study({"flow": {"gaussian": True}}).runs["flow"]
    assert run.gaussian and run.steps == Run().steps


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ({"gaussian": True, "steps": 5}, "has `gaussian: true`, so it is not trained: leave out steps"),
        ({"gaussian": True, "model": "DiT-S/2"}, "leave out model"),
        ({"gaussian": True, "objective": "diffusion"}, "leave out objective"),
        ({"gaussian": True, "weights": "a.pt"}, "is either a network with `weights`, or `gaussian`"),
    ],
)
def test_keys_of_networks_beside_it_are_refused(run, message):
    assert message in parsed_or_message(lambda: study({"flow": run}))


def test_a_surrogate_is_a_network():
    message = parsed_or_message(lambda: study({"flow": {"gaussian": True}}, scorings={"flow": {}}))
    assert "scorings.flow: the surrogate is a Gaussian flow" in message


def test_identities_of_other_runs_know_nothing_of_it():
    assert "gaussian" not in Run().identity()
    identity = Run(gaussian=True).identity()
    assert identity["gaussian"] is True and not identity.keys() & (Run.training | {"model"})


def test_it_costs_next_to_nothing():
    found = study({"half": {"subset": "half_a"}})
    names = {"dataset": "digits", "run": "half.gaussian", "sampling": "euler"}
    for cost in (train_run, sample_run, measure_loss):
        assert 0 < cost(found, names).hours < 0.2


@pytest.mark.parametrize("name", ["unpruned.gaussian", "unpruned.untrained"])
def test_a_run_with_the_name_of_a_null_model_is_refused(name):
    message = parsed_or_message(lambda: study({name: {"subset": "half_a"}}))
    assert f"runs.{name}: is the name of a null model" in message
