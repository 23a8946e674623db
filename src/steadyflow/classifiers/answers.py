"""From a model's answer in words to the value that it means."""

import re
from collections.abc import Callable, Mapping, Sequence

from steadyflow.classifiers.classifier import UNKNOWN
from steadyflow.ground.artifacts import UserError
from steadyflow.ground.constants import plain_words


def answer_reader(answers: Mapping[str, Sequence[str]]) -> Callable[[str], int]:
    """A function from an answer to the code of its value; `answers` are each value's words, or several words in a row.

    Whole words count, in any case, with a plural s or without, and of those that overlap the longest: "light brown" is
    not "brown". An answer with words of no value, or of more than one, is UNKNOWN.
    Raises UserError where a word would mean two values, or nothing.
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
