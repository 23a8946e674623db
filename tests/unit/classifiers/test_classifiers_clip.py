"""CLIP without training predicts what open_clip's own zero-shot classifier does, on weights made here."""

import hashlib

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.clip_networks import write_archive

from steadyflow.classifiers import load_classifier
from steadyflow.fetch.lock import Locked
from steadyflow.ground.artifacts import write_json


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
