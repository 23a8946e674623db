"""Classifiers: what tells the attributes of images, beside the heads of a probe."""

from collections import Counter
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator

from steadyflow.ground.constants import plain_words
from steadyflow.study.specs.fields import Name, Refers, Spec

_Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
# Codes of values are int8.
_Values = Annotated[dict[_Text, Annotated[tuple[_Text, ...], Field(min_length=1)]], Field(min_length=2, max_length=127)]


class ClipZeroShotClassifier(Spec):
    """Each image takes the value whose prompts are nearest to it in CLIP's common space of images and texts."""

    encoder_kind: ClassVar[str] = "clip"

    kind: Literal["clip_zero_shot"]
    encoder: Annotated[Name | None, Refers("encoders")] = None
    """One of the kind `clip`, whose features of the images are read."""
    attributes: Annotated[dict[Name, _Values], Field(min_length=1)]
    """attribute -> value -> prompts, of which the mean direction counts."""


class Question(Spec):
    question: _Text
    """The whole prompt, as the model was trained to be asked: "answer en what is the hair color?"."""
    answers: _Values
    """value -> words by which an answer is known to mean it. Case and punctuation do not matter, nor a plural s."""

    @field_validator("answers")
    @classmethod
    def _told_apart(cls, answers: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        words = [plain_words(word) for of_value in answers.values() for word in of_value]
        if "" in words:
            raise ValueError("words need letters or digits")
        twice = [word for word, count in Counter(words).items() if count > 1]
        if twice:
            raise ValueError(f"'{twice[0]}' stands twice; a word means one value")
        return answers


class PaliGemmaClassifier(Spec):
    """Google's PaliGemma 3b-mix-224, asked about each image. Its weights are gated: see docs/fairness.md."""

    kind: Literal["paligemma"]
    attributes: Annotated[dict[Name, Question], Field(min_length=1)]


Classifier = Annotated[ClipZeroShotClassifier | PaliGemmaClassifier, Field(discriminator="kind")]
