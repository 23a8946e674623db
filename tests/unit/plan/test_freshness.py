"""What is out of date follows from the records: every way in which a result can stop being what the study says."""

import itertools
import os
import shutil

import pytest
from support.records import finish, study_in

from steadyflow.ground.artifacts import UserError, read_json, write_json
from steadyflow.plan.freshness import out_of_date, require_fresh
from steadyflow.plan.layout import record_file
from steadyflow.plan.provenance import Provenance, fingerprint
from steadyflow.plan.targets import all_jobs
from steadyflow.stages.pruning import SELECT_SUBSET
from steadyflow.stages.registry import STAGES
from steadyflow.stages.stage import output_files, upstream


@pytest.fixture
def finished(tmp_path):
    study = study_in(tmp_path / "results")
    finish(study)
    return study


def stale(study):
    return {str(job): why.reason for job, why in out_of_date(study, all_jobs(study)).items()}


def causes(study):
    return {str(job): why.reason for job, why in out_of_date(study, all_jobs(study)).items() if not why.because_of}


def test_a_finished_study_is_fresh(finished):
    assert stale(finished) == {}


def test_a_new_study_is_all_to_do(tmp_path):
    study = study_in(tmp_path / "results")
    assert out_of_date(study, all_jobs(study)).keys() == set(upstream(study, all_jobs(study)))


def followers(study, root):
    """The jobs that read, directly or through others, what `root` leaves; itself too."""
    return {str(job) for job in upstream(study, all_jobs(study)) if root in upstream(study, [job])}


def test_a_missing_a_cut_and_a_swapped_file_make_the_job_and_all_after_it_anew(finished):
    jobs = upstream(finished, all_jobs(finished))
    # Of the same length, only the content can tell.
    ways = itertools.cycle([lambda content: None, lambda content: content[:-1], lambda content: content[::-1]])
    for job in jobs:
        after = followers(finished, job)
        for path in output_files(finished, job).values():
            file = next(path.iterdir()) if path.is_dir() else path
            content = file.read_bytes()
            for wrong in (next(ways)(content), next(ways)(content)):
                file.unlink()
                if wrong is not None:
                    file.write_bytes(wrong)
                assert set(stale(finished)) == after, (job, path, wrong)
                file.write_bytes(content)
    assert stale(finished) == {}


def test_an_edited_spec_is_seen_from_anywhere(finished, tmp_path):
    """There is no memory but the records: neither a working directory nor Snakemake's."""
    edited = study_in(tmp_path / "results", **{"runs/surrogate/steps": 6})
    assert causes(edited) == {"train_run dataset=digits run=surrogate": "steps: 5 -> 6"}


def test_made_again_without_its_consumers(finished, tmp_path):
    """A killed workflow: the edited run is trained, what reads it is not made yet."""
    edited = study_in(tmp_path / "results", **{"runs/surrogate/steps": 6})
    root = next(job for job in out_of_date(edited, all_jobs(edited)))
    finish(edited, [root])
    assert set(stale(edited)) == followers(edited, root) - {str(root)}
    assert all("is not what it was made from" in reason for reason in causes(edited).values())


def test_the_same_content_makes_nothing_after_it_anew(finished):
    """A job that was run again to the same bytes."""
    job = STAGES["train_run"].job({"dataset": "digits", "run": "surrogate"})
    record_file(finished, job).unlink()
    finish(finished, [job])
    assert stale(finished) == {}


def test_copies_and_moves_make_nothing_anew(finished, tmp_path):
    for copied in (tmp_path / "copied", tmp_path / "elsewhere" / "moved"):
        # Times of files are lost, as by `cp -r`.
        shutil.copytree(finished.results, copied, copy_function=shutil.copyfile)
        for file in copied.rglob("*"):
            os.utime(file, (1, 1))
        assert stale(study_in(copied)) == {}


def test_a_copy_is_read_once(finished, tmp_path):
    copied = tmp_path / "copied"
    shutil.copytree(finished.results, copied, copy_function=shutil.copyfile)
    study = study_in(copied)
    assert stale(study) == {}
    for job in upstream(study, all_jobs(study)):
        record = Provenance(study).record(job)
        for name, path in output_files(study, job).items():
            assert fingerprint(path, record.outputs[name]) is record.outputs[name]


def test_a_higher_version_makes_its_stage_and_all_after_it_anew(finished):
    job = SELECT_SUBSET.job({"dataset": "digits", "subset": "cluster_b-0.5"})
    record = read_json(record_file(finished, job))
    write_json(record_file(finished, job), {**record, "version": 0})
    assert causes(finished) == {str(job): "version 1 of its algorithm replaces version 0"}


def test_a_record_that_cannot_be_read_is_none(finished):
    job = SELECT_SUBSET.job({"dataset": "digits", "subset": "cluster_b-0.5"})
    record_file(finished, job).write_text("{")
    assert set(causes(finished)) == {str(job)}


def test_a_listed_file_counts_by_its_content(tmp_path):
    listed = tmp_path / "kept.txt"
    listed.write_text("1\n2\n")
    edits = {"subsets/listed": {"criterion": "listed", "file": str(listed)}}
    study = study_in(tmp_path / "results", **edits)
    finish(study)
    os.utime(listed, (1, 1))
    assert stale(study) == {}
    listed.write_text("1\n3\n")
    assert causes(study) == {
        "select_subset dataset=digits subset=listed": f"{listed} is not what it was made from",
    }
    listed.unlink()
    assert stale(study) == {}


def test_images_of_a_folder_count_wherever_they_lie(tmp_path):
    images = tmp_path / "images" / "deep" / "deeper"
    images.mkdir(parents=True)
    (images / "a.png").write_bytes(b"a picture")
    folder = {"source": "folder", "path": str(tmp_path / "images"), "resolution": 16}
    study = study_in(tmp_path / "results", datasets={"digits": folder})
    finish(study)
    (tmp_path / "images" / ".DS_Store").write_bytes(b"")
    assert stale(study) == {}
    (images / "b.png").write_bytes(b"another")
    assert set(causes(study)) == {"prepare_dataset dataset=digits"}


def test_a_table_of_a_broken_chain_is_refused_by_name(finished):
    job = next(job for job in upstream(finished, all_jobs(finished)) if job.stage.checks_all_upstream)
    require_fresh(finished, job, "snakemake all")
    weights = output_files(finished, STAGES["train_run"].job({"dataset": "digits", "run": "surrogate"}))["weights"]
    weights.unlink()
    with pytest.raises(UserError, match=rf"run `snakemake all`\n.*run=surrogate: {weights} is missing"):
        require_fresh(finished, job, "snakemake all")


def test_a_record_that_may_not_be_read_is_named(finished):
    """It is no reason to delete a result."""
    job = SELECT_SUBSET.job({"dataset": "digits", "subset": "cluster_b-0.5"})
    record_file(finished, job).unlink()
    record_file(finished, job).mkdir()
    with pytest.raises(UserError, match="make it readable"):
        stale(finished)


def test_a_record_of_a_later_version_is_named(finished):
    job = SELECT_SUBSET.job({"dataset": "digits", "subset": "cluster_b-0.5"})
    write_json(record_file(finished, job), {**read_json(record_file(finished, job)), "later": 1})
    assert "no record that this version" in causes(finished)[str(job)]


def test_an_unmounted_dataset_has_not_changed(tmp_path):
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "a.png").write_bytes(b"a")
    spec = {"source": "folder", "path": str(pictures), "resolution": 16, "val_fraction": 0.2}
    study = study_in(tmp_path / "results", **{"datasets/digits": spec})
    job = STAGES["prepare_dataset"].job({"dataset": "digits"})
    finish(study, [job])
    (pictures / "a.png").unlink()
    assert out_of_date(study, [job]) == {}
    (pictures / "b.png").write_bytes(b"b")
    assert set(out_of_date(study, [job])) == {job}
