"""A model's answer in words means the value whose words it holds."""

import pytest

from steadyflow.classifiers.answers import answer_reader
from steadyflow.ground.artifacts import UserError

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
