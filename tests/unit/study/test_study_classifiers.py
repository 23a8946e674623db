"""Classifiers of a study: which there are, and which an evaluation takes."""

import copy
from typing import Any

import pytest
import yaml

from steadyflow.ground.artifacts import UserError
from steadyflow.stages.encoders import probe_artifacts
from steadyflow.stages.image_attributes import classifier_files, image_attributes
from steadyflow.stages.pruning import chosen_by
from steadyflow.stages.stage import file_of
from steadyflow.study import parse_study
from steadyflow.study.specs import Study

RAW = yaml.safe_load("""
name: classifiers
datasets:
  digits: {source: digits, resolution: 16}
  others: {source: digits, resolution: 16}
  faces: {source: synthetic_faces, resolution: 16}
tokenizers:
  vqvae: {dataset: digits, multipliers: [1, 2], perceptual: none, adversarial: none}
encoders:
  probe: {dataset: digits, width: 16}
  of_others: {dataset: others}
  again: {dataset: digits}
  fid: {kind: inception}
  clip: {kind: clip}
classifiers:
  prompts:
    kind: clip_zero_shot
    attributes: {gender: {female: [a photo of a woman], male: [a photo of a man, a man's face]}}
  vlm:
    kind: paligemma
    attributes:
      gender: {question: "answer en is this a man?", answers: {female: [female, woman], male: [male, man]}}
      age: {question: "answer en how old?", answers: {young: [young], old: [old, elderly]}}
evaluations:
  digits: {encoders: [fid]}
""")


def study(**edits: Any) -> Study:
    raw = copy.deepcopy(RAW)
    for place, value in edits.items():
        *parents, key = place.split("__")
        inner = raw
        for parent in parents:
            inner = inner[parent]
        inner[key] = value
    return parse_study(raw)


def of(evaluation: Study, dataset: str = "digits") -> tuple[str, ...] | None:
    return evaluation.evaluations[dataset].classifiers


def test_an_evaluation_takes_the_probes_of_its_dataset_and_all_that_are_named() -> None:
    assert of(study()) == ("probe", "again", "prompts", "vlm")
    assert of(study(evaluations__others={"encoders": ["fid"]}), "others") == ("of_others", "prompts", "vlm")
    assert of(study(evaluations__digits={"encoders": ["fid"], "classifiers": ["vlm", "of_others"]})) == (
        "vlm",
        "of_others",
    )
    assert of(study(evaluations__digits={"encoders": ["fid"], "classifiers": []})) == ()


def test_zero_shot_reads_the_only_encoder_of_its_kind() -> None:
    found = study()
    assert [found.classified_features(name) for name in ("probe", "prompts", "vlm")] == ["probe", "clip", None]
    clip = {"kind": "clip_zero_shot", "attributes": RAW["classifiers"]["prompts"]["attributes"]}
    twice = study(encoders__clip2={"kind": "clip"}, classifiers__prompts={**clip, "encoder": "clip2"})
    assert twice.classified_features("prompts") == "clip2"
    with pytest.raises(UserError, match=r"classifiers\.prompts\.encoder: has to be named, .* has clip, clip2"):
        study(encoders__clip2={"kind": "clip"})
    with pytest.raises(UserError, match=r"classifiers\.prompts\.encoder: has to be named, .* no encoders of kind clip"):
        study(encoders__clip={"kind": "vgg16"})
    with pytest.raises(UserError, match=r"classifiers\.prompts\.encoder: unknown 'fid' of kind clip \(known: clip\)"):
        study(classifiers__prompts={**clip, "encoder": "fid"})


def test_where_its_files_lie() -> None:
    found = study()
    assert [each.path for each in classifier_files(found, "vlm")] == ["downloads/weights/paligemma-3b-mix-224"]
    assert [each.path for each in classifier_files(found, "prompts")] == ["downloads/weights/ViT-B-32.pt"]
    assert classifier_files(found, "probe") == probe_artifacts(found, "probe")
    attributes = image_attributes("digits", "vlm")["attributes"]
    assert str(file_of(found, attributes)) == "results/digits/attributes/vlm/dataset.parquet"


def question(**answers: list[str]) -> dict[str, Any]:
    return {"kind": "paligemma", "attributes": {"age": {"question": "how old?", "answers": answers}}}


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"kind": "oracle"}, r"classifiers\.x\.kind: unknown 'oracle' \(known: clip_zero_shot, paligemma\)"),
        ({"attributes": {}}, r"classifiers\.x\.kind: field required"),
        ({"kind": "paligemma", "attributes": {}}, r"classifiers\.x\.attributes: "),
        ({"kind": "paligemma", "attributes": {"age": {"question": "?"}}}, r"attributes\.age\.answers: field required"),
        (question(young=["young"]), r"classifiers\.x\.attributes\.age\.answers: .*at least 2"),
        (question(young=["young"], old=[]), r"classifiers\.x\.attributes\.age\.answers\.old: .*at least 1"),
        (
            question(young=["young", "aged"], old=["Aged."]),
            r"age\.answers: 'aged' is listed twice; a word means one value",
        ),
        (question(young=["young"], old=["-"]), r"age\.answers: words need letters or digits"),
        (
            {"kind": "clip_zero_shot", "attributes": {"age": {"young": [" "], "old": ["old"]}}},
            r"classifiers\.x\.attributes\.age\.young\.0: ",
        ),
    ],
)
def test_every_mistake_is_named_by_its_key(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        study(classifiers__x=spec)


@pytest.mark.parametrize(
    ("evaluation", "message"),
    [
        (
            {"classifiers": ["nobody"]},
            r"classifiers: unknown 'nobody' \(known: probe, of_others, again, prompts, vlm\)",
        ),
        ({"classifiers": ["fid"]}, r"classifiers: 'fid' is an encoder of kind inception, which predicts no attributes"),
        ({"classifiers": ["vlm", "vlm"]}, r"classifiers: names one twice"),
        ({"paper_attributes": {"age": "kl_age"}, "reproduces": None}, r"paper_attributes: the papers print them of a"),
        ({"classifiers": [], "paper_attributes": {"age": "kl_age"}}, r"paper_attributes: no attributes are measured"),
        (
            {"classifiers": ["vlm"], "paper_attributes": {"hair": "kl_hair_color"}},
            r"paper_attributes: no classifier predicts 'hair' \(predicted: gender, age\)",
        ),
    ],
)
def test_what_an_evaluation_cannot_take(evaluation: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"evaluations\.digits\.{message}"):
        study(evaluations__digits={"encoders": ["fid"], "reproduces": "celebahq", **evaluation})


def female_only(**changes: Any) -> dict[str, Any]:
    rule = {"dataset": "digits", "criterion": "attribute_value", "attribute": "gender", "value": "female"}
    return {"women": {**rule, "classifier": "vlm", **changes}}


def test_a_subset_is_chosen_by_what_a_classifier_tells_of_the_images() -> None:
    found = study(subsets=female_only())
    told = chosen_by(found, "women")["attributes"]
    assert (told.data, told.sidecar) == tuple(image_attributes("digits", "vlm").values())
    own = study(subsets=female_only(classifier=None))
    assert chosen_by(own, "women") == {}
    # A subset of the dataset's own attributes is what it was before there were others.
    assert "classifier" not in own.subsets["women"].identity()
    assert found.subsets["women"].identity()["classifier"] == "vlm"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classifier": "nobody"}, r"unknown 'nobody' \(known: probe, of_others, again, prompts, vlm\)"),
        ({"attribute": "hair"}, r"'vlm' does not predict 'hair' \(predicted: gender, age\)"),
        ({"classifier": "fid"}, r"unknown 'fid'"),
        ({"dataset": "faces", "classifier": "probe"}, r"'probe' is a probe for images of 1 channels"),
    ],
)
def test_who_cannot_tell_the_attribute_of_a_subset(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=rf"subsets\.women\.classifier: {message}"):
        study(subsets=female_only(**changes))


def test_attributes_of_a_probe_are_not_known_before_it_is_trained() -> None:
    named = {"paper_attributes": {"whatever": "kl_gender"}, "reproduces": "celebahq"}
    study(evaluations__digits={"encoders": ["fid"], **named})


def test_names_mean_one_thing() -> None:
    with pytest.raises(UserError, match=r"classifiers\.probe: an encoder has this name too"):
        study(classifiers__probe=RAW["classifiers"]["vlm"])
    with pytest.raises(UserError, match=r"evaluations\.digits\.classifiers: 'labels' is how results call"):
        study(classifiers__labels=RAW["classifiers"]["vlm"])


def test_a_probe_tells_nothing_of_images_of_other_channels() -> None:
    with pytest.raises(
        UserError, match=r"evaluations\.faces\.classifiers: 'probe' is a probe for images of 1 channels"
    ):
        study(evaluations__faces={"encoders": ["fid"], "classifiers": ["probe"]})
