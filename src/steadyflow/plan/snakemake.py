"""What the Snakefile needs of the plan, and all that the project uses of Snakemake beyond its documented interface.

What is out of date is decided by provenance records (steadyflow.plan.provenance), not by Snakemake's rerun triggers,
whose memory lies in one working directory and whose file times a copy loses. So the jobs that have to be run are
forced, and the inputs of all others are `ancient` to Snakemake. Those of a forced job are not: Snakemake does not
search what follows from a forced job, but runs a job if an input that is not `ancient` is made again. Its marks of
incomplete files are ignored too: a job may have finished after its Snakemake was killed, and then its record exists.
"""

import math
import os
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.io import ancient, directory, report

from steadyflow.ground.artifacts import UserError
from steadyflow.plan.freshness import Stale, out_of_date
from steadyflow.plan.layout import benchmark_place, log_place, record_place
from steadyflow.plan.provenance import NOT_THERE
from steadyflow.plan.targets import TARGETS
from steadyflow.report.exhibits import Exhibit
from steadyflow.stages.cost import Cost
from steadyflow.stages.data import outdated_downloads
from steadyflow.stages.exhibits import EXHIBIT_STAGES
from steadyflow.stages.registry import FIXED, STAGES, entries
from steadyflow.stages.stage import Artifact, External, Job, each_input, file_of, output_files, upstream
from steadyflow.study import Study

KNOWN_CONFIG = {
    "device": "auto, cuda, mps or cpu",
    "save_seconds": "seconds between two checkpoints of a training, such as 600",
}


def study_file(workflow: Any, default: Path) -> Path:
    """The file that --configfile names last."""
    named = workflow.overwrite_configfiles
    return Path(named[-1]) if named else default


def command_line_config(workflow: Any) -> Mapping[str, Any]:
    """What --config gives. Raises WorkflowError for a key that nothing reads."""
    given: Mapping[str, Any] = workflow.config_settings.config or {}
    for key in given:
        if key not in KNOWN_CONFIG:
            known = "; ".join(f"{name}: {what}" for name, what in KNOWN_CONFIG.items())
            raise WorkflowError(f"--config {key}: unknown key ({known}); the study is edited in its own file")
    if "save_seconds" in given:
        try:
            float(given["save_seconds"])
        except (TypeError, ValueError):
            raise WorkflowError(
                f"--config save_seconds={given['save_seconds']}: expected seconds, such as 600"
            ) from None
    return given


def slurm_name(workflow: Any) -> str:
    """The name that all SLURM jobs of this Snakemake bear; "" without SLURM."""
    return getattr(workflow.scheduler._executor, "run_uuid", "")


WRITE_NO_RESULTS = {"estimate", "fetch", "download_weights", "download_dataset"}


def writes_results(workflow: Any) -> bool:
    """Whether there is anything to do but what may run beside a Snakemake that works on the same results."""
    return not WRITE_NO_RESULTS.issuperset(job.rule.name for job in workflow.dag.needrun_jobs())


def decide_by_provenance(workflow: Any, rules: "Rules") -> None:
    """Has Snakemake run the jobs of the requested targets that are out of date, and no other."""
    prepare = workflow._prepare_dag

    def prepare_with_forced_jobs(*arguments: Any, **settings: Any) -> None:
        workflow.dag_settings.rerun_triggers = frozenset()
        # The processes that run single jobs are given theirs.
        if workflow.is_main_process:
            _force_out_of_date(workflow.dag_settings, rules)
        prepare(*arguments, **(settings | {"ignore_incomplete": True}))
        workflow.dag.check_and_touch_output = _without_touching(workflow.dag.check_and_touch_output)

    workflow._prepare_dag = prepare_with_forced_jobs


def _without_touching(check: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
    """Snakemake gives outputs a new time after their job, and then every result would be read once more, since its time
    is not that of its record."""

    async def check_alone(*arguments: Any, **settings: Any) -> None:
        await check(*arguments, **(settings | {"no_touch": True, "check_output_mtime": False}))

    return check_alone


def _force_out_of_date(settings: Any, rules: "Rules") -> None:
    study = rules.study
    try:
        wanted = [job for target in settings.targets or {"all"} for job in _jobs_of(study, str(target))]
        forced = {str(target): list(_forced(study, wanted, str(target))) for target in settings.forcerun}
        rules.wanted, rules.forced = wanted, [job for jobs in forced.values() for job in jobs]
        stale = out_of_date(study, wanted, rules.forced)
        downloads = outdated_downloads(study) if "fetch" in settings.targets else []
    except UserError as error:
        raise WorkflowError(str(error)) from None
    results = [str(next(iter(output_files(study, job).values()))) for job in stale]
    # Of no stage: downloads, or what Snakemake refuses.
    others = [target for target, jobs in forced.items() if not jobs]
    settings.forcerun = frozenset([*results, *downloads, *others])
    rules.stale = frozenset(stale)
    _explain(stale)


def _explain(stale: Mapping[Job, Stale]) -> None:
    """One line for each cause but the plain one, that a result is not there yet."""
    causes = [(job, why.reason) for job, why in stale.items() if why.because_of is None]
    for job, reason in causes:
        if reason != NOT_THERE:
            print(f"out of date: {job}: {reason}", file=sys.stderr)


def _jobs_of(study: Study, target: str) -> Iterable[Job]:
    """Of a target rule, or of a file."""
    if target in TARGETS:
        return TARGETS[target](study)
    job = _maker(study, target)
    return [] if job is None else [job]


def _forced(study: Study, wanted: list[Job], target: str) -> Iterable[Job]:
    """Of a rule, or of a file."""
    return [job for job in upstream(study, wanted) if rule_of(job) == target] or _jobs_of(study, target)


def rule_of(job: Job) -> str:
    """The Snakemake rule that runs a job: tables and figures have one each."""
    of_exhibits = {"write_table": "write_{table}", "draw_figure": "draw_{figure}"}
    return of_exhibits.get(job.stage.name, job.stage.name).format_map(job.names)


def _maker(study: Study, file: str) -> Job | None:
    """The job whose output, or record, a file is, if it is one of the study's."""
    place = os.path.relpath(file, study.results)
    sections = entries(study)
    for stage in STAGES.values():
        for pattern in (*stage.outputs.values(), record_place(stage.place)):
            parts = re.split(r"\{(\w+)\}", pattern.rstrip("/"))
            expression = "".join(
                re.escape(part) if index % 2 == 0 else _group(part, sections[part], parts[1:index:2])
                for index, part in enumerate(parts)
            )
            if match := re.fullmatch(expression, place):
                return stage.job(match.groupdict())
    return None


def _group(name: str, values: Iterable[str], earlier: list[str]) -> str:
    return f"(?P={name})" if name in earlier else f"(?P<{name}>{'|'.join(map(re.escape, values)) or '$^'})"


def wildcard_constraints(study: Study) -> dict[str, str]:
    """Wildcards take the names of the study's entries, and no other."""
    named = {name: values for name, values in entries(study).items() if name not in FIXED}
    return {name: "|".join(map(re.escape, values)) or "^$" for name, values in named.items()}


def files_of(study: Study, target: str) -> list[Any]:
    """The files of a target: the outputs of its jobs."""
    files = [str(file) for job in TARGETS[target](study) for file in output_files(study, job).values()]
    return [ancient(file) for file in files]


class Rules:
    """The parts of a rule that follow from the declaration of its stage. `fixed` are wildcards that a rule fills in.

    Once the workflow is planned:
    wanted, forced: the jobs of the requested targets, and those that the user forces
    stale: the jobs, of these and all that they need, that have to be run
    """

    def __init__(self, study: Study) -> None:
        self.study = study
        self.wanted: list[Job] = []
        self.forced: list[Job] = []
        self.stale: frozenset[Job] = frozenset()

    def inputs(self, stage: str, **fixed: str) -> Callable[[Any], list[Any]]:
        """All that a job reads; of one that is up to date, without files from outside that are no longer there. Raises
        WorkflowError for those that have to be there, and are not."""

        def inputs(wildcards: Any) -> list[Any]:
            try:
                job = STAGES[stage].job({**dict(wildcards.items()), **fixed})
                needed = dict.fromkeys(each_input(job.stage.inputs(self.study, job.names)))
                if job not in self.stale:
                    there = (each for each in needed if isinstance(each, Artifact) or Path(each.path).exists())
                    return [ancient(str(file_of(self.study, each))) for each in there]
                for each in needed:
                    if isinstance(each, External) and each.required is not None:
                        each.required()
                return [str(file_of(self.study, each)) for each in needed]
            except UserError as error:
                raise WorkflowError(str(error)) from None

        return inputs

    def require_same_plan(self) -> None:
        """Raises UserError where other jobs are out of date than when the workflow was planned: another Snakemake
        worked on these results before this one locked them."""
        if out_of_date(self.study, self.wanted, self.forced).keys() != self.stale:
            raise UserError(
                f"{self.study.results}: another Snakemake has changed them meanwhile; run the command again"
            )

    def outputs(self, stage: str, **fixed: str) -> dict[str, Any]:
        """Every output by its name, and the provenance record."""
        declared = STAGES[stage]
        files = {name: self._output(_fill(place, fixed)) for name, place in declared.outputs.items()}
        return {**files, "provenance": f"<results>/{record_place(_fill(declared.place, fixed))}"}

    def shown_outputs(self, exhibit: Exhibit, suffix: str, caption: str) -> dict[str, Any]:
        """Those of a table or figure, of which Snakemake's report shows the file of one suffix."""
        labels = {"dataset": "{dataset}", "shows": exhibit.title, "as": exhibit.kind}
        files = self.outputs(EXHIBIT_STAGES[exhibit.kind].name, **{exhibit.kind: exhibit.name})
        files[suffix] = report(files[suffix], caption=caption, category=exhibit.category, labels=labels)
        return files

    @staticmethod
    def _output(place: str) -> Any:
        return directory(f"<results>/{place[:-1]}") if place.endswith("/") else f"<results>/{place}"

    def log(self, stage: str, **fixed: str) -> str:
        return f"<results>/{log_place(_fill(STAGES[stage].place, fixed))}"

    def benchmark(self, stage: str, **fixed: str) -> str:
        return f"<results>/{benchmark_place(_fill(STAGES[stage].place, fixed))}"

    def resources(self, stage: str) -> dict[str, Callable[..., int]]:
        """Resource requests: minutes, memory of the node, disk. They limit nothing on one machine, unless --resources
        says how much there is; a profile overrides them by set-resources."""
        declared = STAGES[stage]

        def cost(wildcards: Any) -> Cost:
            assert declared.cost is not None
            return declared.cost(self.study, dict(wildcards.items()))

        return {
            "runtime": lambda wildcards, attempt: cost(wildcards).minutes(attempt, resumes=bool(declared.checkpoint)),
            "mem_mb": lambda wildcards: math.ceil(cost(wildcards).mem_mb),
            "disk_mb": lambda wildcards: math.ceil(cost(wildcards).disk_mb),
        }


def _fill(place: str, fixed: Mapping[str, str]) -> str:
    for name, value in fixed.items():
        place = place.replace(f"{{{name}}}", value)
    return place
