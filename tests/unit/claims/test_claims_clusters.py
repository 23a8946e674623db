"""Rules on clusters: how many, which of their images."""

from dataclasses import replace

import pandas as pd
from made_evidence import evidence, finding, row, subset


def test_kernels_within_clusters_against_the_whole():
    arms = [subset(name, criterion=name) for name in ("kernel_b", "kernel_p", "kernel")]
    distances = {"unpruned": 3.0, "kernel_b": 2.9, "kernel_p": 3.0, "kernel": 3.1}
    found = finding("kernel_within_clusters", evidence(arms, fd=distances))
    assert (found.verdict, "against kernel: " in found.measured) == ("holds", True)
    # Both quotas have to.
    assert finding("kernel_within_clusters", evidence(arms, fd=distances | {"kernel_p": 3.2})).verdict == "fails"
    assert finding("kernel_within_clusters", evidence(arms[::2], fd=distances)).verdict == "holds"
    assert finding("kernel_within_clusters", evidence(arms[:2], fd=distances)).verdict == "not measured"


def test_two_clusters_are_judged_in_the_features_of_clip():
    runs = {2: "k2", 8: "k8", 24: "k24"}
    arms = [subset(run, criterion="cluster_b", fraction=0.7) for run in runs.values()]
    # In the first encoder k = 2 is the worst.
    given = evidence(arms, fd={"unpruned": 3.0, "k2": 9.0, "k8": 3.0, "k24": 3.0})
    given = replace(given, by_k={"cluster_b, 70% removed": list(runs.items())})
    in_clip = {run: 2.0 if run == "k2" else 2.5 for run in given.labels}

    def judged(fd, **changes):
        rows = pd.DataFrame([row(run, "fd", value, encoder="clip") for run, value in fd.items()])
        quality = pd.concat([given.quality, rows])
        return finding("two_clusters_best", replace(given, quality=quality, **changes)).verdict

    assert judged(in_clip) == "not measured"
    assert judged(in_clip, clip_encoder="clip") == "holds"
    assert judged(in_clip | {"k24": 1.9}, clip_encoder="clip") == "fails"
    assert judged(in_clip, clip_encoder="clip", by_k={"loss, 70% removed": list(runs.items())}) == "not measured"


def test_inverse_clusters_are_held_against_their_own_quota_and_fraction_on_ffhq():
    arms = [
        subset(f"{criterion}-{fraction}", criterion=criterion, fraction=fraction)
        for criterion in ("cluster_b", "cluster_b_inv", "cluster_p", "cluster_p_inv")
        for fraction in (0.25, 0.5, 0.9)
    ]
    distances = {"unpruned": 3.0} | {arm.runs[0]: 2.9 if "_inv" in arm.criterion else 3.1 for arm in arms}
    distances["cluster_b_inv-0.9"] = 9.0

    def judged(dataset, **changed):
        return finding("inverse_clusters_better", evidence(arms, fd=distances | changed, reproduces=dataset)).verdict

    assert judged("") == judged("celebahq") == "not measured"
    assert judged("ffhq") == "holds"
    assert judged("ffhq", **{"cluster_p_inv-0.25": 3.2}) == "fails"
