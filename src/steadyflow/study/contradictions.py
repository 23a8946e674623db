"""What no single field of a study can see: specs that contradict each other."""

from collections.abc import Iterator

from steadyflow.names import SMALLEST_PERCEPTUAL, side_multiple, smallest_judged
from steadyflow.study.specs import (
    ArcFaceEncoder,
    ClusterSubset,
    Diffusion,
    Evaluation,
    ExplicitFlowMatching,
    Run,
    ScoreSubset,
    Study,
    Subset,
)


def unknown_surrogates(study: Study) -> Iterator[str]:
    for name in study.scorings:
        if name not in study.runs:
            yield f"scorings.{name}: names no run; a scoring is keyed by its surrogate (runs: {', '.join(study.runs)})"


def contradictions(study: Study) -> Iterator[str]:
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
    for name, clustering in study.clusterings.items():
        encoder = study.encoders[str(clustering.encoder)]
        if isinstance(encoder, ArcFaceEncoder) and encoder.alignment == "five_points":
            yield (
                f"clusterings.{name}.encoder: '{clustering.encoder}' leaves images without a detected face out, and "
                "every image belongs to a cluster; alignment: whole_frame leaves none out"
            )
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
    if evaluation.paper_attributes and not study.tells_attributes(dataset):
        yield (
            f"evaluations.{dataset}.paper_attributes: no attributes are measured, since encoder "
            f"'{evaluation.encoder}' is no probe of this dataset"
        )
    for name in evaluation.tokenizers or ():
        place = f"evaluations.{dataset}.tokenizers"
        if name not in study.tokenizers:
            yield f"{place}: unknown '{name}' (known: {', '.join(study.tokenizers) or 'none'})"
        # The others are checked where they, and the runs that use them, are defined.
        elif name not in tokenizers_of(study, dataset, runs):
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


def tokenizers_of(study: Study, dataset: str, runs: tuple[str, ...]) -> tuple[str, ...]:
    """Those trained on the dataset, then those of other datasets that its runs use."""
    own = [name for name, tokenizer in study.tokenizers.items() if tokenizer.dataset == dataset]
    used = [str(study.runs[run].tokenizer) for run in runs if run in study.runs]
    return tuple(dict.fromkeys(own + used))
