"""What follows from an objective: the study's specs against the library's functions, and against what is counted."""

import inspect
from typing import get_args

import pytest
import torch
from torch import nn

from steadyflow import flow, train
from steadyflow.ground.artifacts import UserError
from steadyflow.study.specs import Sampling
from steadyflow.study.specs.runs import AnyObjective, read_objective

KINDS = [get_args(spec.model_fields["kind"].annotation)[0] for spec in get_args(AnyObjective)]
OBJECTIVES = [read_objective({"kind": kind}) for kind in KINDS]
SAMPLINGS = [
    Sampling(solver="euler", steps=5, count=4, seed=3),
    Sampling(solver="heun", steps=5, time_shift=2.0, count=4),
    Sampling(solver="midpoint", steps=3, count=4),
    Sampling(solver="dopri5", rtol=1e-3, count=4),
    Sampling(count=4, diffusion={"sampler": "ancestral", "steps": 7}),
]


def named(function, *positional):
    """The keyword arguments of a function, but those that all functions of its registry have."""
    return {p.name for p in inspect.signature(function).parameters.values() if p.kind is p.KEYWORD_ONLY} - {*positional}


def test_every_objective_is_trained_and_sampled_by_a_function_of_the_library_that_takes_its_settings():
    assert {objective.kind for objective in OBJECTIVES} == set(train.OBJECTIVES)
    for objective in OBJECTIVES:
        assert objective.settings().keys() == named(train.OBJECTIVES[objective.kind], "label_dropout")
        for sampling in SAMPLINGS:
            assert objective.sampler_settings(sampling).keys() == named(flow.SAMPLERS[objective.sampler])


def test_unknown_kinds_are_refused_everywhere():
    samples = train.Samples(1, (1, 1, 1), lambda rows: torch.zeros(1, 1, 1, 1))
    with pytest.raises(UserError, match=r"^unknown objective 'magic' \(known: flow_matching, "):
        train.velocity_objective("magic", samples, 0)
    with pytest.raises(ValueError, match="'magic'"):
        read_objective({"kind": "magic"})
    settings = {"schedule": "linear", "timesteps": 100, "steps": 5, "seed": 0}
    with pytest.raises(UserError, match=r"^unknown sampler 'magic' \(known: ddim, ancestral\)$"):
        flow.SAMPLERS["ddpm"](**settings, sampler="magic")


@pytest.mark.parametrize("objective", OBJECTIVES, ids=lambda objective: objective.kind)
@pytest.mark.parametrize("sampling", SAMPLINGS, ids=lambda sampling: sampling.solver_protocol)
def test_a_run_takes_as_many_evaluations_as_its_objective_says(objective, sampling):
    """But by dopri5, of which it assumes some."""

    class Zero(nn.Module):
        def forward(self, x, t, y):
            return torch.zeros_like(x)

    velocity, x0 = flow.CountedVelocity(Zero()), torch.ones(2, 1, 2, 2)
    sampler = flow.SAMPLERS[objective.sampler](**objective.sampler_settings(sampling))
    sampler(lambda x, t: velocity(x, t), x0, torch.arange(2))
    if objective.sampler == "solver" and sampling.solver == "dopri5":
        assert objective.evaluations(sampling) == 200
    else:
        assert objective.evaluations(sampling) == velocity.evaluations


def test_the_identity_of_samples_is_what_their_sampler_reads():
    """Pinned: a change would make every finished sample anew."""
    common = {"count": 4, "guidance": 1.0, "guidance_channels": "all", "seed": 3}
    euler, heun, _, dopri5, ancestral = (sampling.model_copy(update={"seed": 3}) for sampling in SAMPLINGS)
    diffusion = read_objective({"kind": "diffusion"})
    for objective in (read_objective({"kind": kind}) for kind in ("flow_matching", "explicit_flow_matching")):
        assert objective.sampling_protocol(heun) == "heun 5 steps shifted by 2"
        fixed = {"solver": "euler", "steps": 5, "time_shift": 1.0}
        assert objective.sampling_identity(euler) == {**common, **fixed}
        assert objective.sampling_identity(heun) == {**common, "solver": "heun", "steps": 5, "time_shift": 2.0}
        assert objective.sampling_identity(dopri5) == {**common, "solver": "dopri5", "rtol": 1e-3, "atol": 1e-5}
    assert diffusion.sampling_identity(ancestral) == {**common, "diffusion": {"sampler": "ancestral", "steps": 7}}
    assert diffusion.sampling_protocol(ancestral) == "ancestral 7 steps"


def test_what_follows_from_each_kind():
    found = {objective.kind: (objective.predicts_velocity, objective.needs_whole_batches) for objective in OBJECTIVES}
    assert found["flow_matching"] == (True, False)
    assert found["explicit_flow_matching"] == (True, True)
    assert found["diffusion"] == (False, False)
    assert read_objective({"kind": "flow_matching", "coupling": "ot"}).needs_whole_batches
