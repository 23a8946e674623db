"""Pairs of trainings: which are compared beside each run with the reference, and which are not independent."""

from steadyflow.design.arms import arms
from steadyflow.study import Study

Pair = tuple[str, str]


def pairs_of_repeats(study: Study, dataset: str) -> list[Pair]:
    """The second training of every other arm with the second of the reference's, the third with the third, and so on.

    No two of an arm's, that of the firsts among them, share a training, so their spread is all that is between pairs of
    trainings; the pairs of every run with the reference run have that one in common. Without what is compared anyhow.
    """
    found = arms(study, dataset)
    pairs = (pair for arm in found[1:] for pair in zip(arm.runs[1:], found[0].runs[1:], strict=False))
    compared = set(study.compared_pairs(dataset))
    return [pair for pair in pairs if pair not in compared]


def pairs_of_one_seed(study: Study, dataset: str) -> list[Pair]:
    """The compared pairs whose two trainings have one seed, so share what is drawn by it: training noise, the initial
    weights if their networks are alike, the order of data if as much of it was trained on."""

    def seed(run: str) -> int | None:
        return study.runs[run].seed if study.runs[run].trained else None

    compared = (*study.compared_pairs(dataset), *pairs_of_repeats(study, dataset))
    return [pair for pair in compared if seed(pair[0]) is not None and seed(pair[0]) == seed(pair[1])]
