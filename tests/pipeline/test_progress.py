"""What print_progress.py says of a real study: done, half done, not begun."""

import re
from pathlib import Path

import pytest
from support import warm
from support.workspace import SCRIPTS, Finished, Workspace, checkpoint, edited

from steadyflow.ground.ledger import Bookkeeper, ledger_file
from steadyflow.ground.resumable import missing_batches, resumable_table

pytestmark = pytest.mark.pipeline


def printed(study: Path, *flags: str) -> str:
    done = warm.run([SCRIPTS / "print_progress.py", "--study", study, *flags])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_finished_study_is_done_and_its_time_is_told(finished: Finished) -> None:
    said = printed(finished.path, "--efficiency")
    trainings = 1 + 1 + len(finished.raw["runs"])
    assert f"{trainings + 1} done\n" in said
    times = said.partition("training")[2]
    for name in finished.raw["runs"]:
        assert re.search(rf"^run {re.escape(name)} +\d+ s +[\d,]+ +[\d.]+% +1 +0.0%$", times, re.MULTILINE), times
    stages = dict(re.findall(r"^(\w+) +(\d+) +\d+ (?:s|min)", times.partition("stage")[2], re.MULTILINE))
    # Other tests may have trained more runs into these results.
    assert int(stages["runs"]) >= len(finished.raw["runs"]) and stages["dataset"] == "1"


def test_what_has_begun_is_told_from_what_has_not(copied: Finished) -> None:
    study = copied.write(edited(copied.raw, {"runs/begun": {"steps": 50}, "runs/new": {"steps": 60}}), "more.yaml")
    copied.target("digits", "scores", "surrogate.parquet").unlink()
    state = checkpoint(study, "train_run", dataset="digits", run="begun")
    keeper = Bookkeeper(ledger_file(state), "run begun", 50, 16, 1, 0)
    keeper.note(20, {"images_per_second": 48.0, "mfu": float("nan"), "loss": 0.5})
    keeper.saved(0.1, stops=False)
    values = checkpoint(study, "score_samples", dataset="digits", run="surrogate")
    with resumable_table(values, (1, 10), "id", items=10) as table:
        next(batches := missing_batches(table, 4, "scores"))
        next(batches)
        batches.close()
    said = printed(study)
    log = copied.target("logs", "digits", "runs", "begun.log")
    assert re.search(rf"^run +begun +running +20 of 50 +48 +0\.5000 +10 s +{re.escape(str(log))}$", said, re.MULTILINE)
    assert re.search(r"^run +new +waiting +0 of 60$", said, re.MULTILINE)
    assert re.search(r"^scoring +surrogate +running +4 of 10 ", said, re.MULTILINE)
    # One is trained on images that these scores choose.
    assert re.search(r"^run +conditional +waiting +0 of 10$", said, re.MULTILINE)
    assert "2 running, 2 waiting" in said


def test_results_are_looked_for_in_snakemakes_directory(space: Workspace) -> None:
    study = space.directory / "study.yaml"
    spec = "name: somewhere\ndatasets: {digits: {source: digits}}\nencoders: {probe: {}}\nclusterings: {k4: {k: 4}}\n"
    spec += "subsets: {half: {criterion: cluster_b, pruning_fraction: 0.5}}\n"
    study.write_text(spec, encoding="utf-8")
    (space.directory / "scratch" / "results").mkdir(parents=True)
    assert "1 waiting" in printed(study, "--directory", str(space.directory / "scratch"))
    command = [SCRIPTS / "print_progress.py", "--study", "study.yaml", "--directory", "elsewhere"]
    done = warm.run(command, directory=space.directory)
    assert done.returncode == 1 and done.stderr.startswith("error: elsewhere/results: no results are there"), (
        done.stderr
    )
