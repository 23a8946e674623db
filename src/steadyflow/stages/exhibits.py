"""The study's tables and figures: what each reads, which an evaluation shows, and when one is out of date."""

from collections.abc import Mapping
from typing import Any

from steadyflow.ground.artifacts import UserError, file_hash, spec_hash
from steadyflow.report.exhibits import Exhibit, Kind, find_exhibits
from steadyflow.stages.readings import CONDITIONS, READINGS
from steadyflow.stages.results import RESOURCES
from steadyflow.stages.stage import Inputs, Job, Names, Stage
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


def _inputs(exhibit: Exhibit, study: Study, dataset: str) -> Inputs:
    """All that it is made from."""
    files = dict.fromkeys(file for name in exhibit.reads for file in READINGS[name].files(study, dataset))
    return {"results": tuple(files)}


def _resources(exhibit: Exhibit) -> list[str]:
    """Hashes of what it is made from in the repository: its own file, so that an edit of it draws it again, and the
    papers' tables. Where they lie is no concern of a result."""
    files = dict.fromkeys(file for name in exhibit.reads for file in READINGS[name].resources)
    return [file_hash(file) for file in (exhibit.file, *(RESOURCES / file for file in files))]


def _facts(exhibit: Exhibit, study: Study, dataset: str) -> dict[str, str]:
    """Hashes of what it reads of the study alone: arms, groups, comparisons, labels, in their order."""
    of_study = [name for name in exhibit.reads if not READINGS[name].resources]
    return {
        name: spec_hash(repr(READINGS[name].load(study, dataset)))
        for name in of_study
        if not READINGS[name].files(study, dataset)
    }


# What no measurement reads: `_display` has it, or what an exhibit reads of it; `repeats` stand among the runs.
_SHOWN_ALONE = {"classifiers", "paper_attributes", "paths", "tokenizers", "show", "reproduces", "repeats"}


def _evaluated(study: Study, dataset: str) -> list[Any]:
    """The evaluation of runs, without what tables and figures alone read."""
    spec = study.evaluations[dataset]
    return [
        spec.model_dump(mode="json", exclude=_SHOWN_ALONE),
        {" ".join(each): study.sampling_identity(*each) for each in study.evaluated_samples(dataset)},
    ]


def _display(study: Study, dataset: str) -> list[Any]:
    """Labels, order and groups, and what stands beside our numbers: an edit of these makes tables and figures again,
    and nothing else. `_facts` holds those that an exhibit reads by themselves; readings that open files use them too,
    but do not declare which."""
    spec = study.evaluations[dataset]
    identity: list[Any] = [
        spec.classifiers,
        spec.paper_attributes,
        {run: study.runs[run].label for run in spec.runs or ()},
        {tokenizer: study.tokenizers[tokenizer].label for tokenizer in spec.tokenizers or ()},
    ]
    later = {"show": spec.show, "reproduces": spec.reproduces}
    return [*identity, *(value for value in later.values() if value)]


def _exhibit_stage(name: str, kind: Kind, suffixes: tuple[str, ...]) -> Stage:
    """Of all tables, or of all figures; `kind` is a wildcard too."""
    exhibits = EXHIBITS[kind]

    def identity(study: Study, names: Names) -> list[Any]:
        dataset, exhibit = names["dataset"], exhibits[names[kind]]
        facts = _facts(exhibit, study, dataset)
        return [*_evaluated(study, dataset), _display(study, dataset), facts, _resources(exhibit)]

    place = f"{{dataset}}/{kind}s/{{{kind}}}"
    return Stage(
        name=name,
        place=place,
        outputs={suffix: f"{place}.{suffix}" for suffix in suffixes},
        inputs=lambda study, names: _inputs(exhibits[names[kind]], study, names["dataset"]),
        identity=identity,
        checks_all_upstream=True,
    )


WRITE_TABLE = _exhibit_stage("write_table", "table", ("csv", "md", "tex", "html"))
DRAW_FIGURE = _exhibit_stage("draw_figure", "figure", ("pdf", "png"))


EXHIBIT_STAGES: dict[Kind, Stage] = {"table": WRITE_TABLE, "figure": DRAW_FIGURE}


def exhibit_jobs(study: Study, kind: Kind, name: str | None = None) -> list[Job]:
    """Of every table, or figure, that the study's evaluations show; of one, if it is named."""
    return [
        EXHIBIT_STAGES[kind].job({"dataset": dataset, kind: each})
        for dataset in study.evaluations
        for each in shown(EXHIBITS[kind], study, dataset)
        if name in (None, each)
    ]


WRITE_REPORT = Stage(
    name="report",
    place="reports/{study}",
    outputs={"page": "reports/{study}.html"},
    inputs=lambda study, names: {
        "exhibits": tuple(
            artifact
            for job in [*exhibit_jobs(study, "table"), *exhibit_jobs(study, "figure")]
            for artifact in job.artifacts().values()
        )
    },
    checks_all_upstream=True,
)


def make(exhibit: Exhibit, study: Study, dataset: str) -> Any:
    """The table, or the pages of the figure, of a dataset's evaluation."""
    return exhibit.make(**{name: READINGS[name].load(study, dataset) for name in exhibit.reads})
