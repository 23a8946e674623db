"""What is saved of a training, and what is refused."""

import re

import pytest
import torch
from support.trainings import NEVER, Killed, assert_same, fit, killed_at, line, saved
from torch import nn

from steadyflow.ground import distributed
from steadyflow.ground.artifacts import Unfinished, UserError
from steadyflow.ground.ledger import read_ledger
from steadyflow.train.checkpoint import TrainingCheckpoint


def test_the_state_of_another_training_is_refused_and_left_alone(tmp_path):
    fit(tmp_path, identity="mine")
    before = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(UserError, match=r"state\.pt: checkpoint of another training \(identity mine, expected yours\)"):
        fit(tmp_path, identity="yours")
    assert (tmp_path / "state.pt").read_bytes() == before


@pytest.mark.parametrize("damage", ["missing", "truncated", "flipped bit", "text", "empty", "other content", "pickle"])
def test_a_damaged_state_is_passed_over_for_the_one_before_it(tmp_path, capsys, damage):
    """Until both are damaged: then they are refused by name."""
    whole = fit(tmp_path / "whole", cadence=NEVER)
    with pytest.raises(Killed):
        fit(tmp_path, killed_at(20, line))
    path, before = tmp_path / "state.pt", tmp_path / "state.previous.pt"
    assert [torch.load(state, weights_only=True)["step"] for state in (path, before)] == [20, 19]
    spoil(path, damage)
    with pytest.raises(Killed):
        fit(tmp_path, killed_at(19, line))
    said = {"missing": "missing, as after a kill during a save"}.get(damage, "unreadable")
    assert f"{path}: {said}; resuming from the checkpoint before it, of step 19" in capsys.readouterr().err
    assert read_ledger(tmp_path / "state.json").recomputed == 1
    with pytest.raises(Killed):
        fit(tmp_path, killed_at(20, line))
    # The damaged one did not take the place of the good one.
    assert [torch.load(state, weights_only=True)["step"] for state in (path, before)] == [20, 19]
    assert_same(fit(tmp_path), whole)
    spoil(path, damage)
    spoil(before, damage)
    if damage != "missing":
        refused = f"{path} and {before}: unreadable checkpoint; delete both to start from the beginning"
        with pytest.raises(UserError, match=re.escape(refused)):
            fit(tmp_path)
        path.unlink()
        with pytest.raises(UserError, match=re.escape(f"{before}: unreadable checkpoint; delete it to start from")):
            fit(tmp_path)


def test_every_process_opens_the_checkpoint_that_rank_0_chose(tmp_path, monkeypatch):
    """Not the one that it finds itself: another process may have saved meanwhile."""
    with pytest.raises(Killed):
        fit(tmp_path, killed_at(20, line))
    model = nn.Linear(1, 1)
    state = TrainingCheckpoint(
        "id", [model], nn.Linear(1, 1), torch.optim.AdamW(model.parameters()), tmp_path / "state.pt"
    )
    before = tmp_path / "state.previous.pt"
    monkeypatch.setattr(distributed, "rank", lambda: 1)
    for told, step in (((before, 19), 19), ((before, 20), None), ((tmp_path / "gone.pt", 19), None)):
        answers = map(str, told)
        monkeypatch.setattr(distributed, "broadcast", lambda _, answers=answers: next(answers))
        if step is not None:
            assert state.load()[0] == step
        else:
            with pytest.raises(Unfinished, match="another process has saved"):
                state.load()


def test_a_lack_of_memory_is_no_damage(tmp_path, monkeypatch):
    """Or the user would be told to delete good states."""
    fit(tmp_path)

    def exhausted(*args, **kwargs):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory")

    with monkeypatch.context() as patched:
        patched.setattr(torch, "load", exhausted)
        with pytest.raises(RuntimeError, match="can't allocate memory"):
            fit(tmp_path)
    assert saved(tmp_path)["step"] == 40


def test_a_checkpoint_is_on_the_disk_before_the_last_one_is_replaced(tmp_path, monkeypatch):
    """A kill while it is written to the disk leaves both that were there."""
    with pytest.raises(Killed):
        fit(tmp_path, killed_at(20, line))

    def killed(descriptor):
        raise Killed

    # The ledger goes to the disk too, by other means.
    monkeypatch.setattr("steadyflow.train.checkpoint.os.fsync", killed)
    monkeypatch.setattr("steadyflow.ground.artifacts._sync", lambda path: None)
    with pytest.raises(Killed):
        fit(tmp_path)
    assert saved(tmp_path)["step"] == 20


def test_a_save_into_a_training_that_another_process_has_ended_harms_nobody(tmp_path):
    whole = fit(tmp_path / "whole")

    def ended(model, batch):
        if batch.step == 20:
            (tmp_path / "state.pt").unlink()
        return line(model, batch)

    assert_same(fit(tmp_path, ended), whole)


def spoil(path, damage):
    if damage == "missing":
        path.unlink()
    elif damage == "other content":
        torch.save([1, 2], path)
    elif damage == "pickle":
        torch.save({"identity": "id", "model": pytest.approx(1)}, path)
    else:
        content = path.read_bytes()
        # Amid the tensors, whose place the archive's checksums guard.
        flipped = bytearray(content)
        weight = torch.load(path, weights_only=True)["ema"]["weight"].detach()
        flipped[content.index(weight.numpy().tobytes())] ^= 1
        kinds = {"truncated": content[: len(content) // 2], "text": b"hello", "empty": b"", "flipped bit": flipped}
        path.write_bytes(kinds[damage])


def spoiled_at(step, spoil):
    def objective(model, batch):
        loss, followed = line(model, batch)
        return (spoil(model, loss) if batch.step == step else loss), followed

    return objective


SPOILERS = {
    "loss": lambda model, loss: loss * float("nan"),
    # The square root at zero: a finite value with an infinite slope.
    "gradient": lambda model, loss: loss + (model.weight - model.weight.detach()).abs().sqrt().sum(),
}


@pytest.mark.parametrize("what", SPOILERS)
@pytest.mark.parametrize("step", [6, 7])
def test_what_is_not_finite_is_named_by_its_step_and_never_saved(tmp_path, what, step):
    """Every second step of 400 is logged and saved."""
    with pytest.raises(UserError, match=rf"the {what} is not finite at step {step}; the last good checkpoint is"):
        fit(tmp_path, spoiled_at(step, SPOILERS[what]), steps=400)
    state = saved(tmp_path)
    assert state["step"] == step // 2 * 2
    assert all(tensor.isfinite().all() for part in (*state["networks"], state["ema"]) for tensor in part.values())


def test_a_loss_not_finite_before_any_save_says_so(tmp_path):
    with pytest.raises(UserError, match="not finite at step 0; no checkpoint was saved"):
        fit(tmp_path, spoiled_at(0, SPOILERS["loss"]))
    assert not (tmp_path / "state.pt").exists()


def test_a_spoiled_adversary_is_never_saved(tmp_path):
    """Its gradient alone is not finite, at the end of an interval."""
    adversary = nn.Linear(1, 1)

    def objective(model, batch):
        loss, followed = line(model, batch)
        against = adversary(batch.x).square().mean()
        if batch.step == 7:
            against = against + (adversary.weight - adversary.weight.detach()).abs().sqrt().sum()
        return loss + against, followed

    with pytest.raises(UserError, match="the gradient is not finite at step 7"):
        fit(tmp_path, objective, adversary=adversary, steps=400)
    state = saved(tmp_path)
    assert state["step"] == 6 and all(tensor.isfinite().all() for tensor in state["networks"][1].values())


def test_a_gradient_not_finite_in_the_last_step_is_no_result(tmp_path):
    with pytest.raises(UserError, match="not finite"):
        fit(tmp_path, spoiled_at(39, SPOILERS["gradient"]))
