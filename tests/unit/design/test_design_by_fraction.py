from support.arms_study import study

from steadyflow.design.by_fraction import arms_by_fraction


def test_fractions_of_a_criterion_are_a_series() -> None:
    runs = {name: {"subset": name} for name in ("random-0.9", "random-0.5", "random-0.5-1", "cluster_b-0.5", "half_a")}
    lines = arms_by_fraction(study(runs), "digits")
    assert lines == {"random": [(0.5, ("random-0.5", "random-0.5-1")), (0.9, ("random-0.9",))]}


def test_a_series_is_of_one_clustering() -> None:
    """The longest of those of one criterion, whichever comes first."""
    clusterings = {name: {"dataset": "digits", "k": k} for name, k in (("k2", 2), ("k8", 8))}
    balanced = {
        f"{clusters}-{fraction}": {
            "dataset": "digits", "criterion": "cluster_b", "pruning_fraction": fraction, "clusters": clusters
        }
        for clusters, fraction in (("k2", 0.7), ("k2", 0.5), ("k8", 0.5), ("k8", 0.7), ("k8", 0.9))
    }  # fmt: skip
    found = study({name: {"subset": name} for name in balanced}, clusterings=clusterings, subsets=balanced)
    lines = arms_by_fraction(found, "digits")
    assert lines == {"cluster_b": [(fraction, (f"k8-{fraction}",)) for fraction in (0.5, 0.7, 0.9)]}
