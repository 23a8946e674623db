"""The study's tables and figures: what each reads, which an evaluation shows, and when one is out of date."""

from collections.abc import Callable, Mapping
from typing import Any

from steadyflow.artifacts import UserError, file_hash
from steadyflow.report.exhibits import Exhibit, Kind, find_exhibits
from steadyflow.stages.readings import CONDITIONS, READINGS
from steadyflow.stages.results import RESOURCES
from steadyflow.study import Study


def checked(exhibits: Mapping[str, Exhibit]) -> dict[str, Exhibit]:
    """Raises UserError naming the file of an exhibit that reads, or needs, what is not known."""
    for exhibit in exhibits.values():
        unknown = [name for name in exhibit.reads if name not in READINGS]
        if unknown:
            raise UserError(
                f"{exhibit.file}: `{exhibit.kind}` takes {', '.join(unknown)}, and nothing of that name is read "
                f"(known: {', '.join(READINGS)}); add it to stages/readings.py"
            )
        if exhibit.needs not in CONDITIONS:
            raise UserError(f"{exhibit.file}: NEEDS '{exhibit.needs}' is unknown (known: {', '.join(CONDITIONS)})")
    return dict(exhibits)


TABLES, FIGURES = checked(find_exhibits("table")), checked(find_exhibits("figure"))
EXHIBITS: dict[Kind, dict[str, Exhibit]] = {"table": TABLES, "figure": FIGURES}


def shown(exhibits: Mapping[str, Exhibit], study: Study, dataset: str) -> list[str]:
    """Those that the dataset's evaluation has the ground for."""
    holds = {name: condition(study, dataset) for name, condition in CONDITIONS.items()}
    return [name for name, exhibit in exhibits.items() if holds[exhibit.needs]]


def inputs(exhibit: Exhibit, study: Study, dataset: str) -> list[str]:
    """All files of the results that it is made from, each once."""
    return list(dict.fromkeys(file for name in exhibit.reads for file in READINGS[name].files(study, dataset)))


def resources(exhibit: Exhibit) -> list[str]:
    """Hashes of what it is made from in the repository: where that lies is no concern of a result."""
    files = dict.fromkeys(file for name in exhibit.reads for file in READINGS[name].resources)
    return [file_hash(RESOURCES / file) for file in files]


def display_identity(study: Study, dataset: str) -> list[Any]:
    """Labels, order and groups, and what stands beside our numbers: an edit of these makes tables and figures anew, and
    nothing else."""
    spec = study.evaluations[dataset]
    identity: list[Any] = [
        spec.classifiers,
        spec.paper_attributes,
        {run: study.runs[run].label for run in spec.runs or ()},
        {tokenizer: study.tokenizers[tokenizer].label for tokenizer in spec.tokenizers or ()},
    ]
    return [*identity, spec.show] if spec.show else identity


def all_files(
    exhibits: Mapping[str, Exhibit], study: Study, files: Callable[[Study, str, str], list[str]]
) -> list[str]:
    """The files of every exhibit of these that an evaluation shows; `files`: of one, by study, dataset and name."""
    return [
        file
        for dataset in study.evaluations
        for name in shown(exhibits, study, dataset)
        for file in files(study, dataset, name)
    ]


def make(exhibit: Exhibit, study: Study, dataset: str) -> Any:
    """The table, or the pages of the figure, of a dataset's evaluation."""
    return exhibit.make(**{name: READINGS[name].load(study, dataset) for name in exhibit.reads})
