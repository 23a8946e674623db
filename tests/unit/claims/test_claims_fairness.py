"""Rules on the KL divergence of attributes from uniform."""

from made_evidence import evidence, finding, subset


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
