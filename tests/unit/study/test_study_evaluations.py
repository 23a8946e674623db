import pytest
from support.arms_study import TOKENIZER, study

from steadyflow.ground.artifacts import UserError


@pytest.mark.parametrize(
    ("ceiling", "message"),
    [
        ("heun", None),
        ("euler", "is the sampling itself"),
        ("fewer", "has count 10, 'euler' 4096"),
        ("others", "has seed 1, 'euler' 0: their samples would not be matched"),
        ("unknown", "ceiling: unknown 'unknown'"),
    ],
)
def test_a_ceiling_is_another_solver_of_the_same_noises(ceiling: str, message: str | None) -> None:
    samplings = {"euler": {}, "heun": {"solver": "heun"}, "fewer": {"count": 10}, "others": {"seed": 1}}
    evaluation = {"digits": {"reference": "unpruned", "sampling": "euler", "ceiling": ceiling}}
    if message is None:
        found = study({"reseeded": {"seed": 1}}, samplings=samplings, evaluations=evaluation)
        sampled = [(run, "euler") for run in ("unpruned", "reseeded", "unpruned.gaussian", "unpruned.untrained")]
        assert found.evaluated_samples("digits") == [*sampled, ("unpruned", "heun")]
        assert found.evaluated_samples("digits", ceiling=False) == sampled
    else:
        with pytest.raises(UserError, match=message):
            study({}, samplings=samplings, evaluations=evaluation)


def test_similarity_is_measured_in_the_encoders_of_quality_unless_others_are_named() -> None:
    assert study({}).evaluations["digits"].similarity_encoders == ("probe",)
    encoders = {"probe": {"dataset": "digits"}, "faces": {"kind": "arcface"}}
    named = {"reference": "unpruned", "runs": ["unpruned"], "encoders": ["probe"], "similarity_encoders": ["faces"]}
    found = study({}, encoders=encoders, clusterings={}, subsets={}, evaluations={"digits": named})
    assert found.evaluations["digits"].similarity_encoders == ("faces",)
    with pytest.raises(UserError, match=r"evaluations\.digits\.similarity_encoders: unknown 'nobody' \(known: probe, "):
        named = {**named, "similarity_encoders": ["probe", "nobody"]}
        study({}, encoders=encoders, clusterings={}, subsets={}, evaluations={"digits": named})


def test_runs_of_other_latents_are_not_matched() -> None:
    deep = {"dataset": "digits", **TOKENIZER, "multipliers": [1, 1, 1]}
    message = r"evaluations\.digits\.runs: the latents of 'deeper' are 4x4x4, those of the reference 4x8x8"
    with pytest.raises(UserError, match=message):
        study({"deeper": {"tokenizer": "deep"}}, tokenizers={"vq": {"dataset": "digits", **TOKENIZER}, "deep": deep})


def test_an_evaluation_needs_as_many_samples_as_its_intervals() -> None:
    with pytest.raises(UserError, match=r"\.sampling: 'euler' draws 39 samples, and intervals need 40"):
        study({}, samplings={"euler": {"count": 39}})


def test_names_of_real_images_are_no_runs() -> None:
    with pytest.raises(UserError, match=r"runs\.training_data: real images stand under this name"):
        study({"training_data": {"seed": 1}})


def test_distances_need_an_encoder_that_describes_every_image() -> None:
    encoders = {"probe": {"dataset": "digits"}, "faces": {"kind": "arcface"}}
    named = {"reference": "unpruned", "runs": ["unpruned"], "encoders": ["faces"]}
    with pytest.raises(UserError, match=r"evaluations\.digits\.encoders: 'faces' has no features of images without"):
        study({}, encoders=encoders, clusterings={}, subsets={}, evaluations={"digits": named})
