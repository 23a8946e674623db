"""Runs of a study: models, objectives, latent transforms, weights from files."""

import pytest
from support.studies import study

from steadyflow.ground.artifacts import UserError


@pytest.mark.parametrize(("model", "multiple"), [("DiT-T/4", 4), ("UNet-S", 8)])
def test_a_model_has_to_take_the_latents(model, multiple):
    message = rf"^runs\.all\.model: {model} takes latents whose side is a multiple of {multiple}, not 18x18$"
    with pytest.raises(UserError, match=message):
        study(datasets__faces__resolution=36, runs__all__model=model)
    assert study(runs__all__model=model).runs["all"].model == model


def test_a_run_may_take_weights_instead_of_a_training():
    taken = study(runs__half__weights="w.pt")
    assert taken.runs["half"].weights == "w.pt"
    # The training of `defaults` is not its own: an edit of it changes nothing.
    said = set(taken.runs["half"].identity())
    how = {"objective", "latent_transform"}
    assert said == how | {"dataset", "tokenizer", "subset", "model", "weights", "conditional"}
    more = study(runs__half__weights="w.pt", defaults__runs__steps=21)
    assert more.runs["half"] == taken.runs["half"] and more.runs["half"].model == "DiT-T/2"
    assert study().runs["half"].identity().keys() == said | taken.runs["half"].training - {"repeats"}
    assert study(runs__half__weights="v.pt").runs["half"].identity() != taken.runs["half"].identity()
    assert taken.trained_runs("faces") == ["all", "near", "hard"]


@pytest.mark.parametrize("field", ["steps", "batch_size", "seed", "repeats"])
def test_weights_and_a_training_contradict_each_other(field):
    message = rf"^runs\.half: has `weights`, so it is not trained: leave out {field}$"
    with pytest.raises(UserError, match=message):
        study(runs__half__weights="w.pt", **{f"runs__half__{field}": 7})


def test_weights_of_the_defaults_may_be_taken_back():
    built = study(defaults={"runs": {"weights": "w.pt"}}, runs__surrogate=None, runs__half__weights=None)
    assert [name for name, run in built.runs.items() if run.weights is None] == ["half"]


def test_an_objective_is_a_word_or_its_settings():
    bare, spelt = study(runs__all__objective="diffusion"), study(runs__all__objective={"kind": "diffusion"})
    assert bare.runs["all"] == spelt.runs["all"]
    assert bare.runs["all"].objective.model_dump() == {"kind": "diffusion", "schedule": "linear", "timesteps": 1000}
    assert study().runs["all"].objective == study(runs__all__objective="flow_matching").runs["all"].objective
    coupled = study(
        defaults__runs__objective={"kind": "flow_matching", "coupling": "ot"}, runs__half__objective="diffusion"
    )
    assert coupled.runs["all"].objective.coupling == "ot"
    assert coupled.runs["half"].objective.kind == "diffusion"


def test_a_run_named_like_an_objective_keeps_its_place_in_errors():
    with pytest.raises(
        UserError, match=r"^runs\.diffusion\.objective\.timesteps: input should be greater than or equal"
    ):
        study(runs__diffusion__objective={"kind": "diffusion", "timesteps": 49})


def test_a_transform_is_a_word_or_an_invertible_matrix():
    rows = [[0, 1, 0, 0], [2, 0, 0, 0], [0, 0, 0, -1], [0, 0, 0.5, 0]]
    runs = study(runs__all__latent_transform=rows, runs__half__latent_transform="flip_all").runs
    assert runs["all"].latent_transform == tuple(tuple(map(float, row)) for row in rows)
    assert (runs["half"].latent_transform, runs["near"].latent_transform) == ("flip_all", "none")
    assert runs["all"].identity()["latent_transform"] == rows
