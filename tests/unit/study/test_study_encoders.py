"""Encoders of a study: kinds, and what each makes of the rest."""

import copy
from typing import Any

import pytest
import yaml

from steadyflow.ground.artifacts import UserError
from steadyflow.stages.encoders import encoder_files, encoder_protocol
from steadyflow.stages.stage import file_of
from steadyflow.study import parse_study
from steadyflow.study.specs import ProbeEncoder, Study

RAW = yaml.safe_load("""
name: encoders
datasets:
  digits: {source: digits, resolution: 16}
  others: {source: digits, resolution: 16}
tokenizers:
  vqvae: {dataset: digits, multipliers: [1, 2], perceptual: none, adversarial: none}
encoders:
  probe: {dataset: digits, width: 16}
  fid: {kind: inception}
  faces: {kind: arcface}
  squashed: {kind: arcface, alignment: whole_frame}
  again: {kind: inception, resize: paper}
evaluations:
  digits: {encoders: [probe]}
""")


def study(**edits: Any) -> Study:
    raw = copy.deepcopy(RAW)
    for place, value in edits.items():
        section, name = place.split("__")
        raw.setdefault(section, {})[name] = value
    return parse_study(raw)


def test_an_encoder_is_a_probe_unless_it_says_otherwise() -> None:
    encoders = study(encoders__same={"kind": "probe", "dataset": "digits", "width": 16}).encoders
    assert isinstance(encoders["probe"], ProbeEncoder) and encoders["probe"] == encoders["same"]
    assert [encoder.kind for encoder in encoders.values()] == [
        "probe", "inception", "arcface", "arcface", "inception", "probe",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("encoder", "message"),
    [
        ({"kind": "resnet"}, r"encoders\.x\.kind: unknown 'resnet' \(known: probe, inception, clip, "),
        ({"kind": "inception", "width": 8}, r"encoders\.x\.width: unknown key"),
        ({"width": 12}, r"encoders\.x\.width: "),
        ({"kind": "inception", "resize": "antialias"}, r"encoders\.x\.resize: "),
        ("clip", r"encoders\.x: "),
    ],
)
def test_every_mistake_is_named_by_its_key(encoder: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        study(encoders__x=encoder)


def test_the_weights_of_all_encoders_are_asked_for_once() -> None:
    assert study().encoder_weights == [
        "weights-inception-2015-12-05-6726825d.pth",
        "glintr100.onnx",
        "scrfd_10g_bnkps.onnx",
    ]


def test_an_encoder_is_opened_from_what_was_trained_or_downloaded() -> None:
    found = study()
    assert [str(file_of(found, each)) for each in encoder_files(found, "squashed")] == [
        "downloads/weights/glintr100.onnx",
    ]
    assert [str(file_of(found, each)) for each in encoder_files(found, "probe")] == [
        "results/digits/encoders/probe/weights.safetensors",
        "results/digits/encoders/probe/config.json",
    ]


def test_an_encoder_of_others_depends_on_no_dataset() -> None:
    assert encoder_protocol(study(), "again") == ["inception", {"resize": "paper"}]


def test_choosing_needs_an_encoder_that_describes_every_image() -> None:
    study(clusterings__k={"encoder": "squashed", "dataset": "digits"})
    with pytest.raises(UserError, match=r"clusterings\.k\.encoder: 'faces' has no features of images without"):
        study(clusterings__k={"encoder": "faces", "dataset": "digits"})
    herded = {"criterion": "kernel", "pruning_fraction": 0.5, "space": "embeddings", "dataset": "digits"}
    study(subsets__herded={**herded, "encoder": "squashed"})
    with pytest.raises(UserError, match=r"subsets\.herded\.encoder: 'faces' has no features of images without"):
        study(subsets__herded={**herded, "encoder": "faces"})


@pytest.mark.parametrize(
    ("place", "section", "entry"),
    [
        ("clusterings.k4.encoder", "clusterings__k4", {"k": 4, "dataset": "faces", "encoder": "probe"}),
        ("evaluations.faces.encoders", "evaluations__faces", {"encoders": ["probe"]}),
        (
            "subsets.half.encoder",
            "subsets__half",
            {
                "dataset": "faces",
                "criterion": "kernel",
                "space": "embeddings",
                "encoder": "probe",
                "pruning_fraction": 0.5,
            },
        ),
    ],
)
def test_a_probe_of_grey_images_takes_no_coloured_ones(place: str, section: str, entry: dict[str, Any]) -> None:
    faces = {"source": "synthetic_faces", "resolution": 16}
    with pytest.raises(UserError, match=rf"{place}: 'probe' is a probe for images of 1 channels, .*'faces' have 3"):
        study(datasets__faces=faces, **{section: entry})
