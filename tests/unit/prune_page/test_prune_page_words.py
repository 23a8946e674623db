"""Rules and settings in words."""

from steadyflow.prune_page.words import dependencies_in_words, rule_in_words, settings


def test_a_rule_in_words():
    spec = {"criterion": "random_half", "part": "a", "seed": 3, "dataset": "mine", "file": None}
    assert rule_in_words("half of a random split", spec) == "half of a random split (part a, seed 3)"
    assert rule_in_words("all", {"criterion": "complement", "of": ["a", "b"]}) == "all (of a b)"


def test_settings_are_what_a_spec_says_of_itself():
    spec = {"k": 24, "dataset": "mine", "over": [1, 2], "seed": 0, "encoder": None, "term": {"weight": 1}}
    assert settings(spec) == "k 24, over 1 2, seed 0"
    assert settings({"drop": list(range(12))}) == "drop 0 1 2 3 4 5 6 7 8 9 and 2 more"


def test_what_a_subset_was_chosen_by_is_a_line_each():
    entries = [("clusterings", "k24", {"k": 24, "dataset": "mine"}), ("runs", "surrogate", {"steps": 7})]
    assert dependencies_in_words(entries) == ["clustering k24: k 24", "run surrogate: steps 7"]
