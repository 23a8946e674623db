"""Rules on the KL divergence of attributes from uniform."""

from dataclasses import replace

import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset

from steadyflow.claims.classifiers import is_trusted
from steadyflow.evaluate.metrics import Metric


def test_balanced_clusters_are_fairest_in_every_attribute():
    arms = [subset("b", criterion="cluster_b"), subset("g", criterion="grad"), subset("a", criterion="random_half")]
    kl = {("unpruned", "hair"): 0.8, ("b", "hair"): 0.5, ("g", "hair"): 0.7, ("a", "hair"): 0.1}
    kl |= {("unpruned", "age"): 0.6, ("b", "age"): 0.55, ("g", "age"): 0.7, ("a", "age"): 0.1}
    given = evidence(arms, fd={"unpruned": 3.0}, fairness=kl)
    found = finding("balanced_fairer", given)
    assert found.verdict == "holds"
    assert "hair by probe 0.500 against 0.700 of g, √KL −0.13 [−0.13, −0.13]" in found.measured
    assert "age by probe 0.550 against 0.600 of unpruned, √KL −0.033 [−0.035, −0.031]" in found.measured
    kl["g", "age"] = 0.5
    assert finding("balanced_fairer", evidence(arms, fd={"unpruned": 3.0}, fairness=kl)).verdict == "fails"


def test_label_aware_balance_is_fairest_at_no_cost():
    arms = [subset("aware", criterion="attribute_balanced", attribute="hair"), subset("b", criterion="cluster_b")]
    kl = {("unpruned", "hair"): 0.8, ("aware", "hair"): 0.1, ("b", "hair"): 0.5, ("unpruned", "age"): 0.1,
          ("aware", "age"): 0.9, ("b", "age"): 0.1}  # fmt: skip
    for fd, verdict in ((3.05, "holds"), (4.0, "fails")):
        distances = {"unpruned": 3.0, "aware": fd, "b": 3.0}
        assert finding("label_aware_fairest", evidence(arms, fd=distances, fairness=kl)).verdict == verdict


def right(given, attribute, accuracy, chance):
    """Evidence with how often the probe is right about held-out images, within 2%."""
    values = {"accuracy": accuracy, "chance": chance}
    rows = [row("validation_images", f"{kind}_{attribute}", v, "labels", error=0.01) for kind, v in values.items()]
    return replace(given, fairness=pd.concat([given.fairness, pd.DataFrame(rows)], ignore_index=True))


@pytest.mark.parametrize(("accuracy", "verdict"), [(0.95, "holds"), (0.65, "undecided")])
def test_a_claim_does_not_rest_on_a_classifier_that_is_hardly_better_than_chance(accuracy, verdict):
    arms = [subset("b", criterion="cluster_b"), subset("g", criterion="grad")]
    kl = {("unpruned", "age"): 0.96, ("b", "age"): 0.5, ("g", "age"): 0.9}
    found = finding("balanced_fairer", right(evidence(arms, fd={"unpruned": 3.0}, fairness=kl), "age", accuracy, 0.45))
    assert found.verdict == verdict
    words = "probe predicts age correctly in 65% of held-out images only, where the most frequent value alone gives 45%"
    assert (words in found.measured) == (verdict == "undecided")


def test_what_another_classifier_refutes_stays_refuted():
    arms = [subset("b", criterion="cluster_b")]
    kl = {("unpruned", "age"): 0.9, ("b", "age"): 0.5, ("unpruned", "hair"): 0.2, ("b", "hair"): 0.6}
    given = right(evidence(arms, fd={"unpruned": 3.0}, fairness=kl), "age", 0.65, 0.45)
    assert finding("balanced_fairer", given).verdict == "fails"


def test_trust_is_in_the_lower_end_of_the_accuracy():
    def measured(value, low, n=100):
        return Metric("faces", "", "", "", "", "", value, n, 0, low)

    assert is_trusted(measured(0.8, 0.76), measured(0.5, float("nan")))
    assert not is_trusted(measured(0.8, 0.74), measured(0.5, float("nan")))
    # Of images that are all alike any classifier is right: that is no skill.
    assert not is_trusted(measured(1.0, 0.98), measured(1.0, float("nan")))
    assert is_trusted(measured(float("nan"), float("nan"), 0), measured(float("nan"), float("nan"), 0))
