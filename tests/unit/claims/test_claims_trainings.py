"""Shares kept of arms that were trained several times: the mean over pairs of trainings, with their spread."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset

from steadyflow.claims.trainings import Pairs, mean_over_pairs, variance_of_a_pair
from steadyflow.evaluate.estimate import GROUPS, Estimate
from steadyflow.ground.arm import Arm

REFERENCES = Arm(("unpruned", "unpruned.2", "unpruned.3"), "reference")
RANDOM = subset("r", "r.2", "r.3", criterion="random")
LOSS = subset("r", criterion="loss")
RNG = np.random.default_rng(1)


def drawn(n, *, one_in_common=False, between=1.0, noise=1.0):
    """Values of n pairs of trainings, of mean 0: effects of both arms, of the pair, and of each group of noises."""
    of_reference = np.full(n, RNG.normal(0, between)) if one_in_common else RNG.normal(0, between, n)
    of_pair = RNG.normal(0, between, n) + of_reference + RNG.normal(0, 0.3 * between, n)
    of_groups = of_pair[:, None] + RNG.normal(0, noise, GROUPS) + RNG.normal(0, 0.5 * noise, (n, GROUPS))
    values, without = of_groups.mean(1), (of_groups.sum(1, keepdims=True) - of_groups) / (GROUPS - 1)
    estimates = [Estimate(v, v, v, tuple(rest)) for v, rest in zip(values.tolist(), without.tolist(), strict=True)]
    return Pairs(estimates, one_in_common)


def coverage(estimates):
    return float(np.mean([estimate.ci_low < 0 < estimate.ci_high for estimate in estimates]))


@pytest.mark.parametrize("noise", [0.05, 1.0, 8.0])
@pytest.mark.parametrize(("n", "one_in_common"), [(2, False), (3, False), (2, True), (3, True), (5, True)])
def test_intervals_cover_the_mean_over_all_trainings(n, one_in_common, noise):
    """Noise of 8 in each of 20 groups is 1.8 in the mean, where trainings make 1."""
    means = (mean_over_pairs(drawn(n, one_in_common=one_in_common, noise=noise)) for _ in range(600))
    assert 0.92 <= coverage(means) <= 0.985


@pytest.mark.parametrize("one_in_common", [False, True])
def test_one_pair_borrows_the_spread_of_other_arms(one_in_common):
    def mean():
        elsewhere = [drawn(3, one_in_common=one_in_common) for _ in range(3)]
        return mean_over_pairs(drawn(1), variance_of_a_pair(elsewhere))

    # With one in common, V is taken from pairs that do not show all of it.
    assert 0.92 <= coverage(mean() for _ in range(600)) <= 0.98


def test_a_single_pair_without_repeats_anywhere_knows_its_noises_alone():
    """The interval that all had before: of two trainings, and far too small for all trainings."""
    assert coverage(mean_over_pairs(drawn(1, noise=0.5)) for _ in range(300)) < 0.5


def test_the_mean_is_that_of_the_pairs_and_the_margins_add_in_squares():
    constant = [Estimate(v, v, v, (v,) * GROUPS) for v in (0.5, 0.6, 0.7)]
    found = mean_over_pairs(Pairs(constant))
    # No noise: Student's interval of three numbers with SD 0.1, t = 4.3027 of 2 degrees of freedom.
    assert (found.value, found.ci_high - found.value) == pytest.approx((0.6, 4.302653 * 0.1 / 3**0.5))
    # One training in common: SD 0.1 of the three, and as much again of that one.
    common = mean_over_pairs(Pairs(constant, one_in_common=True))
    assert common.ci_high - common.value == pytest.approx(4.302653 * 0.1 * (1 + 1 / 3) ** 0.5)
    assert variance_of_a_pair([Pairs(constant), Pairs(constant[:1])]).variance == pytest.approx(0.01)
    assert variance_of_a_pair([Pairs(constant[:1])]) is None


def test_too_few_samples_for_replicates_leave_the_interval_open():
    found = mean_over_pairs(Pairs([Estimate(0.5, 0.4, 0.6), Estimate(0.7, 0.6, 0.8)]))
    assert (found.value, found.ci_low, found.ci_high) == (0.6, -np.inf, np.inf)


def repeated(shares, **more):
    """Arm RANDOM, and the reference's, with these shares of the pairs (r, unpruned), (r.2, unpruned.2), ..."""
    pairs = dict(zip(zip(RANDOM.runs, REFERENCES.runs, strict=True), shares, strict=False))
    found = evidence([RANDOM], similarity={pair: (share, 0.0) for pair, share in pairs.items()}, **more)
    return replace(
        found, arms=[REFERENCES, *found.arms[1:]], labels={**found.labels, **{r: r for r in REFERENCES.runs}}
    )


def test_an_arm_is_judged_by_the_mean_of_its_pairs():
    """One of three is below the bound, the mean is above it."""
    close = finding("stable_pruned", repeated([0.62, 0.6, 0.61]))
    assert close.verdict == "holds"
    assert close.measured.startswith("share of the mapping kept: r (3 trainings against 3) 61% [")
    assert "pairs of trainings differ by SD 1%, 2 degrees of freedom" in close.measured
    apart = finding("stable_pruned", repeated([0.9, 0.3, 0.63]))
    assert apart.verdict == "undecided"
    assert apart.measured.startswith("share of the mapping kept: r (3 trainings against 3) 61% [")


def test_pairs_with_the_one_reference_are_those_of_one_training():
    runs = {(run, "unpruned"): (share, 0.0) for run, share in zip(RANDOM.runs, (0.62, 0.6, 0.61), strict=True)}
    found = finding("stable_pruned", evidence([RANDOM], similarity=runs))
    assert found.measured.startswith("share of the mapping kept: r (3 trainings against 1) 61% [")
    wide = mean_over_pairs(Pairs([Estimate(v, v, v, (v,) * GROUPS) for v in (0.62, 0.6, 0.61)], one_in_common=True))
    assert f"[{100 * wide.ci_low:.0f}, {100 * wide.ci_high:.0f}]" in found.measured


def test_repeats_of_the_reference_are_pairs_with_its_first():
    runs = {(run, "unpruned"): (share, 0.0) for run, share in zip(REFERENCES.runs[1:], (0.8, 0.82), strict=True)}
    given = replace(evidence([], similarity=runs), arms=[REFERENCES], labels={run: run for run in REFERENCES.runs})
    found = finding("stable_seed", given)
    assert found.verdict == "holds"
    assert found.measured.startswith("share of the mapping kept: unpruned.2 (2 trainings against 1) 81% [")


def test_without_repeats_the_words_say_so():
    found = finding(
        "stable_pruned", evidence([subset("r", criterion="loss")], similarity={("r", "unpruned"): (0.8, 0.1)})
    )
    assert found.verdict == "holds"
    assert "(of these trainings alone: none was repeated, so others might differ)" in found.measured


HALVES = [subset("a", criterion="random_half"), subset("b", criterion="random_half")]
DISJOINT = pd.DataFrame([row("a", "overlap", 0.0, "b")])
ONE_MODE = subset("r", criterion="attribute_value", fraction=None)
RESEEDED = Arm(("unpruned", "again"), "reference")
MODES = pd.DataFrame(
    [
        row("r", f"cosine_{part}[{mode} mode]", value, "unpruned")
        for part, mode, value in [("matched", "kept", 0.8), ("matched", "removed", 0.3)]
        + [("unmatched", mode, 0.1) for mode in ("kept", "removed")]
    ]
    # What a reseed leaves, which the kept mode is compared with.
    + [row("again", f"cosine_{part}", value, "unpruned") for part, value in (("matched", 0.8), ("unmatched", 0.1))]
)


@pytest.mark.parametrize(
    ("claim", "arms", "pair", "rows"),
    [
        ("stable_pruned", [LOSS], ("r", "unpruned"), None),
        ("stable_capacity", [Arm(("r",), "capacity")], ("r", "unpruned"), None),
        ("stable_halves", HALVES, ("a", "b"), DISJOINT),
        ("stable_seed", [Arm(("unpruned", "r"), "reference")], ("r", "unpruned"), None),
        ("dataset_swap", [Arm(("r",), "dataset")], ("r", "unpruned"), None),
        ("local_mode_removal", [RESEEDED, ONE_MODE], ("r", "unpruned"), MODES),
    ],
)
def test_a_claim_on_independent_trainings_is_undecided_where_a_pair_shares_a_seed(claim, arms, pair, rows):
    given = evidence(arms, similarity={pair: (0.8, 0.1)}, pairs=[("a", "b")])
    given = replace(given, similarity=pd.concat([given.similarity, rows]))
    if arms[0].kind == "reference":
        given = replace(given, arms=arms, labels={run: run for arm in arms for run in arm.runs})
    assert finding(claim, given).verdict == "holds"
    shared = finding(claim, replace(given, shared_seeds=[pair]))
    assert shared.verdict == "undecided"
    assert "; not of independent trainings: " in shared.measured and " share a seed" in shared.measured
    # A pair of no concern to the claim.
    assert finding(claim, replace(given, shared_seeds=[("x", "unpruned")])).verdict == "holds"


def test_pairs_that_share_a_seed_do_not_count_beside_others_of_their_arms():
    """Halves trained with one seed on purpose, to see how much of the similarity that makes."""
    arms = [subset("a", "same a", criterion="random_half"), subset("b", "same b", criterion="random_half")]
    pairs = [("a", "b"), ("same a", "same b")]
    given = evidence(arms, similarity={("a", "b"): (0.6, 0.0), ("same a", "same b"): (0.9, 0.0)}, pairs=pairs)
    rows = pd.DataFrame([row(run, "overlap", 0.0, other) for run, other in pairs])
    given = replace(given, similarity=pd.concat([given.similarity, rows]))
    both, apart = (finding("stable_halves", replace(given, shared_seeds=shared)) for shared in ([], pairs[1:]))
    assert both.measured.startswith("share of the mapping kept: a against b (2 trainings against 2) 75% [")
    assert apart.verdict == "holds"
    assert apart.measured.startswith("share of the mapping kept: a against b 60% [")
    assert "; not counted, sharing a seed: same a against same b" in apart.measured
    assert finding("stable_halves", replace(given, shared_seeds=pairs)).verdict == "undecided"


def test_what_is_beyond_the_null_models_is_the_mean_over_pairs_too():
    """One pair of three shares less than the bound of 0.25 beyond the Gaussian flows, their mean more."""
    given = repeated([0.9, 0.9, 0.9], fd=dict.fromkeys((*RANDOM.runs, *REFERENCES.runs), 10.0) | {"flow": 30.0})
    residuals = [
        row(*pair, reference=reference)
        for run, reference, value in zip(RANDOM.runs, REFERENCES.runs, (0.24, 0.6, 0.42), strict=True)
        for pair in ((run, "beyond_matched", value), (run, "beyond_unmatched", 0.0))
    ]
    flows = dict.fromkeys((*RANDOM.runs, *REFERENCES.runs), "flow")
    similarity = pd.concat([given.similarity, pd.DataFrame(residuals)])
    found = finding("stable_pruned", replace(given, similarity=similarity, null_models=flows))
    assert "beyond the Gaussian flow: r (3 trainings against 3) 42% [" in found.measured
    # Three pairs so far apart leave it open, where the pair of 0.24 alone made it fail.
    assert found.verdict == "undecided"


def test_the_tail_of_an_interval_is_that_of_its_trainings():
    """Holm asks for levels beyond 95%: 3 pairs have 2 degrees of freedom at any."""
    found = mean_over_pairs(drawn(3, noise=0.05))
    assert found.degrees == 2
    assert mean_over_pairs(drawn(1)).degrees == pytest.approx(GROUPS - 1)
