"""Classifiers, which predict attributes of images, in addition to the heads of probes."""

from collections import Counter
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator

from steadyflow.ground.constants import plain_words
from steadyflow.study.specs.fields import Name, Refers, Spec

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
# Codes of values are int8.
_Values = Annotated[dict[_Text, Annotated[tuple[_Text, ...], Field(min_length=1)]], Field(min_length=2, max_length=127)]


class ClipZeroShotClassifier(Spec):
    """Zero-shot classification: the value whose prompts are nearest to the image in CLIP's embedding space."""

    encoder_kind: ClassVar[str] = "clip"

    kind: Literal["clip_zero_shot"]
    encoder: Annotated[Name | None, Refers("encoders")] = None
    """An encoder of kind `clip`, whose features are classified."""
    attributes: Annotated[dict[Name, _Values], Field(min_length=1)]
    """attribute -> value -> prompts, whose mean direction is used."""


class Question(Spec):
    question: _Text
    """The full prompt, in the model's training format: "answer en what is the hair color?"."""
    answers: _Values
    """value -> words that identify it in an answer. Case, punctuation and a plural s are ignored."""

    @field_validator("answers")
    @classmethod
    def _distinct_words(cls, answers: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        words = [plain_words(word) for of_value in answers.values() for word in of_value]
        if "" in words:
            raise ValueError("words need letters or digits")
        twice = [word for word, count in Counter(words).items() if count > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' is listed twice; a word means one value")
        return answers


class PaliGemmaClassifier(Spec):
    """Visual question answering by Google's PaliGemma 3b-mix-224. Its weights are gated: see docs/fairness.md."""

    kind: Literal["paligemma"]
    attributes: Annotated[dict[Name, Question], Field(min_length=1)]


Classifier = Annotated[ClipZeroShotClassifier | PaliGemmaClassifier, Field(discriminator="kind")]
