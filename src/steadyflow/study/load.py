"""From a study file to a validated study: duplicate keys refused, defaults merged, references resolved."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from steadyflow.artifacts import UserError
from steadyflow.names import SMALLEST_PERCEPTUAL, side_multiple, smallest_judged
from steadyflow.study.specs import (
    ClusterSubset,
    Diffusion,
    Evaluation,
    ExplicitFlowMatching,
    Run,
    ScoreSubset,
    Study,
    Subset,
)


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
    return {**raw, "runs": {name: _merge_run(shared, run) for name, run in runs.items()}}


def _merge_run(shared: dict[str, Any], run: Any) -> Any:
    if not isinstance(run, dict | None):
        return run
    # `name:` with nothing behind it is a run of defaults only.
    merged = {**shared, **(run or {})}
    if merged.get("weights") is None:
        return merged
    return {key: value for key, value in merged.items() if key not in Run.training or key in (run or {})}


# Sections whose specs are of several kinds, told apart by one of their fields.
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
    # Where a spec is one of several kinds, pydantic puts the kind into the place; a user's file has no such level.
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
                # An evaluation needs a sampling for its runs alone.
                elif field != "sampling" or spec.runs:
                    has = f"the study has {', '.join(known)}" if known else f"the study has no {target}"
                    problems.append(f"{section}.{name}.{field}: has to be named, since {has}")
            elif value is not None and value not in known:
                problems.append(f"{section}.{name}.{field}: unknown '{value}' (known: {', '.join(known) or 'none'})")
        return spec.model_copy(update=update)

    sections = ("tokenizers", "encoders", "clusterings", "subsets", "runs")
    update = {s: {name: resolved(s, name, spec) for name, spec in getattr(study, s).items()} for s in sections}
    study = study.model_copy(update=update)
    evaluations = {
        dataset: resolved("evaluations", dataset, _with_what_it_compares(study, dataset, spec))
        for dataset, spec in study.evaluations.items()
    }
    if problems:
        raise UserError("\n".join(problems))
    return study.model_copy(update={"evaluations": evaluations})


def _with_what_it_compares(study: Study, dataset: str, spec: Evaluation) -> Evaluation:
    runs, tokenizers = spec.runs, spec.tokenizers
    if runs is None:
        runs = tuple(name for name, run in study.runs.items() if run.dataset == dataset and name not in study.scorings)
    if tokenizers is None:
        tokenizers = _tokenizers_of(study, dataset, runs)
    return spec.model_copy(update={"runs": runs, "tokenizers": tokenizers})


def _tokenizers_of(study: Study, dataset: str, runs: tuple[str, ...]) -> tuple[str, ...]:
    """Those trained on the dataset, then those of other datasets that its runs use."""
    own = [name for name, tokenizer in study.tokenizers.items() if tokenizer.dataset == dataset]
    used = [str(study.runs[run].tokenizer) for run in runs if run in study.runs]
    return tuple(dict.fromkeys(own + used))


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
        if tokenizer.adversarial != "none" and resolution < (least := smallest_judged(tokenizer.adversarial.layers)):
            yield f"tokenizers.{name}.adversarial.layers: so many need images of {least} pixels, not {resolution}"
        if tokenizer.perceptual != "none" and resolution < SMALLEST_PERCEPTUAL:
            yield f"tokenizers.{name}.perceptual: LPIPS needs images of {SMALLEST_PERCEPTUAL} pixels, not {resolution}"
    for name, subset in study.subsets.items():
        yield from _subset_contradictions(study, name, subset)
    for name, sampling in study.samplings.items():
        for field in sorted(sampling.not_taken & sampling.model_fields_set):
            yield f"samplings.{name}.{field}: is nothing that the solver '{sampling.solver}' takes"
    for name in study.scorings:
        kind = study.runs[name].objective.kind
        if kind != "flow_matching":
            yield f"scorings.{name}: the objective of the surrogate is '{kind}'; scores are defined for flow_matching"
    for dataset, evaluation in study.evaluations.items():
        yield from _evaluation_contradictions(study, dataset, evaluation)


def _evaluation_contradictions(study: Study, dataset: str, evaluation: Evaluation) -> Iterator[str]:
    if dataset not in study.datasets:
        yield f"evaluations.{dataset}: names no dataset (known: {', '.join(study.datasets)})"
        return
    runs = evaluation.runs or ()
    if runs and evaluation.reference is None:
        yield f"evaluations.{dataset}.reference: has to name the run that all are compared with ({', '.join(runs)})"
    for name in runs:
        objective = study.runs[name].objective if name in study.runs else None
        if isinstance(objective, Diffusion) and evaluation.sampling:
            steps = study.samplings[evaluation.sampling].diffusion.steps
            if steps > objective.timesteps:
                yield (
                    f"samplings.{evaluation.sampling}.diffusion.steps: {steps} are more than the "
                    f"{objective.timesteps} timesteps of run '{name}'"
                )
    named = {"reference": [evaluation.reference] if evaluation.reference else [], "runs": runs}
    named["inverse_pairs"] = [name for pair in evaluation.inverse_pairs for name in pair]
    for field, names in named.items():
        for name in names:
            if name not in study.runs:
                yield f"evaluations.{dataset}.{field}: unknown run '{name}' (known: {', '.join(study.runs)})"
            elif name not in runs:
                yield f"evaluations.{dataset}.{field}: run '{name}' is not among the evaluated runs"
    for name in evaluation.tokenizers or ():
        place = f"evaluations.{dataset}.tokenizers"
        if name not in study.tokenizers:
            yield f"{place}: unknown '{name}' (known: {', '.join(study.tokenizers) or 'none'})"
        # The others are checked where they, and the runs that use them, are defined.
        elif name not in _tokenizers_of(study, dataset, runs):
            yield from _tokenizer_contradictions(study, place, name, dataset)


def _tokenizer_contradictions(study: Study, place: str, name: str, dataset: str) -> Iterator[str]:
    """Whether a tokenizer can take a dataset's images; `place` is the key that says so."""
    images, tokenizer = study.datasets[dataset], study.tokenizers[name]
    trained_on = study.datasets[str(tokenizer.dataset)]
    if trained_on.channels != images.channels:
        yield f"{place}: '{name}' takes {trained_on.channels} channels, not {images.channels}"
    if images.resolution % tokenizer.downsampling:
        yield f"{place}: resolution {images.resolution} is no multiple of {tokenizer.downsampling}"


def _run_contradictions(study: Study, name: str, run: Run) -> Iterator[str]:
    dataset, tokenizer = study.datasets[str(run.dataset)], study.tokenizers[str(run.tokenizer)]
    yield from _tokenizer_contradictions(study, f"runs.{name}.tokenizer", str(run.tokenizer), str(run.dataset))
    latent_size = dataset.resolution // tokenizer.downsampling
    if latent_size % side_multiple(run.model):
        accepted = f"latents whose side is a multiple of {side_multiple(run.model)}"
        yield f"runs.{name}.model: {run.model} takes {accepted}, not {latent_size}x{latent_size}"
    if isinstance(run.latent_transform, tuple) and len(run.latent_transform) != tokenizer.latent_channels:
        size, channels = len(run.latent_transform), tokenizer.latent_channels
        yield f"runs.{name}.latent_transform: a matrix of {size} rows, for {channels} channels of latents"
    trained_on = run.objective if run.weights is None else None
    if isinstance(trained_on, ExplicitFlowMatching) and trained_on.candidates < run.batch_size:
        yield (
            f"runs.{name}.objective.candidates: {trained_on.candidates} are fewer than the batch of "
            f"{run.batch_size}, whose samples are all among them"
        )
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
