"""Every classifier tells what the library tells that it stands for, on weights made here."""

import contextlib
import hashlib
import json
import shutil
import socket
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from support.clip_networks import write_archive
from support.paligemma_network import PATCHES, VOCABULARY, write_paligemma

from steadyflow.artifacts import UserError, write_json, write_weights
from steadyflow.classifiers import load_classifier
from steadyflow.classifiers.answers import answer_reader
from steadyflow.fetch.lock import Locked
from steadyflow.models import Probe

CPU = torch.device("cpu")
HAIR = {"black": ["black"], "brown": ["brown", "brunette"], "light brown": ["light brown"], "gray": ["gray", "grey"]}
SEX = {"female": ["female", "woman", "girl"], "male": ["male", "man", "boy"]}


@pytest.mark.parametrize(
    ("answers", "answer", "value"),
    [
        (SEX, "female", "female"),
        (SEX, "Male.", "male"),
        (SEX, "  a WOMAN!\n", "female"),
        (SEX, "two girls", "female"),
        (SEX, "the man's", "male"),
        (SEX, "females", "female"),
        (SEX, "woman, female", "female"),
        (SEX, "male or female", None),
        (SEX, "a man and a woman", None),
        (SEX, "", None),
        (SEX, "?!", None),
        (SEX, "unknown", None),
        (SEX, "human", None),
        (SEX, "manly", None),
        (HAIR, "brown", "brown"),
        (HAIR, "light-brown", "light brown"),
        (HAIR, "light  brown", "light brown"),
        (HAIR, "dark brown", "brown"),
        (HAIR, "light brown and brown", None),
        (HAIR, "black/gray", None),
        (HAIR, "GREY", "gray"),
        (HAIR, "blackish", None),
        ({"20-30": ["20-30", "20 to 30"], "30-40": ["30-40"]}, "20 - 30", "20-30"),
        ({"20-30": ["20-30"], "30-40": ["30-40"]}, "30", None),
        ({"none": ["no"], "some": ["glasses", "glass"]}, "Glasses", "some"),
        ({"a.b": ["a.b"], "x": ["x"]}, "a b", "a.b"),
        ({"oui": ["oui"], "été": ["ÉTÉ"]}, "été", "été"),
    ],
)
def test_an_answer_means_the_value_of_its_words(answers, answer, value):
    code = answer_reader(answers)(answer)
    assert code == (-1 if value is None else list(answers).index(value))


def test_a_word_of_two_values_is_refused():
    with pytest.raises(UserError, match="'man' has to mean one value"):
        answer_reader({"male": ["man"], "human": ["Man!"]})
    with pytest.raises(UserError, match="'' has to mean one value"):
        answer_reader({"male": ["man"], "human": ["..."]})


def test_a_probes_heads_are_read_from_its_features(tmp_path):
    architecture = {"image_channels": 1, "width": 8, "feature_dim": 16, "targets": {"age": 4, "hat": 2}}
    torch.manual_seed(0)
    model = Probe(**architecture)
    write_weights(tmp_path / "weights.safetensors", model.state_dict())
    values = {"age": list("abcd"), "hat": ["no", "yes"]}
    write_json(tmp_path / "config.json", {"values": values, "weights_hash": "0123"})
    classifier = load_classifier("probe", {}, [tmp_path / "weights.safetensors", tmp_path / "config.json"], lock={})
    features = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    expected = {name: x.argmax(1).numpy() for name, x in model.classify(torch.from_numpy(features)).items()}
    features[7] = np.nan
    found = classifier.classify(features)
    for name in values:
        assert found[name].dtype == np.int8 and found[name][7] == -1
        assert set(found[name]) == {-1, *range(len(values[name]))}
        np.testing.assert_array_equal(np.delete(found[name], 7), np.delete(expected[name], 7))
    assert classifier.values == {"age": tuple("abcd"), "hat": ("no", "yes")}
    assert (classifier.kind, classifier.hash, classifier.licence) == ("probe", "0123", "trained here")


@pytest.fixture(scope="module")
def tiny_clip(tmp_path_factory):
    """OpenAI's file of a small network, which open_clip knows by the name of the large one here; the network itself."""
    import open_clip

    from steadyflow.encoders import clip

    folder = tmp_path_factory.mktemp("clip")
    vision = {"image_size": 32, "layers": 1, "width": 64, "patch_size": 16}
    text = {"context_length": 77, "vocab_size": 49408, "width": 32, "heads": 2, "layers": 2}
    config = {"embed_dim": 16, "quick_gelu": True, "vision_cfg": vision, "text_cfg": text}
    write_json(folder / "steadyflow-tiny.json", config)
    open_clip.add_model_config(folder / "steadyflow-tiny.json")
    torch.manual_seed(0)
    model = open_clip.create_model("steadyflow-tiny")
    torch.nn.init.normal_(model.text_projection)
    torch.nn.init.normal_(model.token_embedding.weight)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(clip, "MODEL", "steadyflow-tiny")
        with pytest.warns(Warning, match="jit"):
            yield write_archive(model, folder / "ViT-B-32.pt"), model


def locked(path):
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    return {path.name: Locked(path.name, f"http://127.0.0.1/{path.name}", digest, "MIT")}


TEMPLATES = ["a photo of {}.", "{}", "the face of {}, smiling"]
NAMES = {"gender": ["a woman", "a man"], "hair": ["black hair", "brown hair", "no hair"]}
PROMPTS = {
    attribute: {name: [template.format(name) for template in TEMPLATES] for name in names}
    for attribute, names in NAMES.items()
}


def test_texts_are_embedded_as_by_open_clip(tiny_clip):
    import open_clip

    from steadyflow.encoders.clip import embed_texts

    path, theirs = tiny_clip
    texts = ["a woman", "a man", "hair of several colours, seen from behind"]
    with torch.no_grad():
        expected = theirs.encode_text(open_clip.get_tokenizer("steadyflow-tiny")(texts))
    torch.testing.assert_close(embed_texts(path, texts), expected, rtol=1e-4, atol=1e-4)


def test_zero_shot_is_open_clips(tiny_clip):
    import open_clip

    path, theirs = tiny_clip
    classifier = load_classifier("clip_zero_shot", PROMPTS, [path], lock=locked(path))
    features = 10 * np.random.default_rng(0).normal(size=(200, 16)).astype(np.float32)
    features[3] = np.nan
    found = classifier.classify(features)
    tokenizer, images = open_clip.get_tokenizer("steadyflow-tiny"), torch.from_numpy(np.delete(features, 3, axis=0))
    for attribute, names in NAMES.items():
        columns = open_clip.build_zero_shot_classifier(theirs, tokenizer, names, TEMPLATES)
        expected = (F.normalize(images, dim=1) @ columns).argmax(dim=1).numpy()
        assert found[attribute].dtype == np.int8 and found[attribute][3] == -1
        np.testing.assert_array_equal(np.delete(found[attribute], 3), expected)
        assert np.bincount(expected, minlength=len(names)).min() > 10
    assert classifier.values == {attribute: tuple(names) for attribute, names in NAMES.items()}
    assert classifier.licence == "MIT" and "zero-shot" in classifier.protocol


def test_other_prompts_or_values_are_another_classifier(tiny_clip):
    path, _ = tiny_clip
    turned = {**PROMPTS, "gender": dict(reversed(PROMPTS["gender"].items()))}
    fewer = {**PROMPTS, "gender": {name: prompts[:1] for name, prompts in PROMPTS["gender"].items()}}
    hashes = [
        load_classifier("clip_zero_shot", prompts, [path], lock=locked(path)).hash
        for prompts in (PROMPTS, PROMPTS, turned, fewer)
    ]
    assert hashes[0] == hashes[1] and len(set(hashes)) == 3


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
    """What the model says to the question, one word after another without a cache, as words."""
    from transformers import PaliGemmaForConditionalGeneration

    model = PaliGemmaForConditionalGeneration.from_pretrained(folder, dtype=torch.float32).eval()
    prompt = [VOCABULARY.index("<image>")] * PATCHES + [2] + [VOCABULARY.index(word) for word in QUESTION.split()] + [5]
    said = []
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
        said.append([VOCABULARY[code] for code in answer])
    return said


ATTRIBUTES = {
    "gender": {"question": QUESTION, "answers": SEX},
    "hair": {"question": QUESTION, "answers": {"black": ["black"], "other": ["this", "one"]}},
}


def opened(folder, attributes=ATTRIBUTES):
    return load_classifier("paligemma", attributes, files_of(folder), lock={}, device=CPU)


def test_paligemmas_greedy_answers_are_told(paligemma_folder, no_network, monkeypatch):
    from steadyflow.classifiers import paligemma

    pictures = images(24)
    in_bf16 = opened(paligemma_folder).classify(pictures)
    monkeypatch.setattr(paligemma, "PRECISION", torch.float32)
    found = opened(paligemma_folder).classify(pictures)
    said = greedy(paligemma_folder, pictures)
    for attribute, asked in ATTRIBUTES.items():
        expected = []
        for words in said:
            meant = {code for code, own in enumerate(asked["answers"].values()) if set(own) & set(words)}
            expected.append(meant.pop() if len(meant) == 1 else -1)
        np.testing.assert_array_equal(found[attribute], expected)
        assert found[attribute].dtype == np.int8 and len(set(expected)) > 1
        # Of random weights, the two most likely words are often near each other.
        assert (in_bf16[attribute] == expected).mean() > 0.7


def test_paligemma_says_what_it_is(paligemma_folder):
    classifier = opened(paligemma_folder)
    assert classifier.values == {"gender": ("female", "male"), "hair": ("black", "other")}
    assert "Gemma" in classifier.licence and "bf16" in classifier.protocol
    other = {**ATTRIBUTES, "gender": {"question": "who ?", "answers": SEX}}
    assert opened(paligemma_folder).hash == classifier.hash != opened(paligemma_folder, other).hash


def test_grey_images_are_asked_about_too(paligemma_folder):
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
