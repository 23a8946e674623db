"""How tables mark pairs of trainings that share a seed, so are not independent."""

from collections.abc import Collection, Iterable

MARK = "†"


def with_mark(label: str, pair: tuple[str, str], shared_seeds: Collection[tuple[str, str]]) -> str:
    """The label of a pair's row, marked if its two trainings share a seed."""
    return f"{label} {MARK}" if pair in shared_seeds else label


def meaning_of_mark(pairs: Iterable[tuple[str, str]], shared_seeds: Collection[tuple[str, str]]) -> str:
    """The footnote of a caption, which begins with a space; "" if no pair is marked."""
    if not set(pairs) & set(shared_seeds):
        return ""
    return (
        f" {MARK} Not independent: both trainings have the same seed, so they share their noise, their initial weights "
        "if the networks are alike, and their order of data if they have as many images."
    )
