"""Samplings of a study, and the paths that are followed."""

import pytest
from support.studies import study

from steadyflow.ground.artifacts import UserError


def test_samples_follow_the_part_of_a_sampling_that_their_run_uses():
    edit = {"runs__half__objective": "diffusion"}
    plain = study(**edit)
    for changed, of_flow, of_diffusion in (
        ({"samplings__euler__diffusion": {"steps": 50}}, False, True),
        ({"samplings__euler__solver": "heun"}, True, False),
        ({"samplings__euler__time_shift": 3.0}, True, False),
        ({"samplings__euler__guidance_channels": "first_three"}, True, True),
        ({"samplings__euler__seed": 1}, True, True),
    ):
        other = study(**edit, **changed)
        for run, expected in (("all", of_flow), ("half", of_diffusion)):
            found = other.sampling_identity(run, "euler") != plain.sampling_identity(run, "euler")
            assert found == expected, (changed, run)
    assert (plain.protocol("all", "euler"), plain.protocol("half", "euler")) == ("euler 60 steps", "ddim 250 steps")
    adaptive = study(samplings__euler={"solver": "dopri5", "rtol": 1e-4})
    assert adaptive.protocol("all", "euler") == "dopri5 rtol 0.0001 atol 1e-05"
    assert not {"steps", "time_shift", "diffusion"} & adaptive.sampling_identity("all", "euler").keys()
    assert not {"rtol", "atol", "diffusion"} & plain.sampling_identity("all", "euler").keys()


def test_a_diffusion_run_is_not_sampled_in_more_steps_than_it_has_times():
    message = r"^samplings\.euler\.diffusion\.steps: 250 are more than the 100 timesteps of run 'half'$"
    with pytest.raises(UserError, match=message):
        study(runs__half__objective={"kind": "diffusion", "timesteps": 100})


def test_an_evaluation_compares_only_evaluated_runs():
    with pytest.raises(UserError, match=r"^evaluations\.faces\.reference: run 'all' is not among the evaluated runs$"):
        study(evaluations__faces__runs=["half"])
    with pytest.raises(UserError, match=r"inverse_pairs: run 'surrogate' is not among the evaluated runs"):
        study(evaluations__faces__inverse_pairs=[["half", "surrogate"]])


def test_paths_are_followed_through_the_runs_that_have_them():
    edits = {"runs__near__objective": "diffusion", "evaluations__faces__inverse_pairs": [["hard", "half"]]}
    shown = study(**edits, evaluations__faces__paths=4)
    pairs = [("half", "all"), ("hard", "all"), ("hard", "half")]
    assert shown.trajectory_pairs("faces") == pairs
    assert shown.compared_pairs("faces") == [*pairs[:1], ("near", "all"), *pairs[1:]]
    assert shown.traced_runs("faces") == ["half", "all", "hard"]
    assert [shown.traced_noises(run, "euler") for run in ("all", "hard", "near", "surrogate")] == [4, 4, 0, 0]
    assert study(**edits).traced_noises("all", "euler") == 0
    # How many samples there are is nothing to a path.
    more = study(**edits, evaluations__faces__paths=4, samplings__euler__count=90)
    assert more.trajectory_identity("all", "euler") == shown.trajectory_identity("all", "euler")
    assert "steps" in shown.trajectory_identity("all", "euler")


def test_paths_need_two_noises_and_two_runs():
    with pytest.raises(UserError, match=r"^evaluations\.faces\.paths: 1 noise has no other to be compared with; 2 at"):
        study(evaluations__faces__paths=1)
    with pytest.raises(UserError, match=r"^evaluations\.faces\.paths: there are no two runs whose paths could be"):
        study(evaluations__faces__paths=4, runs__all={"objective": "diffusion"})
    for edit in ({"evaluations__faces__reference": ...}, {"evaluations__faces__reference": "nix"}):
        with pytest.raises(UserError) as error:
            study(evaluations__faces__paths=4, **edit)
        assert [line.partition(":")[0] for line in str(error.value).splitlines()] == ["evaluations.faces.reference"]
    with pytest.raises(UserError, match=r"^evaluations\.faces\.paths: input should be greater than or equal to 0"):
        study(evaluations__faces__paths=-1)
