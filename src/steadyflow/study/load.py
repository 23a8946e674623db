"""From a study file to a validated study: duplicate keys refused, defaults merged, references resolved."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from steadyflow.artifacts import UserError
from steadyflow.names import patch_of
from steadyflow.study.specs import ClusterSubset, Evaluation, Run, ScoreSubset, Study, Subset


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML lets a later key silently win; a run defined twice is a mistake."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # As the file has it: what `<<` merges in comes later, and may be overridden.
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value]
        for position, key in enumerate(keys):
            if key.value in (earlier.value for earlier in keys[:position]):
                place = f"{key.start_mark.name}: line {key.start_mark.line + 1}"
                raise UserError(f"{place}: the key '{key.value}' stands twice in one mapping")
        return node


def load_study(path: Path | str) -> Study:
    """Raises UserError naming the file and the key of every mistake."""
    try:
        with Path(path).open(encoding="utf-8") as file:
            raw = yaml.load(file, _UniqueKeyLoader)
    except OSError as error:
        raise UserError(f"{path}: cannot read the study ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: not UTF-8 ({error.reason} at byte {error.start})") from error
    except yaml.YAMLError as error:
        raise UserError(f"{path}: not valid YAML: {error}") from error
    if not isinstance(raw, dict):
        raise UserError(f"{path}: a study is a mapping with the keys {', '.join(Study.model_fields)}")
    try:
        return parse_study(raw)
    except UserError as error:
        lines = str(error).splitlines()
        raise UserError("\n".join(f"{path}: {line}" for line in lines)) from error


def parse_study(raw: Mapping[str, Any]) -> Study:
    """A study from what a file holds."""
    try:
        study = Study.model_validate(_merge_defaults(raw))
    except ValidationError as error:
        raise UserError("\n".join(_describe(problem) for problem in error.errors())) from error
    resolved = _resolve(study)
    for check in (_unknown_surrogates, _contradictions):
        problems = list(check(resolved))
        if problems:
            raise UserError("\n".join(problems))
    return resolved


def _merge_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    defaults, runs = raw.get("defaults"), raw.get("runs")
    shared = (defaults.get("runs") or {}) if isinstance(defaults, dict) else {}
    if not isinstance(shared, dict) or not isinstance(runs, dict):
        return dict(raw)
    # `name:` with nothing behind it is a run of defaults only.
    merged = {n: {**shared, **(run or {})} if isinstance(run, dict | None) else run for n, run in runs.items()}
    return {**raw, "runs": merged}


def _describe(problem: Any) -> str:
    # A tagged union puts its tag into the location; a user's file has no such level.
    tags = {"synthetic_faces", "idx", "digits", "folder"} if problem["loc"][0] == "datasets" else set()
    if problem["loc"][0] == "subsets" and len(problem["loc"]) > 2:
        tags = {problem["loc"][2]}
    key = ".".join(str(part) for i, part in enumerate(problem["loc"]) if not (i == 2 and part in tags))
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; see workflow/schemas/study.schema.json for those known"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower() + message[1:]}"


# section of the study that a field names an entry of
_SECTIONS = {
    "dataset": "datasets",
    "tokenizer": "tokenizers",
    "encoder": "encoders",
    "clusters": "clusterings",
    "scores": "scorings",
    "sampling": "samplings",
    "subset": "subsets",
}


def _resolve(study: Study) -> Study:
    """Every reference that was left out becomes the only entry there is; every reference is checked."""
    problems: list[str] = []

    def resolved(section: str, name: str, spec: Any) -> Any:
        update = {}
        for field, target in _SECTIONS.items():
            if field not in type(spec).model_fields:
                continue
            known, value = getattr(study, target), getattr(spec, field)
            if value is None and field != "subset":
                if len(known) == 1:
                    update[field] = next(iter(known))
                else:
                    has = f"the study has {', '.join(known)}" if known else f"the study has no {target}"
                    problems.append(f"{section}.{name}.{field}: has to be named, since {has}")
            elif value is not None and value not in known:
                problems.append(f"{section}.{name}.{field}: unknown '{value}' (known: {', '.join(known) or 'none'})")
        return spec.model_copy(update=update)

    sections = ("tokenizers", "encoders", "clusterings", "subsets", "runs", "evaluations")
    update = {s: {name: resolved(s, name, spec) for name, spec in getattr(study, s).items()} for s in sections}
    if problems:
        raise UserError("\n".join(problems))
    study = study.model_copy(update=update)
    evaluations = {
        dataset: evaluation.model_copy(update={"runs": _evaluated_runs(study, dataset, evaluation)})
        for dataset, evaluation in study.evaluations.items()
    }
    return study.model_copy(update={"evaluations": evaluations})


def _evaluated_runs(study: Study, dataset: str, evaluation: Evaluation) -> tuple[str, ...]:
    if evaluation.runs is not None:
        return evaluation.runs
    return tuple(name for name, run in study.runs.items() if run.dataset == dataset and name not in study.scorings)


def _unknown_surrogates(study: Study) -> Iterator[str]:
    for name in study.scorings:
        if name not in study.runs:
            yield f"scorings.{name}: names no run; a scoring is keyed by its surrogate (runs: {', '.join(study.runs)})"


def _contradictions(study: Study) -> Iterator[str]:
    """What no single field can see."""
    for name, run in study.runs.items():
        yield from _run_contradictions(study, name, run)
    for name, tokenizer in study.tokenizers.items():
        resolution = study.datasets[str(tokenizer.dataset)].resolution
        if resolution % tokenizer.downsampling:
            yield f"tokenizers.{name}.multipliers: resolution {resolution} is no multiple of {tokenizer.downsampling}"
    for name, subset in study.subsets.items():
        yield from _subset_contradictions(study, name, subset)
    for dataset, evaluation in study.evaluations.items():
        if dataset not in study.datasets:
            yield f"evaluations.{dataset}: names no dataset (known: {', '.join(study.datasets)})"
        named = {"reference": [evaluation.reference], "runs": evaluation.runs or ()}
        named["inverse_pairs"] = [name for pair in evaluation.inverse_pairs for name in pair]
        for field, names in named.items():
            for name in names:
                if name not in study.runs:
                    yield f"evaluations.{dataset}.{field}: unknown run '{name}' (known: {', '.join(study.runs)})"
                elif name not in (evaluation.runs or ()):
                    yield f"evaluations.{dataset}.{field}: run '{name}' is not among the evaluated runs"


def _run_contradictions(study: Study, name: str, run: Run) -> Iterator[str]:
    dataset, tokenizer = study.datasets[str(run.dataset)], study.tokenizers[str(run.tokenizer)]
    trained_on = study.datasets[str(tokenizer.dataset)]
    if trained_on.channels != dataset.channels:
        yield f"runs.{name}.tokenizer: '{run.tokenizer}' takes {trained_on.channels} channels, not {dataset.channels}"
    if dataset.resolution % tokenizer.downsampling:
        yield f"runs.{name}.tokenizer: resolution {dataset.resolution} is no multiple of {tokenizer.downsampling}"
    latent_size = dataset.resolution // tokenizer.downsampling
    if latent_size % patch_of(run.model):
        yield f"runs.{name}.model: latents of {latent_size}x{latent_size} cannot be cut into patches of {run.model}"
    if run.subset is not None and study.subsets[run.subset].dataset != run.dataset:
        yield f"runs.{name}.subset: '{run.subset}' belongs to dataset '{study.subsets[run.subset].dataset}'"
    surrogates = _surrogates(study, name)
    if name in surrogates:
        by = "this very run" if len(surrogates) == 1 else f"{' -> '.join(surrogates)}: they choose each other"
        yield f"runs.{name}.subset: '{run.subset}' is chosen by the scores of {by}"


def _surrogates(study: Study, run: str) -> list[str]:
    """The surrogate whose scores choose the run's images, that one's surrogate, and so on, until one comes again."""
    found: list[str] = []
    subset = study.runs[run].subset
    while subset is not None:
        surrogate = getattr(study.subsets[subset], "scores", None)
        if surrogate is None or surrogate in found:
            break
        found.append(surrogate)
        subset = study.runs[surrogate].subset
    return found


def _subset_contradictions(study: Study, name: str, subset: Subset) -> Iterator[str]:
    owner = subset.dataset
    if isinstance(subset, ClusterSubset):
        owner = study.clusterings[str(subset.clusters)].dataset
    if isinstance(subset, ScoreSubset):
        owner = study.runs[str(subset.scores)].dataset
        measure = subset.criterion.removesuffix("_inv")
        if measure not in study.scorings[str(subset.scores)].measures:
            yield f"subsets.{name}.criterion: scorings.{subset.scores}.measures does not have '{measure}'"
    if owner != subset.dataset:
        yield f"subsets.{name}: is of dataset '{subset.dataset}', but chosen by what belongs to '{owner}'"
