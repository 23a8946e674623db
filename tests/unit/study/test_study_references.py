"""Every key that names an entry of the study is declared as a reference, and checked."""

import types
from typing import Annotated, Union, get_args, get_origin

import pytest
from support.studies import TWO_DATASETS, study

from steadyflow.ground.artifacts import UserError
from steadyflow.study.specs import Study
from steadyflow.study.specs.evaluation import Evaluation, Mixture
from steadyflow.study.specs.fields import NAME, Refers, Spec
from steadyflow.study.specs.pruning import ByAttribute, ComplementSubset, IntersectionSubset, RandomSubset
from steadyflow.study.specs.runs import Run

SECTIONS = {name for name, field in Study.model_fields.items() if get_origin(field.annotation) is dict}

NO_REFERENCES = {
    # Any of two sections, which is checked with the contradictions.
    (Evaluation, "classifiers"),
    *((spec, "classifier") for spec in (ByAttribute, *ByAttribute.__subclasses__())),
    # Evaluated runs alone, which is checked there too.
    (Evaluation, "show"),
}
"""Fields that hold names, but not simply those of one section."""


def spec_classes(spec: type[Spec] = Spec):
    """All specs of the library, subclasses that tests make left out."""
    for each in spec.__subclasses__():
        if each.__module__.startswith("steadyflow.") and each is not Study:
            yield each
        yield from spec_classes(each)


def holds_names(annotation) -> bool:
    """Whether a type is a Name, or made of Names: tuple[Name, ...], Name | None; a mapping by its values."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return is_name(arguments[1:]) or holds_names(arguments[0])
    if origin is dict:
        return holds_names(arguments[1])
    return origin in (tuple, Union, types.UnionType) and any(map(holds_names, arguments))


def is_name(notes) -> bool:
    """Whether the pattern of names is among the notes; a Field keeps it in a list of its own."""
    inner = [each for note in notes for each in (note, *getattr(note, "metadata", ()))]
    return any(getattr(each, "pattern", None) == NAME for each in inner)


FIELDS = [(spec, name, field) for spec in spec_classes() for name, field in spec.model_fields.items()]


def declared(field):
    return next((note.section for note in field.metadata if isinstance(note, Refers)), None)


def test_all_specs_are_found():
    found = set(spec_classes())
    assert {Run, Evaluation, Mixture, RandomSubset, ComplementSubset, IntersectionSubset} <= found and len(found) > 40


@pytest.mark.parametrize(("spec", "name", "field"), FIELDS, ids=[f"{spec.__name__}.{name}" for spec, name, _ in FIELDS])
def test_a_field_that_names_an_entry_is_declared(spec, name, field):
    section = declared(field)
    assert section is None or section in SECTIONS
    names = holds_names(field.annotation) or is_name(field.metadata)
    assert names == (section is not None or (spec, name) in NO_REFERENCES)


EXPECTED = {
    "dataset": "datasets",
    "tokenizer": "tokenizers",
    "tokenizers": "tokenizers",
    "encoder": "encoders",
    "encoders": "encoders",
    "similarity_encoders": "encoders",
    "clusters": "clusterings",
    "scores": "scorings",
    "subset": "subsets",
    "of": "subsets",
    "sampling": "samplings",
    "ceiling": "samplings",
    "reference": "runs",
    "runs": "runs",
    "inverse_pairs": "runs",
}
"""Name of a field -> the section that it refers to, wherever it stands."""


def test_a_key_means_the_same_section_everywhere():
    found = {(name, declared(field)) for spec, name, field in FIELDS if name in EXPECTED or declared(field)}
    # `defaults.runs` is a run, not the name of one.
    assert found - {("runs", None)} == set(EXPECTED.items())


MORE = {
    "subsets__rest": {"criterion": "complement", "of": "half"},
    "subsets__both": {"criterion": "intersection", "of": ["half", "near"]},
    "subsets__core": {"criterion": "kernel", "pruning_fraction": 0.5},
    "subsets__spread": {"criterion": "k_centre", "pruning_fraction": 0.5, "space": "embeddings", "encoder": "probe"},
    "classifiers__prompts": {"kind": "clip_zero_shot", "attributes": {"age": {"young": ["child"], "old": ["adult"]}}},
    "encoders__clip": {"kind": "clip"},
    "clusterings__k4__encoder": "probe",
    "evaluations__faces": {"encoders": ["probe"], "reference": "all"},
}
"""Beside the small study's: an entry of every kind that refers to others."""


SOME = {
    "tokenizers.vqvae": ["dataset"],
    "encoders.probe": ["dataset"],
    "classifiers.prompts": ["encoder"],
    "clusterings.k4": ["dataset", "encoder"],
    "subsets.half": ["dataset"],
    "subsets.near": ["clusters"],
    "subsets.hard": ["scores"],
    "subsets.rest": ["of"],
    "subsets.core": ["tokenizer"],
    "subsets.spread": ["encoder"],
    "runs.half": ["dataset", "tokenizer", "subset"],
    "evaluations.faces": ["sampling", "reference", "ceiling"],
}
SEVERAL = {
    "subsets.both": ["of"],
    "evaluations.faces": ["encoders", "similarity_encoders", "tokenizers", "runs", "inverse_pairs"],
}
UNKNOWN = [(f"{entry}.{field}", "nobody") for entry, fields in SOME.items() for field in fields]
UNKNOWN += [(f"{entry}.{field}", ["all", "nobody"]) for entry, fields in SEVERAL.items() for field in fields]


@pytest.mark.parametrize(("key", "value"), UNKNOWN, ids=[key for key, _ in UNKNOWN])
def test_an_unknown_name_is_refused_with_its_key(key, value):
    edit = {key.replace(".", "__"): [value] if key.endswith("inverse_pairs") else value}
    with pytest.raises(UserError, match=rf"(?m)^{key}: unknown 'nobody'.* \(known: "):
        study(**{**MORE, **edit})


@pytest.mark.parametrize(
    ("field", "value", "place"),
    [
        ("classifiers", ["probe", "nobody"], "classifiers"),
        ("show", {"all of them": ["all", "nobody"]}, "show"),
        ("mixtures", {"half_and_half": {"runs": ["all", "nobody"]}}, "mixtures"),
    ],
)
def test_names_that_are_no_references_are_checked_too(field, value, place):
    with pytest.raises(UserError, match=rf"(?m)^evaluations\.faces\.{place}.*'nobody'"):
        study(**{**MORE, f"evaluations__faces__{field}": value})


def test_a_reference_is_left_out_only_where_there_is_one_entry():
    with pytest.raises(UserError) as error:
        study(**TWO_DATASETS)
    assert "runs.all.dataset: has to be named, since the study has faces, digits" in str(error.value).splitlines()
