"""PaliGemma's answers are those of greedy decoding by hand, on weights made here."""

import contextlib
import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from support.paligemma_network import PATCHES, VOCABULARY, write_paligemma

from steadyflow.classifiers import load_classifier
from steadyflow.ground.artifacts import UserError, write_json

CPU = torch.device("cpu")
SEX = {"female": ["female", "woman", "girl"], "male": ["male", "man", "boy"]}


QUESTION = "answer en is this one ?"


@pytest.fixture(scope="module")
def paligemma_folder(tmp_path_factory):
    return write_paligemma(tmp_path_factory.mktemp("hub") / "paligemma-3b-mix-224")


def files_of(folder):
    return sorted(path for path in folder.iterdir() if path.suffix in (".json", ".safetensors"))


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*arguments):
        raise AssertionError(f"a connection to {arguments}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def images(count, seed=0):
    """Of the size that the network takes: what is resized by one library is a grey level off by another."""
    return np.random.default_rng(seed).integers(0, 256, (count, 2, 2, 3), dtype=np.uint8).repeat(14, 1).repeat(14, 2)


def greedy(folder, pictures):
    """The model's answer to the question, one word after another without a cache, as words."""
    from transformers import PaliGemmaForConditionalGeneration

    model = PaliGemmaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    prompt = [VOCABULARY.index("<image>")] * PATCHES + [2] + [VOCABULARY.index(word) for word in QUESTION.split()] + [5]
    answers = []
    for picture in pictures:
        pixels = (torch.from_numpy(picture).movedim(-1, 0)[None] / 255 - 0.5) / 0.5
        answer: list[int] = []
        while len(answer) < 10 and (not answer or answer[-1] != 1):
            ids, kinds = torch.tensor([prompt + answer]), torch.tensor([[0] * len(prompt) + [1] * len(answer)])
            with torch.no_grad():
                logits = model(
                    input_ids=ids,
                    attention_mask=torch.ones_like(ids),
                    token_type_ids=kinds,
                    pixel_values=pixels,
                ).logits
            answer.append(int(logits[0, -1].argmax()))
        answers.append([VOCABULARY[code] for code in answer])
    return answers


ATTRIBUTES = {
    "gender": {"question": QUESTION, "answers": SEX},
    "hair": {"question": QUESTION, "answers": {"black": ["black"], "other": ["this", "one"]}},
}


def opened(folder, attributes=ATTRIBUTES):
    return load_classifier("paligemma", attributes, files_of(folder), lock={}, device=CPU)


def test_predictions_are_those_of_greedy_answers(paligemma_folder, no_network, monkeypatch):
    from steadyflow.classifiers import paligemma

    pictures = images(24)
    in_bf16 = opened(paligemma_folder).classify(pictures)
    monkeypatch.setattr(paligemma, "PRECISION", torch.float32)
    found = opened(paligemma_folder).classify(pictures)
    answers = greedy(paligemma_folder, pictures)
    for attribute, asked in ATTRIBUTES.items():
        expected = []
        for words in answers:
            meant = {code for code, own in enumerate(asked["answers"].values()) if set(own) & set(words)}
            expected.append(meant.pop() if len(meant) == 1 else -1)
        np.testing.assert_array_equal(found[attribute], expected)
        assert found[attribute].dtype == np.int8 and len(set(expected)) > 1
        # Of random weights, the two most likely words are often near each other.
        assert (in_bf16[attribute] == expected).mean() > 0.7


def test_hash_and_protocol_follow_the_questions(paligemma_folder):
    classifier = opened(paligemma_folder)
    assert classifier.values == {"gender": ("female", "male"), "hair": ("black", "other")}
    assert "Gemma" in classifier.licence and "bf16" in classifier.protocol
    other = {**ATTRIBUTES, "gender": {"question": "who ?", "answers": SEX}}
    assert opened(paligemma_folder).hash == classifier.hash != opened(paligemma_folder, other).hash


def test_grey_images_are_classified_as_rgb(paligemma_folder):
    classifier, grey = opened(paligemma_folder), images(3)[..., :1]
    found, repeated = classifier.classify(grey), classifier.classify(grey.repeat(3, axis=-1))
    np.testing.assert_array_equal(found["hair"], repeated["hair"])


@pytest.fixture
def broken(paligemma_folder, tmp_path):
    return Path(shutil.copytree(paligemma_folder, tmp_path / paligemma_folder.name))


def test_weights_that_are_not_there_are_not_drawn_at_random(broken):
    weights = load_file(broken / "model.safetensors")
    del weights["language_model.model.layers.0.mlp.up_proj.weight"]
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(
        UserError, match=r"paligemma-3b-mix-224: no weights for .*up_proj.weight and 0 others; expected"
    ):
        opened(broken)


def test_pickled_weights_are_not_read(broken):
    torch.save(load_file(broken / "model.safetensors"), broken / "pytorch_model.bin")
    (broken / "model.safetensors").unlink()
    with pytest.raises(
        UserError, match=r"paligemma-3b-mix-224: cannot be opened as PaliGemma .*; expected the files of"
    ):
        opened(broken)


def test_code_in_the_folder_is_not_run(broken):
    touched = broken / "touched"
    code = f"from pathlib import Path\nPath({str(touched)!r}).touch()\nclass Own: pass\n"
    (broken / "own.py").write_text(code, encoding="utf-8")
    for name, part in (("config.json", "AutoConfig"), ("processor_config.json", "AutoProcessor")):
        content = json.loads((broken / name).read_text("utf-8"))
        write_json(broken / name, {**content, "auto_map": {part: "own.Own"}})
    with contextlib.suppress(UserError):
        opened(broken)
    assert not touched.exists()
