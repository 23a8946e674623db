import dataclasses
import math

import pytest
from support.trainings import ALWAYS, NEVER, Killed, fit, killed_at, line

from steadyflow.ground import ledger as ledgers
from steadyflow.ground.artifacts import Unfinished, write_json
from steadyflow.ground.ledger import Bookkeeper, Ledger, Worker, ledger_file, read_ledger
from steadyflow.train import delete_checkpoints

POINT = {"images_per_second": 32.0, "mfu": float("nan"), "loss": 0.5}


def of(path):
    found = read_ledger(path / "state.json")
    assert found is not None
    return found


def test_steps_that_a_kill_lost_are_counted_as_recomputed(tmp_path, monkeypatch):
    monkeypatch.setattr(ledgers, "NOTE_SECONDS", 0.0)
    # Killed twice: in step 20 after a save of step 20, then in step 30 with no save since.
    with pytest.raises(Killed):
        fit(tmp_path, killed_at(20, line), cadence=ALWAYS)
    with pytest.raises(Killed):
        fit(tmp_path, killed_at(30, line), cadence=NEVER)
    fit(tmp_path, cadence=NEVER)
    found = of(tmp_path)
    assert (found.starts, found.step, found.recomputed, found.stops) == (3, 40, 10, 0)
    assert not found.finished
    delete_checkpoints(tmp_path / "state.pt")
    assert of(tmp_path).finished
    assert [path.name for path in tmp_path.iterdir()] == ["state.json"]


def test_a_stop_loses_nothing(tmp_path):
    with pytest.raises(Unfinished):
        fit(tmp_path, deadline=lambda: 0.0, cadence=NEVER)
    found = of(tmp_path)
    assert (found.step, found.saved, found.stops, found.stopped) == (1, 1, 1, True)
    assert 0 < found.saving_seconds < found.seconds
    with pytest.raises(Unfinished):
        fit(tmp_path, deadline=lambda: 0.0, cadence=NEVER)
    found = of(tmp_path)
    assert (found.step, found.stops, found.recomputed, found.starts) == (2, 2, 0, 2)


def test_a_training_made_anew_has_a_new_ledger(tmp_path):
    fit(tmp_path)
    delete_checkpoints(tmp_path / "state.pt")
    fit(tmp_path)
    assert (of(tmp_path).starts, of(tmp_path).recomputed) == (1, 0)


def test_states_of_a_training_that_another_process_took_over_are_that_ones(tmp_path):
    """In its last steps it did not look any more."""
    fit(tmp_path)
    found = of(tmp_path)
    other = dataclasses.replace(found, worker=dataclasses.replace(found.worker, pid=found.worker.pid + 1))
    write_json(tmp_path / "state.json", dataclasses.asdict(other))
    delete_checkpoints(tmp_path / "state.pt")
    assert of(tmp_path) == other
    assert (tmp_path / "state.pt").exists() and (tmp_path / "state.previous.pt").exists()


def test_a_training_that_another_process_took_over_stops_without_saving(tmp_path):
    """The last that began has it."""
    whole = fit(tmp_path / "whole", cadence=NEVER)

    def overtaken(model, batch):
        if batch.step == 10:
            other = Bookkeeper(tmp_path / "state.json", "other", 40, 8, 1, 9)
            assert other.ledger.starts == 2
        return line(model, batch)

    with pytest.raises(Unfinished, match=r"training: left at step 11 of 40 to process \d+ on "):
        fit(tmp_path, overtaken, cadence=ALWAYS)
    assert of(tmp_path).name == "other"
    assert (tmp_path / "state.pt").exists()
    again = fit(tmp_path)
    assert again.ema["weight"].equal(whole.ema["weight"])


def test_time_left_is_told_at_the_pace_of_the_last_point(tmp_path):
    keeper = Bookkeeper(tmp_path / "a.json", "a", 100, 16, 1, 0)
    assert keeper.ledger.seconds_left is None
    keeper.note(20, POINT)
    # 80 steps of 16 images, 32 a second.
    assert keeper.ledger.seconds_left == pytest.approx(40.0)
    assert keeper.ledger.mfu is None


def test_what_is_no_ledger_is_none(tmp_path):
    path = tmp_path / "a.json"
    assert read_ledger(path) is None
    path.write_text("{")
    assert read_ledger(path) is None
    write_json(path, {"identity": "x"})
    assert read_ledger(path) is None


def test_a_ledger_of_a_later_version_is_read(tmp_path):
    path = ledger_file(tmp_path / "a.pt")
    Bookkeeper(path, "a", 100, 16, 2, 0).saved(1.5, stops=False)
    content = ledgers.read_json(path)
    write_json(path, {**content, "unheard_of": 1})
    found = read_ledger(path)
    assert isinstance(found, Ledger) and isinstance(found.worker, Worker)
    assert (found.name, found.steps, found.processes, found.saving_seconds) == ("a", 100, 2, 1.5)
    assert math.isfinite(found.updated)
