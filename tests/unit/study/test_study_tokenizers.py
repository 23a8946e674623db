"""Tokenizers of a study: losses, and the images that they take."""

import pytest
from support.studies import SMALL, complete, study

from steadyflow.ground.artifacts import UserError
from steadyflow.study import parse_study


def test_the_tokenizers_of_a_dataset_and_of_its_runs_are_measured():
    more = {"source": "synthetic_faces", "resolution": 32}
    named = {"encoders": ["probe"], "sampling": "euler"}
    edits = {"datasets__more": more, "runs__other": {"dataset": "more", "tokenizer": "vqvae"}}
    edits |= {"tokenizers__own": {"dataset": "more", "multipliers": [1, 2]}, "evaluations__more": {**named}}
    edits |= {f"runs__{name}__tokenizer": "vqvae" for name in SMALL["runs"]}
    edits["evaluations__more"]["reference"] = "other"
    assert parse_study(complete(**edits)).evaluations["more"].tokenizers == ("own", "vqvae")
    edits["evaluations__more"]["tokenizers"] = ["vqvae"]
    assert parse_study(complete(**edits)).evaluations["more"].tokenizers == ("vqvae",)


def test_a_measured_tokenizer_takes_the_images():
    named = {"encoders": ["probe"], "tokenizers": ["vqvae"]}
    message = r"evaluations\.digits\.tokenizers: 'vqvae' takes 3 channels, not 1$"
    with pytest.raises(UserError, match=message):
        parse_study(complete(evaluations__digits=named))


def test_losses_in_a_few_words():
    plain = {"perceptual": "none", "adversarial": "none"}
    wanted = {"MSE": plain, "MSE + GAN": {"perceptual": "none"}, "MSE + LPIPS": {"adversarial": "none"}}
    for words, edit in {**wanted, "MSE + LPIPS + GAN": {}}.items():
        found = study(tokenizers__vqvae={"multipliers": [1, 2], **edit})
        assert found.tokenizers["vqvae"].losses == words
        assert found.uses_lpips == ("LPIPS" in words)


def test_a_run_may_take_the_tokenizer_of_another_dataset():
    raw = complete(datasets__more={"source": "synthetic_faces", "resolution": 32}, runs__other={"dataset": "more"})
    assert parse_study(raw).runs["other"].tokenizer == "vqvae"


def test_a_term_of_the_tokenizer_is_none_or_its_settings():
    assert study(tokenizers__vqvae__perceptual="none").tokenizers["vqvae"].perceptual == "none"
    spec = study(tokenizers__vqvae__adversarial={"start": 7}).tokenizers["vqvae"]
    assert (spec.adversarial.start, spec.adversarial.weight, spec.perceptual.weight) == (7, 0.5, 1.0)
    assert spec.identity()["adversarial"]["start"] == 7


def test_lpips_needs_images_that_can_be_halved_four_times():
    assert study().uses_lpips
    with pytest.raises(UserError, match=r"^tokenizers\.vqvae\.perceptual: LPIPS needs images of 16 pixels, not 12$"):
        study(datasets__faces__resolution=12, tokenizers__vqvae__adversarial="none")


def test_a_discriminator_has_to_see_something():
    with pytest.raises(UserError, match=r"^tokenizers\.vqvae\.adversarial\.layers: .* images of 24 pixels, not 16$"):
        study(datasets__faces__resolution=16)


def test_a_tokenizer_takes_images_of_its_channels_and_resolutions():
    with pytest.raises(UserError, match=r"^runs\.other\.tokenizer: 'vqvae' takes 3 channels, not 1$"):
        parse_study(complete(runs__other={"dataset": "digits"}))
    odd = {"source": "synthetic_faces", "resolution": 13}
    with pytest.raises(UserError, match=r"^runs\.other\.tokenizer: resolution 13 is no multiple of 2$"):
        parse_study(complete(datasets__odd=odd, runs__other={"dataset": "odd", "model": "DiT-T/1"}))
