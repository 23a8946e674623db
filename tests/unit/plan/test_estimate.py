"""What a study adds up to, and what is left of it."""

import pytest
from support.studies import every_job, study

from steadyflow.plan.estimate import estimate, long_jobs, total
from steadyflow.plan.provenance import Provenance, write_record
from steadyflow.plan.targets import all_jobs
from steadyflow.stages.registry import STAGES
from steadyflow.stages.stage import Artifact, each_input, output_files, upstream


@pytest.fixture
def asked(tmp_path):
    return study(results=str(tmp_path))


def test_long_jobs_are_all_that_cost_more_than_seconds_in_the_order_of_the_work(asked):
    jobs = long_jobs(asked)
    assert len(jobs) == len(set(jobs))
    assert set(jobs) == {job for job in upstream(asked, all_jobs(asked)) if job.stage.cost is not None}
    place = {job: index for index, job in enumerate(jobs)}
    for job in jobs:
        needed = [each.job for each in each_input(job.stage.inputs(asked, job.names)) if isinstance(each, Artifact)]
        assert all(place[each] < place[job] for each in needed if each in place)


def test_jobs_are_counted_once(asked):
    counts = {name: sum(job.stage.name == name for job in every_job(asked)) for name in STAGES}
    counts = {name: count for name, count in counts.items() if STAGES[name].cost is not None}
    assert counts == {
        **dict.fromkeys(counts, 1),
        "select_subset": 3,
        "train_run": 5,
        "sample_run": 4,
        "embed_samples": 4,
        "classify_samples": 4,
        "measure_quality": 4,
        "measure_loss": 4,
        "trace_paths": 0,
        "measure_paths": 0,
    }


def test_the_estimate_is_the_sum_of_its_jobs(asked):
    jobs, found = long_jobs(asked), estimate(asked)
    assert list(found) == [*(name for name in STAGES if any(job.stage.name == name for job in jobs)), "in all"]
    assert found["in all"].left == found["in all"].everything
    whole = found["in all"].everything
    assert whole == total(job.stage.cost(asked, job.names) for job in jobs)
    stages = [each.everything for name, each in found.items() if name != "in all"]
    for key in ("jobs", "gpu_hours", "disk_gb"):
        assert getattr(whole, key) == pytest.approx(sum(getattr(stage, key) for stage in stages))
    for key in ("longest_hours", "state_gb"):
        assert getattr(whole, key) == max(getattr(stage, key) for stage in stages)


def test_the_estimate_leaves_out_what_is_done(asked):
    before = estimate(asked)
    job = next(job for job in long_jobs(asked) if job.stage.name == "prepare_dataset")
    for path in output_files(asked, job).values():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made")
    # Without its record it is not complete.
    assert estimate(asked) == before
    write_record(asked, job, Provenance(asked).inputs(job))
    after, cost = estimate(asked), job.stage.cost(asked, job.names)
    for name in (job.stage.name, "in all"):
        assert after[name].everything == before[name].everything
        assert after[name].left.jobs == before[name].left.jobs - 1
        assert after[name].left.disk_gb == pytest.approx(before[name].left.disk_gb - cost.disk_mb / 1000)
        assert after[name].left.gpu_hours == pytest.approx(before[name].left.gpu_hours - cost.gpu_hours)
