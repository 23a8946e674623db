"""Maps the text answers of a model to values of an attribute."""

import re
from collections.abc import Callable, Mapping, Sequence

from steadyflow.classifiers.classifier import UNKNOWN
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import plain_words


def answer_reader(answers: Mapping[str, Sequence[str]]) -> Callable[[str], int]:
    """A function from an answer to the code of its value; `answers` maps each value to its words or phrases.

    Whole words are matched, ignoring case and a plural s; of overlapping phrases the longest counts, so "light brown"
    is not "brown". An answer that matches no value, or more than one, is UNKNOWN. Raises UserError if a word belongs to
    two values, or is empty.
    """
    code_of: dict[str, int] = {}
    for value, words in enumerate(answers.values()):
        for word in map(plain_words, words):
            if not word or code_of.setdefault(word, value) != value:
                raise UserError(f"answers {answers}: '{word}' has to mean one value")
    longest_first = sorted(code_of, key=len, reverse=True)
    pattern = re.compile(rf"(?<!\S)({'|'.join(map(re.escape, longest_first))})(?:e?s)?(?!\S)")

    def code(answer: str) -> int:
        found = {code_of[match[1]] for match in pattern.finditer(plain_words(answer))}
        return found.pop() if len(found) == 1 else UNKNOWN

    return code
