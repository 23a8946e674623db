"""From a file to a study: YAML, defaults, entries that are left out."""

import subprocess
import sys

import pytest
import yaml
from support.studies import SMALL, STUDIES, complete, edited, study

from steadyflow.ground.artifacts import UserError
from steadyflow.study import load_study, parse_study


def test_a_run_is_the_defaults_and_its_own_overrides():
    runs = study().runs
    assert (runs["all"].steps, runs["all"].learning_rate, runs["all"].model) == (20, 0.01, "DiT-T/2")
    assert (runs["surrogate"].steps, runs["surrogate"].learning_rate) == (5, 0.01)
    assert study(defaults=...).runs["all"].steps == 140_000


def test_what_is_left_out_becomes_the_only_entry_there_is():
    resolved = study()
    assert resolved.tokenizers["vqvae"].dataset == resolved.clusterings["k4"].dataset == "faces"
    assert (resolved.runs["all"].dataset, resolved.runs["all"].tokenizer) == ("faces", "vqvae")
    assert (resolved.subsets["near"].clusters, resolved.subsets["hard"].scores) == ("k4", "surrogate")
    assert (resolved.evaluations["faces"].encoders, resolved.evaluations["faces"].sampling) == (("probe",), "euler")
    assert resolved.runs["all"].subset is None


def test_all_runs_but_surrogates_are_evaluated_in_the_order_of_the_study():
    assert study().evaluations["faces"].runs == ("all", "half", "near", "hard")
    assert study(evaluations__faces__runs=["hard", "all"]).evaluations["faces"].runs == ("hard", "all")


def test_an_evaluation_without_runs_needs_neither_reference_nor_sampling():
    evaluation = study(runs={}, scorings={}, subsets={}, samplings={}, evaluations__faces={}).evaluations["faces"]
    assert (evaluation.runs, evaluation.reference, evaluation.sampling) == ((), None, None)
    assert (evaluation.tokenizers, evaluation.encoders) == (("vqvae",), ("probe",))


def load(tmp_path, text):
    (tmp_path / "study.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_study(tmp_path / "study.yaml")


def test_a_key_that_stands_twice_is_refused(tmp_path):
    text = yaml.safe_dump(SMALL, sort_keys=False)
    assert load(tmp_path, text) == study()
    with pytest.raises(UserError, match=r"study\.yaml.*: line \d+: duplicate key 'half'"):
        load(tmp_path, text.replace("  near:\n    subset: near\n", "  half: {subset: near}\n"))
    with pytest.raises(UserError, match=r"study\.yaml.*: duplicate key 'runs'"):
        load(tmp_path, text + "runs: {}\n")


def test_yaml_anchors_and_merge_keys_work(tmp_path):
    runs = "runs:\n  surrogate: &a {steps: 3, seed: 5}\n  all: &b {<<: *a, seed: 1}\n  half: {<<: *b, steps: 9}\n"
    raw = {key: value for key, value in edited(subsets={}).items() if key != "runs"}
    runs = load(tmp_path, yaml.safe_dump(raw) + runs).runs
    assert [(run.steps, run.seed) for run in runs.values()] == [(3, 5), (3, 1), (9, 1)]


def test_every_line_of_an_error_names_the_file(tmp_path):
    with pytest.raises(UserError) as error:
        load(tmp_path, yaml.safe_dump(edited(surprise=1, more=2)))
    assert [line.startswith(f"{tmp_path / 'study.yaml'}: ") for line in str(error.value).splitlines()] == [True, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("runs: [", "not valid YAML"),
        ("- a", "a study is a mapping with the keys name, results"),
        ("", "a study is a mapping"),
        ("name: !!python/object/apply:os.getcwd []", "not valid YAML"),
        (b"name: caf\xe9", "not UTF-8"),
    ],
)
def test_what_is_no_study_is_one_clear_error(tmp_path, text, message):
    with pytest.raises(UserError, match=rf"study\.yaml: {message}"):
        load(tmp_path, text)


def test_a_missing_study_is_one_clear_error(tmp_path):
    with pytest.raises(UserError, match=r"nix\.yaml: cannot read the study \(No such file"):
        load_study(tmp_path / "nix.yaml")


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_every_study_of_the_project_is_valid(path):
    load_study(path)


def test_parsing_a_study_imports_nothing_heavy():
    code = (
        "import sys, steadyflow.study as s, steadyflow.plan.snakemake\n"
        f"s.load_study({str(STUDIES[0])!r})\n"
        "print(*sorted({'torch', 'numpy', 'pandas', 'scipy', 'sklearn', 'matplotlib'} & set(sys.modules)))"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""


def test_downloads_lie_where_the_study_or_the_environment_says(monkeypatch):
    monkeypatch.delenv("STEADYFLOW_DOWNLOADS", raising=False)
    assert parse_study(complete()).downloads == "downloads"
    monkeypatch.setenv("STEADYFLOW_DOWNLOADS", "/data/shared")
    assert parse_study(complete()).downloads == "/data/shared"
    assert parse_study(complete(downloads="here")).downloads == "here"
    monkeypatch.setenv("STEADYFLOW_DOWNLOADS", "/with space")
    with pytest.raises(UserError, match="downloads: string should match"):
        parse_study(complete())
