"""What the study repeats of the library, and what others repeat of the study."""

from typing import get_args

from support.studies import ROOT

from steadyflow import flow
from steadyflow.ground.constants import PAPER_DATASETS
from steadyflow.prune import CRITERIA
from steadyflow.study import study_schema
from steadyflow.study.specs import Diffusion, FlowMatching, Sampling, Subset
from steadyflow.study.specs.evaluation import PaperDataset


def test_the_solvers_and_targets_of_the_study_are_those_of_the_library():
    assert set(get_args(Sampling.model_fields["solver"].annotation)) == set(flow.SOLVERS)
    assert set(get_args(FlowMatching.model_fields["coupling"].annotation)) == set(flow.COUPLINGS)
    assert set(get_args(Diffusion.model_fields["schedule"].annotation)) == set(flow.ALPHAS_CUMPROD)


def test_the_datasets_that_a_study_may_reproduce_are_those_of_the_papers_that_have_names():
    assert get_args(PaperDataset) == tuple(PAPER_DATASETS)


def test_the_criteria_of_the_study_are_those_of_the_library():
    kinds = get_args(get_args(Subset)[0])
    named = [name for kind in kinds for name in get_args(kind.model_fields["criterion"].annotation)]
    assert sorted(named) == sorted(CRITERIA)


def test_the_documentation_lists_every_criterion_with_its_keys():
    page = (ROOT / "docs" / "pruning.md").read_text(encoding="utf-8")
    specs = {
        name: kind
        for kind in get_args(get_args(Subset)[0])
        for name in get_args(kind.model_fields["criterion"].annotation)
    }
    rows = [
        f"| `{name}` | {criterion.keeps} | {keys_of(specs[name])} | {criterion.source} |".replace("|  |", "| |")
        for name, criterion in CRITERIA.items()
    ]
    assert [line for line in page.splitlines() if line.startswith("| `")] == rows


def keys_of(spec):
    """The keys of a subset beside those that all have; in brackets what may be left out."""
    fields = {name: field for name, field in spec.model_fields.items() if name not in ("criterion", "dataset", "label")}
    return ", ".join(name if field.is_required() else f"({name})" for name, field in fields.items())


def test_the_schema_of_the_editors_is_in_sync():
    written = (ROOT / "workflow" / "schemas" / "study.schema.json").read_text(encoding="utf-8")
    assert written == study_schema(), "python -m steadyflow.study.schema > workflow/schemas/study.schema.json"
