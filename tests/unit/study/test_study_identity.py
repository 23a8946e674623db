"""Which fields of a spec enter its identity, and which do not."""

from typing import Annotated, Literal

import pytest

from steadyflow.ground.artifacts import spec_hash
from steadyflow.study.specs import Run, Sampling
from steadyflow.study.specs.fields import Neutral
from steadyflow.study.specs.tokenizers import Tokenizer


class LaterRun(Run):
    """A run of a later steadyflow: with keys that came after results existed."""

    warmup: Annotated[int, Neutral(0)] = 0
    schedule: Annotated[Literal["constant", "cosine"] | None, Neutral(None)] = None
    # Another default than that of the trainings there are.
    compiled: Annotated[bool, Neutral(False)] = True


class HastyRun(Run):
    """One whose key has no neutral value."""

    warmup: int = 0


SETTINGS = {"model": "DiT-B/2", "steps": 7, "objective": "diffusion", "subset": "half"}


def of(spec, **settings):
    return spec_hash(spec(**SETTINGS, **settings).identity())


def test_a_later_key_at_its_neutral_value_changes_no_identity():
    assert of(LaterRun, compiled=False) == of(Run)
    assert LaterRun(compiled=False).identity() == Run().identity()


@pytest.mark.parametrize("setting", [{"warmup": 5}, {"schedule": "cosine"}, {"compiled": True}, {}])
def test_a_later_key_at_another_value_does(setting):
    """Even where that is the default: the results there are were made with the neutral value."""
    later = {"compiled": False, **setting} if setting else {}
    assert of(LaterRun, **later) != of(Run)


def test_a_later_key_without_a_neutral_value_makes_everything_anew():
    assert of(HastyRun) != of(Run)


def test_a_changed_default_is_another_identity_where_it_is_not_named():
    class Changed(Run):
        learning_rate: float = 3e-4

    assert of(Changed) != of(Run)
    # What a study names is the same under any default.
    assert of(Changed, learning_rate=1e-4) == of(Run, learning_rate=1e-4) == of(Run)


@pytest.mark.parametrize(("spec", "settings"), [(Run, SETTINGS), (Tokenizer, {"width": 8})])
def test_labels_are_no_part_of_an_identity(spec, settings):
    assert spec(**settings, label="shown").identity() == spec(**settings).identity()
    assert "label" not in spec(**settings).identity()


@pytest.mark.parametrize("spec", [Run, Sampling, Tokenizer])
def test_every_other_field_is(spec):
    neutral = {name for name, field in spec.model_fields.items() for n in field.metadata if isinstance(n, Neutral)}
    # `repeats` stands for further runs, and changes nothing of this one.
    assert spec().identity().keys() == spec.model_fields.keys() - {"label", "repeats"} - neutral
