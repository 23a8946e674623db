"""With the papers' own numbers, each rule comes out as the papers say."""

from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from made_evidence import evidence, finding, row, subset

from steadyflow.claims import RULES
from steadyflow.claims.criteria import PAPERS
from steadyflow.ground.arm import Arm
from steadyflow.report.paper import read_paper_values

PRINTED = read_paper_values(Path(__file__).parents[3] / "resources/paper/scalars.csv")
UNMATCHED = {"celebahq": 0.37, "ffhq": 0.30}
INVERSES = ("grad", "loss", "cluster_p", "cluster_b")


def printed(dataset, quantity, variant, reference=""):
    (found,) = (
        float(v.value)
        for v in PRINTED
        if (v.dataset, v.quantity, v.variant, v.reference) == (dataset, quantity, variant, reference)
    )
    return found


def similar(dataset, *runs, reference="unpruned", unmatched=None):
    floor = UNMATCHED[dataset] if unmatched is None else unmatched
    return {(run, reference): (printed(dataset, "arcface", run, reference), floor) for run in runs}


def half(*criteria):
    return [subset(f"{criterion}-0.5", criterion=criterion) for criterion in criteria]


def disjoint(given):
    """With the overlaps of its pairs."""
    overlaps = [row(run, "overlap", 0.0, other) for run, other in given.inverse_pairs]
    return replace(given, similarity=pd.concat([given.similarity, pd.DataFrame(overlaps)]))


def of_pairs(arms, similarity, **more):
    """Standard errors of the papers: SD 0.13 over 4,096 pairs."""
    return evidence(arms, similarity=similarity, errors=0.13 / 4096**0.5, **more)


def of_fd(arms, *, seeds=False, **more):
    """FID of every arm as printed. `seeds`: with the SD of 0.38 that is printed over three random subsets; without it
    trainings do not differ, as the papers read single ones."""
    named = {run: run for arm in arms for run in arm.runs}
    fd = {run: printed("celebahq", "fid", run) for run in ("unpruned", *named)}
    if seeds:
        middle, sd = printed("celebahq", "fid", "random-0.5"), 0.38
        arms = [*arms, subset("r0", "r1", "r2", criterion="random")]
        fd |= {"r0": middle - sd, "r1": middle, "r2": middle + sd}
    return evidence(arms, fd=fd, repeated=not seeds, **more)


def stable_halves():
    arms = [subset("half_a", "half_b", criterion="random_half")]
    pair = ("half_a", "half_b")
    return disjoint(of_pairs(arms, similar("celebahq", "half_a", reference="half_b", unmatched=0.34), pairs=[pair]))


def opposites(similarity, arms=(), **more):
    inverse = [criterion + end for criterion in INVERSES for end in ("", "_inv")]
    pairs = [(f"{criterion}-0.5", f"{criterion}_inv-0.5") for criterion in INVERSES]
    return disjoint(of_pairs([*arms, *half(*inverse)], similarity, pairs=pairs, **more))


def stable_inverse():
    pairs = [similar("celebahq", f"{c}-0.5", reference=f"{c}_inv-0.5") for c in INVERSES]
    return opposites({pair: values for each in pairs for pair, values in each.items()})


def stable_ffhq():
    quarter = [subset(f"{criterion}-0.25", criterion=criterion, fraction=0.25) for criterion in PAPERS]
    floor = UNMATCHED["ffhq"]
    found = {
        (f"{criterion}-{fraction}", "unpruned"): (
            printed("ffhq", "arcface", f"each_criterion-{fraction}", "unpruned"),
            floor,
        )
        for criterion in PAPERS
        for fraction in (0.25, 0.5)
    }
    inverse = printed("ffhq", "arcface", "criterion-0.5", "inverse-0.5")
    found |= {(f"{c}-0.5", f"{c}_inv-0.5"): (inverse, floor) for c in INVERSES}
    return opposites(found, [*quarter, *half("random")], reproduces="ffhq")


def stable_imagenet():
    """The unmatched similarity is not printed; the claim needs it below 0.42."""
    arms = half("random", "cluster_p", "cluster_p_inv", "cluster_b", "cluster_b_inv")
    low, high = map(float, next(v.value for v in PRINTED if v.quantity == "dino").split("-"))
    values = [low, low, high, high, low]
    return of_pairs(
        arms, {(a.runs[0], "unpruned"): (v, 0.4) for a, v in zip(arms, values, strict=True)}, reproduces="imagenet"
    )


def mode_removal():
    """By mode nothing is printed. If both models keep k of their mode's similarity and r of the other's, and 67% of the
    images are female, then 0.67 k + 0.33 r = 0.76 and 0.33 k + 0.67 r = 0.58: k = 0.93, r = 0.41."""
    female, male = (printed("celebahq", "arcface", f"{sex}_only", "unpruned") for sex in ("female", "male"))
    share = printed("celebahq", "share_female", "unpruned")
    total, gap = female + male, (female - male) / (2 * share - 1)
    given = of_pairs(
        [
            subset(f"{sex}_only", criterion="attribute_value", attribute="sex", fraction=None)
            for sex in ("female", "male")
        ],
        similar("celebahq", "reseeded"),
    )
    rows = [
        row(f"{sex}_only", f"cosine_{part}[{mode} mode]", value, "unpruned", error=0.003)
        for sex in ("female", "male")
        for mode, matched in (("kept", (total + gap) / 2), ("removed", (total - gap) / 2))
        for part, value in (("matched", matched), ("unmatched", UNMATCHED["celebahq"]))
    ]
    arms = [Arm(("unpruned", "reseeded"), "reference"), *given.arms[1:]]
    labels = given.labels | {"reseeded": "reseeded"}
    return replace(given, arms=arms, labels=labels, similarity=pd.concat([given.similarity, pd.DataFrame(rows)]))


def reseeded():
    given = of_pairs([], similar("celebahq", "reseeded"))
    return replace(
        given, arms=[Arm(("unpruned", "reseeded"), "reference")], labels=given.labels | {"reseeded": "seed 1"}
    )


def one(run, kind, unmatched=None):
    return lambda: of_pairs([Arm((run,), kind)], similar("celebahq", run, unmatched=unmatched))


PAIRS = {
    "stable_halves": stable_halves,
    "stable_pruned": lambda: of_pairs(half(*PAPERS), similar("celebahq", *(f"{c}-0.5" for c in PAPERS))),
    "stable_inverse": stable_inverse,
    "stable_seed": reseeded,
    "stable_capacity": one("DiT-XL-2", "capacity"),
    # The unmatched similarity at 512 is not printed; that at 256 stands for it.
    "stable_512": lambda: of_pairs(
        half("cluster_b"),
        {("cluster_b-0.5", "unpruned"): (printed("celebahq-512", "arcface", "cluster_b-0.5", "unpruned"), 0.37)},
        reproduces="celebahq-512",
    ),
    "stable_ffhq": stable_ffhq,
    "stable_imagenet": stable_imagenet,
    "weaker_architecture": lambda: of_pairs(
        [Arm(("UNet-M",), "architecture"), Arm(("DiT-XL-2",), "capacity")], similar("celebahq", "UNet-M", "DiT-XL-2")
    ),
    "local_mode_removal": mode_removal,
    "dataset_swap": one("ffhq_on_celebahq_tokenizer", "dataset", unmatched=0.30),
    "tokenizer_breaks": one("tokenizer_reseeded", "tokenizer_seed"),
    "flip_first_partial": one("latent_flip_first", "flip_first"),
    "flip_all_breaks": one("latent_flip_all", "flip_all"),
}
DISTANCES = {
    "balanced_helps": lambda **seeds: of_fd(half("cluster_b"), **seeds),
    "high_loss_hurts": lambda **seeds: of_fd(half("loss", "loss_inv"), **seeds),
    "low_grad_hurts": lambda **seeds: of_fd(half("grad", "grad_inv"), **seeds),
    "kernel_within_clusters": lambda **seeds: of_fd(
        [subset("cluster_b_kernel-0.5", criterion="kernel_b"), subset("kernel_global-0.5", criterion="kernel")], **seeds
    ),
    "larger_better": lambda **seeds: of_fd(
        [Arm(("DiT-XL-2",), "capacity")], operations={"unpruned": 6.1, "DiT-XL-2": 118.6}, **seeds
    ),
}
BALANCE = ("balanced_fairer", "label_aware_fairest")
# Printed as curves and pictures alone, or, as diffusion_breaks, in words.
IN_PICTURES = {
    *("diffusion_breaks", "preserved_to_half", "two_clusters_best", "inverse_clusters_better", "tradeoff_celebahq"),
    *("no_tradeoff_imagenet", "pruning_speeds_imagenet", "efm_no_worse"),
}


def test_every_rule_whose_numbers_are_printed_is_held_to_them():
    assert {*PAIRS, *DISTANCES, *BALANCE} == RULES.keys() - IN_PICTURES


@pytest.mark.parametrize("claim", PAIRS)
def test_similarities_come_out_as_the_papers_say(claim):
    found = finding(claim, PAIRS[claim]())
    assert found.verdict == "holds", found.measured


@pytest.mark.parametrize("claim", DISTANCES)
def test_distances_come_out_as_the_papers_say_if_trainings_did_not_differ(claim):
    found = finding(claim, DISTANCES[claim]())
    assert found.verdict == "holds", found.measured


@pytest.mark.parametrize("claim", DISTANCES)
def test_with_the_spread_of_three_seeds_nothing_that_the_papers_say_of_distances_is_decided(claim):
    """4.3 SD of 2 degrees of freedom, times the root of 2: 2.3 of FID, and most changes are of 1.4."""
    found = finding(claim, DISTANCES[claim](seeds=True))
    assert found.verdict == "undecided", found.measured


def balance(*, as_printed):
    criteria = {
        "grad": "grad-0.5",
        "loss_inv": "loss_inv-0.5",
        "cluster_p": "cluster_p-0.5",
        "cluster_b": "cluster_b-0.5",
    }
    arms = [subset(run, criterion=criterion) for criterion, run in criteria.items()]
    arms.append(subset("cluster_b_gender-0.5", criterion="attribute_balanced", attribute="gender"))
    kl = {
        (value.variant, value.quantity.removeprefix("kl_")): float(value.value)
        for value in PRINTED
        if value.quantity.startswith("kl_")
    }
    # Of label-aware balance, gender alone is printed.
    kl |= {("cluster_b_gender-0.5", attribute): 1.0 for attribute in ("age", "skin_tone", "hair_color")}
    if not as_printed:
        age, tone = (("loss_inv-0.5", attribute) for attribute in ("age", "skin_tone"))
        kl[age], kl[tone] = kl[tone], kl[age]
    distances = {
        run: printed("celebahq", "fid", run) for run in ("unpruned", *criteria.values(), "cluster_b_gender-0.5")
    }
    return arms, kl, distances


def test_label_aware_balance_comes_out_as_the_papers_say():
    arms, kl, distances = balance(as_printed=True)
    assert finding("label_aware_fairest", evidence(arms, fd=distances, fairness=kl)).verdict == "holds"


@pytest.mark.parametrize("as_printed", [True, False])
def test_balanced_clusters_are_not_fairest_in_age_by_the_papers_own_table(as_printed):
    """Neither as it is printed nor with age and skin tone of the lowest loss swapped; without that row they are."""
    arms, kl, distances = balance(as_printed=as_printed)
    found = finding("balanced_fairer", evidence(arms, fd=distances, fairness=kl))
    assert found.verdict == "fails"
    others = [arm for arm in arms if arm.criterion != "loss_inv"]
    assert finding("balanced_fairer", evidence(others, fd=distances, fairness=kl)).verdict == "holds"
