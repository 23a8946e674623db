from dataclasses import replace

import numpy as np
import pytest

from steadyflow.evaluate.sample_fairness import ImageAttributes
from steadyflow.evaluate.sample_similarity import (
    EDGES,
    Samples,
    attribute_classes,
    compare_samples,
    floor_metric,
    histograms_table,
)
from steadyflow.ground.artifacts import UserError

N = 50


def samples(run, seed, **changes):
    rng = np.random.default_rng(seed)
    return Samples(
        **{
            "run": run,
            "sampling": "euler",
            "protocol": "euler 60 steps",
            "weights_hash": f"hash of {run}",
            "num_classes": 0,
            "seed": 5,
            "latents": rng.normal(size=(N, 2, 3, 3)).astype(np.float32),
            "features": {"probe": rng.normal(size=(N, 6)).astype(np.float32)},
            **changes,
        }
    )


A, B = samples("half", 1), samples("all", 2)


def cosines(a, b):
    unit_a, unit_b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a.astype(float), b.astype(float)))
    return unit_a @ unit_b.T


def by_name(found):
    return {metric.metric: metric for metric in found.metrics}


def test_latents_and_features_are_compared_pair_by_pair():
    found = by_name(compare_samples(A, B, dataset="faces"))
    distances = np.linalg.norm((A.latents - B.latents).reshape(N, -1), axis=1)
    assert found["latent_l2_matched"].value == pytest.approx(distances.mean(), rel=1e-6)
    table = cosines(A.features["probe"], B.features["probe"])
    assert found["cosine_matched"].value == pytest.approx(np.diag(table).mean())
    assert found["cosine_unmatched"].value == pytest.approx(table[~np.eye(N, dtype=bool)].mean())
    assert (found["cosine_matched"].run, found["cosine_matched"].reference) == ("half", "all")
    assert found["cosine_matched"].protocol == "euler 60 steps from shared noise"
    assert found["cosine_matched"].hashes == "half hash of half all hash of all"
    assert "overlap" not in found and "cosine_unmatched_same_class" not in found
    assert by_name(compare_samples(A, B, dataset="faces", overlap=0.25))["overlap"].value == 0.25


def test_pairs_without_features_are_left_out():
    features = {"probe": A.features["probe"].copy()}
    features["probe"][[3, 7]] = np.nan
    found = by_name(compare_samples(replace(A, features=features), B, dataset="faces"))
    left = np.delete(np.arange(N), [3, 7])
    expected = np.diag(cosines(A.features["probe"], B.features["probe"]))[left].mean()
    assert found["cosine_matched"].value == pytest.approx(expected)
    assert (found["cosine_matched"].n, found["latent_l2_matched"].n) == (N - 2, N)
    features["probe"][1:] = np.nan
    with pytest.raises(UserError, match="half against all: 'probe' has features of 1 pairs"):
        compare_samples(replace(A, features=features), B, dataset="faces")


def test_histograms_count_every_pair():
    found = compare_samples(A, B, dataset="faces")
    table = histograms_table(found.histograms)
    assert table["matched"].sum() == N and table["unmatched"].sum() == N * (N - 1)
    values = cosines(A.features["probe"], B.features["probe"])
    np.testing.assert_array_equal(table["matched"], np.histogram(np.diag(values), EDGES)[0])
    assert list(table.columns[:3]) == ["run", "reference", "encoder"] and len(table) == len(EDGES) - 1
    assert histograms_table([]).empty


def test_conditional_runs_have_the_floor_of_one_class():
    a, b = (replace(each, num_classes=5) for each in (A, B))
    found = by_name(compare_samples(a, b, dataset="faces"))["cosine_unmatched_same_class"]
    classes, table = np.arange(N) % 5, cosines(A.features["probe"], B.features["probe"])
    same = (classes[:, None] == classes) & ~np.eye(N, dtype=bool)
    assert found.value == pytest.approx(table[same].mean())
    assert "cosine_unmatched_same_class" not in by_name(compare_samples(a, B, dataset="faces"))


def test_similarity_within_a_class_of_the_references_samples():
    mask = np.arange(N) % 3 == 0
    classes = {("", "probe.hair=long"): mask, ("other", "kept mode"): mask, ("half", "removed mode"): ~mask}
    found = by_name(compare_samples(A, B, dataset="faces", classes=classes))
    table = cosines(A.features["probe"], B.features["probe"])
    for name, members in (("probe.hair=long", mask), ("removed mode", ~mask)):
        matched, unmatched = (found[f"cosine_{part}[{name}]"] for part in ("matched", "unmatched"))
        assert matched.value == pytest.approx(np.diag(table)[members].mean()) and matched.n == members.sum()
        # Each of the reference's samples of the class against all of the run's but its match.
        assert unmatched.value == pytest.approx(table[:, members][~np.eye(N, dtype=bool)[:, members]].mean())
    assert not any("kept mode" in name for name in found)


@pytest.mark.parametrize("changes", [{"seed": 6}, {"latents": A.latents[:-1]}, {"latents": A.latents[:, :1]}])
def test_other_noises_are_refused(changes):
    with pytest.raises(UserError, match="'half euler' and 'all euler' do not share their noises"):
        compare_samples(replace(A, **changes), B, dataset="faces")


def test_the_reference_under_another_solver_names_both():
    other = replace(B, sampling="heun", protocol="heun 30 steps")
    metric = by_name(compare_samples(other, B, dataset="faces"))["cosine_matched"]
    assert metric.protocol == "heun 30 steps against euler 60 steps from shared noise"
    assert metric.hashes == "all hash of all"


def test_the_first_classifier_that_predicts_an_attribute_names_its_modes():
    first = ImageAttributes({"hair": np.array([0, 1, -1])}, {"hair": ["long", "short"]}, "")
    second = ImageAttributes({"hair": np.array([1, 1, 1])}, {"hair": ["long", "short"]}, "")
    masks = attribute_classes({"first": first, "second": second}, {"long_only": ("hair", "long")})
    assert masks["", "first.hair=short"].tolist() == [False, True, False]
    assert masks["", "second.hair=short"].tolist() == [True, True, True]
    assert masks["long_only", "kept mode"].tolist() == [True, False, False]
    assert masks["long_only", "removed mode"].tolist() == [False, True, False]


def test_the_floor_is_how_alike_two_held_out_images_are():
    embeddings = np.random.default_rng(3).normal(size=(60, 6))
    embeddings[12] = np.nan
    metric = floor_metric(embeddings, np.arange(10, 60), dataset="faces", encoder="probe")
    table = cosines(*[np.delete(embeddings[10:], 2, 0)] * 2)
    assert metric.value == pytest.approx(table[~np.eye(49, dtype=bool)].mean()) and metric.n == 49
