"""What metrics are compared with follows from what a run was trained on."""

import copy

import pytest
from support.tiny import TINY

from steadyflow.stages.metrics import MEASURE_QUALITY, held_out_of
from steadyflow.study import parse_study


def with_subset(**subset):
    raw = copy.deepcopy(TINY)
    raw["subsets"]["some"] = subset
    raw["runs"]["some"] = {"subset": "some"}
    return parse_study(raw)


@pytest.mark.parametrize(
    ("run", "held_out"),
    [("unpruned", {}), ("threes", {"label": "3"}), ("cluster_b-0.5", None)],
)
def test_held_out_images_are_those_of_the_population_that_was_trained_on(run, held_out):
    assert held_out_of(parse_study(TINY), run) == held_out


@pytest.mark.parametrize(
    ("subset", "held_out"),
    [
        ({"criterion": "random", "pruning_fraction": 0.5}, {}),
        ({"criterion": "random_half", "part": "a"}, {}),
        ({"criterion": "attribute_balanced", "attribute": "label", "pruning_fraction": 0.5}, None),
    ],
)
def test_a_random_draw_is_of_all_of_them(subset, held_out):
    assert held_out_of(with_subset(**subset), "some") == held_out


def test_another_population_is_measured_anew():
    """Of equal ids too, which a list and a random draw may have."""

    def identity(study):
        return MEASURE_QUALITY.identity(study, {"dataset": "digits", "measured": "some"})

    drawn, listed = (
        with_subset(criterion="random", pruning_fraction=0.5),
        with_subset(criterion="listed", file="ids.txt"),
    )
    assert identity(drawn)[2] != identity(listed)[2]
