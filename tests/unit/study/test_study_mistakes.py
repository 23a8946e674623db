"""Every mistake in a study is named by its key."""

import pytest
from support.studies import study

from steadyflow.ground.artifacts import UserError

WRONG = {
    "runs__b__model": ("DiT-Q/2", "runs.b.model: unknown velocity model 'DiT-Q/2' (known: DiT-T/1, "),
    "runs__all__modle": ("DiT-T/2", "runs.all.modle: unknown key"),
    "runs__all__steps": (-1, "runs.all.steps: input should be greater than or equal to 0"),
    "runs__all__ema_decay": (1, "runs.all.ema_decay: input should be less than 1"),
    "runs__all__seed": (-1, "runs.all.seed: input should be greater than or equal to 0"),
    "runs__all__tokenizer": ("vq", "runs.all.tokenizer: unknown 'vq' (known: vqvae)"),
    "runs__all__subset": ("nix", "runs.all.subset: unknown 'nix' (known: half, near, hard)"),
    "runs__all": (3, "runs.all: input should be a valid dictionary"),
    "runs__a b": ({}, "runs.a b.[key]: string should match pattern"),
    "defaults__runs__modle": ("DiT-T/2", "defaults.runs.modle: unknown key"),
    "surprise": (1, "surprise: unknown key"),
    "name": (..., "name: field required"),
    "datasets": ({}, "datasets: dictionary should have at least 1 item"),
    "datasets__faces__colour": (1, "datasets.faces.colour: unknown key"),
    "datasets__faces__source": ("web", "datasets.faces.source: unknown 'web' (known: synthetic_faces, idx, digits"),
    "datasets__more": ({"resolution": 8}, "datasets.more.source: field required"),
    "subsets__half__part": ("c", "subsets.half.part: input should be 'a' or 'b'"),
    "subsets__near__pruning_fraction": (1.0, "subsets.near.pruning_fraction: 1.0 is not in [0, 1)"),
    "subsets__hard__pruning_fraction": (-0.1, "subsets.hard.pruning_fraction: -0.1 is not in [0, 1)"),
    "subsets__near__criterion": ("best", "subsets.near.criterion: unknown 'best' (known: random, "),
    "subsets__near__clusters": ("k9", "subsets.near.clusters: unknown 'k9' (known: k4)"),
    "subsets__hard__criterion": ("grad", "subsets.hard.criterion: scorings.surrogate.measures does not have 'grad'"),
    "subsets__core": (
        {"criterion": "kernel", "pruning_fraction": 0.5, "encoder": "probe"},
        "subsets.core: has `encoder`, but is chosen among latents: leave it out, or change `space`",
    ),
    "subsets__ccs": (
        {"criterion": "loss_ccs", "pruning_fraction": 0.5, "hardest_cut": 0.6},
        "subsets.ccs: hardest_cut, 0.6, is more than the pruning_fraction, 0.5",
    ),
    "subsets__both": ({"criterion": "intersection", "of": ["half"]}, "subsets.both.of: tuple should have at least 2"),
    "subsets__rest": ({"criterion": "complement", "of": "nix"}, "subsets.rest.of: unknown 'nix' (known: half, near"),
    "subsets__few": ({"criterion": "drop_clusters", "drop": 4}, "subsets.few.drop: 'k4' has 4 clusters, and one at"),
    "subsets__none": ({"criterion": "drop_clusters", "drop": 0}, "subsets.none.drop: input should be greater than 0"),
    "subsets__some": ({"criterion": "drop_clusters", "drop": [1, 4]}, "subsets.some.drop: there is no cluster 4; 'k4'"),
    "subsets__twice": ({"criterion": "drop_clusters", "drop": [1, 1]}, "subsets.twice.drop: names a cluster twice"),
    "tokenizers__vqvae__width": (10, "tokenizers.vqvae.width: 10 is not a multiple of 4"),
    "tokenizers__vqvae__perceptual": ("lpips", "tokenizers.vqvae.perceptual: is neither 'none' nor a mapping"),
    "tokenizers__vqvae__adversarial": (None, "tokenizers.vqvae.adversarial: is neither 'none' nor a mapping"),
    "tokenizers__vqvae__perceptual__weigth": (1, "tokenizers.vqvae.perceptual.weigth: unknown key"),
    "tokenizers__vqvae__adversarial__weight": (0, "tokenizers.vqvae.adversarial.weight: input should be greater than"),
    "tokenizers__vqvae__multipliers": ([1], "tokenizers.vqvae.multipliers: tuple should have at least 2 items"),
    "datasets__faces__resolution": (33, "tokenizers.vqvae.multipliers: resolution 33 is no multiple of 2"),
    "defaults__runs__model": ("DiT-T/16", "defaults.runs.model: unknown velocity model 'DiT-T/16'"),
    "scorings__nobody": ({}, "subsets.hard.scores: has to be named, since the study has surrogate, nobody"),
    "samplings": ({}, "evaluations.faces.sampling: has to be named, since the study has no samplings"),
    "samplings__heun": ({}, "evaluations.faces.sampling: has to be named, since the study has euler, heun"),
    "evaluations__moon": ({"reference": "all"}, "evaluations.moon: names no dataset (known: faces)"),
    "evaluations__faces__reference": ("nix", "evaluations.faces.reference: unknown 'nix' (known: surrogate, all"),
    "evaluations__faces__runs": (["all", "nix"], "evaluations.faces.runs: unknown 'nix'"),
    "evaluations__faces": ({}, "evaluations.faces.reference: has to name the run that all are compared with (all, hal"),
    "evaluations__faces__paths": (81, "evaluations.faces.paths: 81 are more than the 80 noises of sampling 'euler'"),
    "evaluations__faces__tokenizers": (["vq"], "evaluations.faces.tokenizers: unknown 'vq' (known: vqvae)"),
    "runs__all__objective": (
        "score",
        "runs.all.objective.kind: unknown 'score' (known: flow_matching, ",
    ),
    "runs__all__objective__coupling": ("ot", "runs.all.objective.kind: field required"),
    "runs__half__objective": ({"kind": "diffusion", "coupling": "ot"}, "runs.half.objective.coupling: unknown key"),
    "runs__near__objective": (
        {"kind": "diffusion", "schedule": "square"},
        "runs.near.objective.schedule: input should be 'linear' or 'cosine'",
    ),
    "defaults__runs__objective": (
        {"kind": "explicit_flow_matching", "candidates": 0},
        "defaults.runs.objective.candidates: input should be greater than 0",
    ),
    "runs__hard__objective": (
        {"kind": "explicit_flow_matching", "candidates": 64},
        "runs.hard.objective.candidates: 64 are fewer than the batch of 128",
    ),
    "runs__surrogate__objective": (
        "diffusion",
        "scorings.surrogate: the objective of the surrogate is 'diffusion'; sco",
    ),
    "runs__all__latent_transform": ("mirror", "runs.all.latent_transform: input should be 'none', 'flip_first' or 'f"),
    "runs__half__latent_transform": (
        [[1, 0], [0, 1]],
        "runs.half.latent_transform: a matrix of 2 rows, for 4 channels of latents",
    ),
    "runs__near__latent_transform": ([[1, 0], [0]], "runs.near.latent_transform: rows of [2, 1] numbers are no square"),
    "runs__hard__latent_transform": (
        [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 2, 0], [0, 0, 0, 1]],
        "runs.hard.latent_transform: the matrix is singular",
    ),
    "samplings__euler__solver": (
        "rk4",
        "samplings.euler.solver: input should be 'euler', 'midpoint', 'heun' or 'dopri5'",
    ),
    "samplings__euler__rtol": (1e-3, "samplings.euler.rtol: is nothing that the solver 'euler' takes"),
    "samplings__euler": (
        {"solver": "dopri5", "count": 80, "steps": 30},
        "samplings.euler.steps: is nothing that the solver 'dopri5' takes",
    ),
    "samplings__euler__diffusion__sampler": (
        "heun",
        "samplings.euler.diffusion.sampler: input should be 'ddim' or 'an",
    ),
    "evaluations__faces__inverse_pairs": ([["all", "nix"]], "evaluations.faces.inverse_pairs: unknown 'nix'"),
}


@pytest.mark.parametrize("place", WRONG)
def test_every_mistake_is_named_by_its_key(place):
    value, message = WRONG[place]
    with pytest.raises(UserError) as error:
        study(**{place: value})
    assert any(line.startswith(message) for line in str(error.value).splitlines()), str(error.value)


def test_every_mistake_is_named_at_once():
    with pytest.raises(UserError) as error:
        study(runs__all__steps=-1, runs__half__model="x", surprise=1)
    keys = [line.partition(":")[0] for line in str(error.value).splitlines()]
    assert sorted(keys) == ["runs.all.steps", "runs.half.model", "surprise"]
