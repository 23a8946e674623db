"""Loads a study file: rejects duplicate keys, merges defaults, resolves references, validates, and expands repeats."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from steadyflow.ground.artifacts import UserError
from steadyflow.study.contradictions import circular_subsets, contradictions, tokenizers_of, unknown_surrogates
from steadyflow.study.null_models import with_null_models
from steadyflow.study.repeats import with_repeats, with_seeds
from steadyflow.study.specs import Evaluation, Run, Study


class _UniqueKeyLoader(yaml.SafeLoader):
    """YAML silently uses the last of duplicate keys; here they are an error."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # Checked before keys from `<<` are merged, which may be overridden.
        node = super().compose_mapping_node(anchor)
        keys = [key for key, _ in node.value]
        for position, key in enumerate(keys):
            if key.value in (earlier.value for earlier in keys[:position]):
                place = f"{key.start_mark.name}: line {key.start_mark.line + 1}"
                raise UserError(f"{place}: duplicate key '{key.value}'")
        return node


def load_study(path: Path | str) -> Study:
    """The study in a YAML file. Raises UserError naming the file and the key of every mistake."""
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
    """The study from the content of a file. Raises UserError naming the key of every mistake."""
    try:
        study = Study.model_validate(_merge_defaults(raw))
    except ValidationError as error:
        raise UserError("\n".join(_describe(problem) for problem in error.errors())) from error
    resolved = _resolve(study)
    for check in (unknown_surrogates, circular_subsets, contradictions):
        problems = list(check(resolved))
        if problems:
            raise UserError("\n".join(problems))
    return with_seeds(with_null_models(with_repeats(resolved)))


def _merge_defaults(raw: Mapping[str, Any]) -> dict[str, Any]:
    defaults, runs = raw.get("defaults"), raw.get("runs")
    shared = (defaults.get("runs") or {}) if isinstance(defaults, dict) else {}
    if not isinstance(shared, dict) or not isinstance(runs, dict):
        return dict(raw)
    # Default `repeats` are of evaluated runs alone, which are not known yet.
    shared = {key: value for key, value in shared.items() if key != "repeats"}
    return {**raw, "runs": {name: _merge_run(shared, run) for name, run in runs.items()}}


def _merge_run(shared: dict[str, Any], run: Any) -> Any:
    if not isinstance(run, dict | None):
        return run
    # `name:` without a value is a run with defaults only.
    merged = {**shared, **(run or {})}
    unused = Run.unused(weights=merged.get("weights") is not None, gaussian=merged.get("gaussian") is True)
    return {key: value for key, value in merged.items() if key not in unused or key in (run or {})}


# Sections whose specs are discriminated unions.
_OF_KINDS = {
    name
    for name, field in Study.model_fields.items()
    if any(
        getattr(note, "discriminator", None)
        for kind in get_args(field.annotation)
        for note in getattr(kind, "__metadata__", ())
    )
}


def _describe(problem: Any) -> str:
    # For discriminated unions, pydantic adds the kind to the location, which is no level of the user's file.
    place = [str(part) for part in problem["loc"]]
    if place[0] in _OF_KINDS:
        del place[2:3]
    elif place[2:3] == ["objective"]:
        del place[3:4]
    key = ".".join(part for part in place if not part.startswith("<"))
    if problem["type"] == "extra_forbidden":
        return f"{key}: unknown key; see workflow/schemas/study.schema.json for those known"
    if problem["type"] in ("union_tag_not_found", "union_tag_invalid"):
        tag, known = (str(problem["ctx"].get(name, "")).replace("'", "") for name in ("tag", "expected_tags"))
        message = f"unknown '{tag}' (known: {known})" if tag else "field required"
        return f"{key}.{problem['ctx']['discriminator'].strip(chr(39))}: {message}"
    message = problem["msg"].removeprefix("Value error, ")
    return f"{key}: {message[0].lower() + message[1:]}"


def _resolve(study: Study) -> Study:
    """Resolves omitted references to the only entry of their section, and checks all references."""
    problems: list[str] = []

    def resolved(section: str, name: str, spec: Any) -> Any:
        update = {}
        for reference in spec.references():
            field, entries, of_kind = reference.field, getattr(study, reference.section), ""
            if field == "encoder" and spec.encoder_kind:
                entries = {key: entry for key, entry in entries.items() if entry.kind == spec.encoder_kind}
                of_kind = f" of kind {spec.encoder_kind}"
            if getattr(spec, field) is None and field not in spec.optional_references:
                if len(entries) == 1:
                    several = field in Evaluation.lists
                    update[field] = tuple(entries) if several else next(iter(entries))
                else:
                    has = ", ".join(entries) or f"no {reference.section}{of_kind}"
                    problems.append(f"{section}.{name}.{field}: has to be named, since the study has {has}")
            problems.extend(
                f"{section}.{name}.{field}: unknown '{each}'{of_kind} (known: {', '.join(entries) or 'none'})"
                for each in reference.names
                if each not in entries
            )
        return spec.model_copy(update=update)

    sections = ("tokenizers", "encoders", "classifiers", "clusterings", "subsets", "runs")
    update = {s: {name: resolved(s, name, spec) for name, spec in getattr(study, s).items()} for s in sections}
    study = study.model_copy(update=update)
    evaluations = {
        dataset: resolved("evaluations", dataset, _with_default_entries(study, dataset, spec))
        for dataset, spec in study.evaluations.items()
    }
    evaluations = {
        dataset: spec.model_copy(update={"similarity_encoders": spec.similarity_encoders or spec.encoders})
        for dataset, spec in evaluations.items()
    }
    if problems:
        raise UserError("\n".join(problems))
    return study.model_copy(update={"evaluations": evaluations})


def _with_default_entries(study: Study, dataset: str, spec: Evaluation) -> Evaluation:
    runs, tokenizers, classifiers = spec.runs, spec.tokenizers, spec.classifiers
    if runs is None:
        runs = tuple(name for name, run in study.runs.items() if run.dataset == dataset and name not in study.scorings)
    if tokenizers is None:
        tokenizers = tokenizers_of(study, dataset, runs)
    if classifiers is None:
        own = (name for name, probe in study.probes.items() if probe.dataset == dataset)
        classifiers = (*own, *study.classifiers)
    return spec.model_copy(update={"runs": runs, "tokenizers": tokenizers, "classifiers": classifiers})
