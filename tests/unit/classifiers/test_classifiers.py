"""The registry of classifiers."""

import hashlib
import sys

import pytest
import torch

from steadyflow.classifiers import load_classifier
from steadyflow.fetch.lock import Locked
from steadyflow.ground.artifacts import UserError

CPU = torch.device("cpu")


def locked(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {path.name: Locked(path.name, f"http://127.0.0.1/{path.name}", digest, "MIT")}


@pytest.mark.parametrize(
    ("kind", "library", "extra"),
    [("paligemma", "transformers", "paligemma"), ("clip_zero_shot", "open_clip", "encoders")],
)
def test_a_missing_library_names_the_extra(kind, library, extra, tmp_path, monkeypatch):
    for module in (f"steadyflow.classifiers.{kind}", "steadyflow.encoders.clip"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    monkeypatch.setitem(sys.modules, library, None)
    path = tmp_path / "ViT-B-32.pt"
    path.touch()
    with pytest.raises(UserError, match=rf"'{kind}': .*{library}.*pip install 'steadyflow\[{extra}\]'"):
        load_classifier(kind, {}, [path], lock=locked(path), device=CPU)


def test_an_unknown_kind_is_refused():
    with pytest.raises(UserError, match="'oracle': unknown"):
        load_classifier("oracle", {}, [], lock={})
