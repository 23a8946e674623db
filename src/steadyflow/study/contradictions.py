"""Checks of a study beyond single fields: specs that contradict each other."""

from collections.abc import Callable, Iterable, Iterator

from steadyflow.ground.constants import (
    LABELS,
    LEAST_SAMPLES,
    SMALLEST_PERCEPTUAL,
    TRAINING_DATA,
    VALIDATION_IMAGES,
    side_multiple,
    smallest_discriminated,
)
from steadyflow.study.specs import (
    ArcFaceEncoder,
    DropClustersSubset,
    Evaluation,
    ProbeEncoder,
    Run,
    ScoreSubset,
    StratifiedSubset,
    Study,
    Subset,
)


def unknown_surrogates(study: Study) -> Iterator[str]:
    for name in study.scorings:
        if name not in study.runs:
            yield f"scorings.{name}: names no run; a scoring is keyed by its surrogate (runs: {', '.join(study.runs)})"


def circular_subsets(study: Study) -> Iterator[str]:
    """Subsets that are derived from themselves."""
    for name in study.subsets:
        chain = _cycle(name, lambda made: getattr(study.subsets.get(made), "members", ()))
        if chain:
            yield f"subsets.{name}.of: {' -> '.join(chain)}: a subset cannot be made of itself"


def _cycle(start: str, following: Callable[[str], Iterable[str]]) -> list[str]:
    """A shortest cycle through `start` in the graph of `following`, with both ends; empty if there is none."""
    chains, seen = [[start]], set()
    for chain in chains:
        for name in following(chain[-1]):
            if name == start:
                return [*chain, name]
            if name not in seen:
                seen.add(name)
                chains.append([*chain, name])
    return []


def contradictions(study: Study) -> Iterator[str]:
    """A message "key: problem" for every contradiction between fields."""
    for name, run in study.runs.items():
        if name in (TRAINING_DATA, VALIDATION_IMAGES):
            yield f"runs.{name}: real images stand under this name in tables of metrics; name the run otherwise"
        yield from _run_contradictions(study, name, run)
    for name, tokenizer in study.tokenizers.items():
        resolution = study.datasets[str(tokenizer.dataset)].resolution
        if resolution % tokenizer.downsampling:
            yield f"tokenizers.{name}.multipliers: resolution {resolution} is no multiple of {tokenizer.downsampling}"
        if tokenizer.adversarial != "none" and resolution < (
            least := smallest_discriminated(tokenizer.adversarial.layers)
        ):
            yield f"tokenizers.{name}.adversarial.layers: so many need images of {least} pixels, not {resolution}"
        if tokenizer.perceptual != "none" and resolution < SMALLEST_PERCEPTUAL:
            yield f"tokenizers.{name}.perceptual: LPIPS needs images of {SMALLEST_PERCEPTUAL} pixels, not {resolution}"
    for name, encoder in study.encoders.items():
        if isinstance(encoder, ProbeEncoder) and study.datasets[str(encoder.dataset)].unlabelled:
            yield (
                f"encoders.{name}: dataset '{encoder.dataset}' has neither classes nor attributes, so there is nothing "
                "to train a probe on; give it labels, or prune by loss or grad, which need none"
            )
    for name in study.classifiers:
        if name in study.encoders:
            yield f"classifiers.{name}: an encoder has this name too, and an evaluation could mean either; rename one"
    for name, clustering in study.clusterings.items():
        place = f"clusterings.{name}.encoder"
        yield from _encoder_contradictions(study, place, clustering.encoder)
        yield from _probe_contradictions(study, place, clustering.encoder, clustering.dataset)
    for name, subset in study.subsets.items():
        yield from _subset_contradictions(study, name, subset)
        place, compared_in = f"subsets.{name}.encoder", getattr(subset, "encoder", None)
        yield from _encoder_contradictions(study, place, compared_in)
        yield from _probe_contradictions(study, place, compared_in, subset.dataset)
    for name, sampling in study.samplings.items():
        for field in sorted(sampling.unused_by_solver & sampling.model_fields_set):
            yield f"samplings.{name}.{field}: is nothing that the solver '{sampling.solver}' takes"
    for name in study.scorings:
        if study.runs[name].gaussian:
            yield f"scorings.{name}: the surrogate is a Gaussian flow, which has no parameters; name a network"
        kind = study.runs[name].objective.kind
        if kind != "flow_matching":
            yield f"scorings.{name}: the objective of the surrogate is '{kind}'; scores are defined for flow_matching"
    for dataset, evaluation in study.evaluations.items():
        yield from _evaluation_contradictions(study, dataset, evaluation)


def _encoder_contradictions(study: Study, place: str, name: str | None) -> Iterator[str]:
    """Checks that an encoder has features of every image; `place` is the key that refers to it."""
    encoder = study.encoders[name] if name else None
    if isinstance(encoder, ArcFaceEncoder) and encoder.alignment == "five_points":
        yield (
            f"{place}: '{name}' has no features of images without a detected face, and here every image needs its own; "
            "alignment: whole_frame has them, and similarity_encoders do without"
        )


def _probe_contradictions(study: Study, place: str, name: str | None, dataset: str | None) -> Iterator[str]:
    """Checks that a probe accepts a dataset's images; other encoders do."""
    encoder = study.encoders[name] if name else None
    if isinstance(encoder, ProbeEncoder):
        expected, found = (study.datasets[str(each)].channels for each in (encoder.dataset, dataset))
        if expected != found:
            yield (
                f"{place}: '{name}' is a probe for images of {expected} channels, and those of '{dataset}' have {found}"
            )


def _evaluation_contradictions(study: Study, dataset: str, evaluation: Evaluation) -> Iterator[str]:
    if dataset not in study.datasets:
        yield f"evaluations.{dataset}: names no dataset (known: {', '.join(study.datasets)})"
        return
    for field, encoders in (("encoders", evaluation.encoders), ("similarity_encoders", evaluation.similarity_encoders)):
        for encoder in encoders or ():
            yield from _probe_contradictions(study, f"evaluations.{dataset}.{field}", encoder, dataset)
    for encoder in evaluation.encoders or () if evaluation.runs else ():
        # Otherwise the number of samples would differ between runs, and their distances would not be comparable.
        yield from _encoder_contradictions(study, f"evaluations.{dataset}.encoders", encoder)
    if evaluation.ceiling is not None:
        yield from _ceiling_contradictions(study, dataset, evaluation.ceiling, str(evaluation.sampling))
    runs = evaluation.runs or ()
    drawn = study.samplings[evaluation.sampling].count if runs and evaluation.sampling else LEAST_SAMPLES
    if drawn < LEAST_SAMPLES:
        yield (
            f"evaluations.{dataset}.sampling: '{evaluation.sampling}' draws {drawn} samples, and intervals need "
            f"{LEAST_SAMPLES}"
        )
    yield from _shape_contradictions(study, dataset, evaluation)
    if runs and evaluation.reference is None:
        yield f"evaluations.{dataset}.reference: has to name the run that all are compared with ({', '.join(runs)})"
    for name in runs:
        objective = study.runs[name].objective
        if objective and evaluation.sampling:
            for mistake in objective.sampling_mistakes(study.samplings[evaluation.sampling]):
                yield f"samplings.{evaluation.sampling}.{mistake} of run '{name}'"
    named = {"reference": [evaluation.reference] if evaluation.reference else [], "runs": runs}
    named["inverse_pairs"] = [name for pair in evaluation.inverse_pairs for name in pair]
    named["mixtures"] = [name for mixture in evaluation.mixtures.values() for name in mixture.runs]
    named |= {f"show.{heading}": group for heading, group in evaluation.show.items()}
    for name in evaluation.mixtures:
        if name in study.runs:
            yield f"evaluations.{dataset}.mixtures.{name}: a run has that name already; name the mixture otherwise"
    for field, names in named.items():
        for name in names:
            if name not in runs:
                yield f"evaluations.{dataset}.{field}: run '{name}' is not among the evaluated runs"
    if evaluation.paths and (evaluation.reference or not runs):
        yield from _path_contradictions(study, dataset, evaluation)
    yield from _classifier_contradictions(study, dataset, evaluation)
    for name in evaluation.tokenizers or ():
        place = f"evaluations.{dataset}.tokenizers"
        # The others are checked where they, and the runs that use them, are defined.
        if name not in tokenizers_of(study, dataset, runs):
            yield from _tokenizer_contradictions(study, place, name, dataset)


def _classifier_contradictions(study: Study, dataset: str, evaluation: Evaluation) -> Iterator[str]:
    place, names = f"evaluations.{dataset}.classifiers", evaluation.classifiers or ()
    for name in names:
        if name in study.encoders and name not in study.probes:
            yield f"{place}: '{name}' is an encoder of kind {study.encoders[name].kind}, which predicts no attributes"
        elif name not in study.probes and name not in study.classifiers:
            yield f"{place}: unknown '{name}' (known: {', '.join([*study.probes, *study.classifiers]) or 'none'})"
        elif name == LABELS:
            yield f"{place}: '{name}' is how results call the dataset's own labels; give it another name"
        else:
            yield from _probe_contradictions(study, place, study.classified_features(name), dataset)
    if len(set(names)) < len(names):
        yield f"{place}: names one twice"
    place = f"evaluations.{dataset}.paper_attributes"
    if evaluation.paper_attributes and evaluation.reproduces is None:
        yield f"{place}: the papers print them of a dataset of theirs; name it by `reproduces`, or leave these out"
    if evaluation.paper_attributes and not names:
        yield f"{place}: no attributes are measured, since the evaluation has no classifiers"
    # The attributes of a probe are not known before the dataset is prepared.
    elif all(name in study.classifiers for name in names):
        predicted = {attribute: None for name in names for attribute in study.classifiers[name].attributes}
        for attribute in evaluation.paper_attributes:
            if attribute not in predicted:
                yield f"{place}: no classifier predicts '{attribute}' (predicted: {', '.join(predicted)})"


def _shape_contradictions(study: Study, dataset: str, evaluation: Evaluation) -> Iterator[str]:
    """Checks that all evaluated runs have latents of one shape, so that they share their noises."""
    runs = evaluation.runs or ()
    if evaluation.reference not in runs:
        return

    def shape(name: str) -> tuple[int, int]:
        run = study.runs[name]
        tokenizer = study.tokenizers[str(run.tokenizer)]
        side = study.datasets[str(run.dataset)].resolution // tokenizer.downsampling
        return tokenizer.latent_channels, side

    for name in runs:
        here, there = shape(name), shape(str(evaluation.reference))
        if here != there:
            yield (
                f"evaluations.{dataset}.runs: the latents of '{name}' are {here[0]}x{here[1]}x{here[1]}, those of the "
                f"reference {there[0]}x{there[1]}x{there[1]}: no noise is the same for both"
            )


def _ceiling_contradictions(study: Study, dataset: str, ceiling: str, sampling: str) -> Iterator[str]:
    """Checks that the second sampling differs from the first and has the same noises."""
    place, other = f"evaluations.{dataset}.ceiling", study.samplings[ceiling]
    if ceiling == sampling:
        yield f"{place}: '{ceiling}' is the sampling itself; name one with another solver or more steps"
    for field in ("seed", "count", "guidance", "guidance_channels"):
        here, there = getattr(study.samplings[sampling], field), getattr(other, field)
        if here != there:
            yield f"{place}: '{ceiling}' has {field} {there}, '{sampling}' {here}: their samples would not be matched"


def _path_contradictions(study: Study, dataset: str, evaluation: Evaluation) -> Iterator[str]:
    place = f"evaluations.{dataset}.paths"
    if evaluation.paths == 1:
        yield f"{place}: 1 noise has no other to be compared with; 2 at least, or 0 to measure no paths"
    if not study.trajectory_pairs(dataset):
        yield f"{place}: there are no two runs whose paths could be compared (diffusion runs have none)"
    elif evaluation.paths > (count := study.samplings[str(evaluation.sampling)].count):
        yield f"{place}: {evaluation.paths} are more than the {count} noises of sampling '{evaluation.sampling}'"


def _tokenizer_contradictions(study: Study, place: str, name: str, dataset: str) -> Iterator[str]:
    """Checks that a tokenizer accepts a dataset's images; `place` is the key that refers to it."""
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
    if not run.gaussian and latent_size % side_multiple(run.model):
        accepted = f"latents whose side is a multiple of {side_multiple(run.model)}"
        yield f"runs.{name}.model: {run.model} takes {accepted}, not {latent_size}x{latent_size}"
    if isinstance(run.latent_transform, tuple) and len(run.latent_transform) != tokenizer.latent_channels:
        size, channels = len(run.latent_transform), tokenizer.latent_channels
        yield f"runs.{name}.latent_transform: a matrix of {size} rows, for {channels} channels of latents"
    if run.trained:
        for mistake in run.objective.training_mistakes(run.batch_size):
            yield f"runs.{name}.objective.{mistake}"
    if run.subset is not None and study.subsets[run.subset].dataset != run.dataset:
        yield f"runs.{name}.subset: '{run.subset}' belongs to dataset '{study.subsets[run.subset].dataset}'"
    surrogates = _cycle(name, lambda trained: _surrogates(study, study.runs[trained].subset))
    if surrogates:
        by = "this very run" if len(surrogates) == 2 else f"{' -> '.join(surrogates[1:])}: they choose each other"
        yield f"runs.{name}.subset: '{run.subset}' is chosen by the scores of {by}"


def _surrogates(study: Study, subset: str | None) -> Iterator[str]:
    """The runs whose scores are used to select a subset, or subsets from which it is derived."""
    if subset is None:
        return
    spec = study.subsets[subset]
    if isinstance(spec, ScoreSubset | StratifiedSubset):
        yield str(spec.scores)
    for member in spec.members:
        yield from _surrogates(study, member)


def _subset_contradictions(study: Study, name: str, subset: Subset) -> Iterator[str]:
    owners = [study.subsets[member].dataset for member in subset.members]
    clusters = getattr(subset, "clusters", None)
    if clusters is not None:
        owners.append(study.clusterings[clusters].dataset)
    if isinstance(subset, ScoreSubset | StratifiedSubset):
        owners.append(study.runs[str(subset.scores)].dataset)
        measure = subset.criterion.partition("_")[0]
        if measure not in study.scorings[str(subset.scores)].measures:
            yield f"subsets.{name}.criterion: scorings.{subset.scores}.measures does not have '{measure}'"
    for owner in owners:
        if owner != subset.dataset:
            yield f"subsets.{name}: is of dataset '{subset.dataset}', but chosen by what belongs to '{owner}'"
    tokenizer = getattr(subset, "tokenizer", None)
    if tokenizer is not None:
        yield from _tokenizer_contradictions(study, f"subsets.{name}.tokenizer", tokenizer, str(subset.dataset))
    classifier = getattr(subset, "classifier", None)
    if classifier is not None:
        yield from _predictor_contradictions(study, f"subsets.{name}.classifier", classifier, subset)
    if isinstance(subset, DropClustersSubset):
        yield from _drop_contradictions(name, subset, study.clusterings[str(subset.clusters)].k)


def _predictor_contradictions(study: Study, place: str, classifier: str, subset: Subset) -> Iterator[str]:
    """Checks that a classifier predicts the attribute by which a subset is chosen, of such images."""
    attribute = getattr(subset, "attribute", "")
    if classifier in study.classifiers:
        predicted = study.classifiers[classifier].attributes
        if attribute not in predicted:
            yield f"{place}: '{classifier}' does not predict '{attribute}' (predicted: {', '.join(predicted)})"
    elif classifier not in study.probes:
        yield f"{place}: unknown '{classifier}' (known: {', '.join([*study.probes, *study.classifiers]) or 'none'})"
        return
    yield from _probe_contradictions(study, place, study.classified_features(classifier), subset.dataset)


def _drop_contradictions(name: str, subset: DropClustersSubset, k: int) -> Iterator[str]:
    place, listed = f"subsets.{name}.drop", subset.drop if isinstance(subset.drop, tuple) else ()
    count = subset.drop if isinstance(subset.drop, int) else len(set(listed))
    if len(listed) > count:
        yield f"{place}: names a cluster twice"
    if listed and max(listed) >= k:
        yield f"{place}: there is no cluster {max(listed)}; '{subset.clusters}' has 0 to {k - 1}"
    elif count >= k:
        yield f"{place}: '{subset.clusters}' has {k} clusters, and one at least has to be left"


def tokenizers_of(study: Study, dataset: str, runs: tuple[str, ...]) -> tuple[str, ...]:
    """The tokenizers trained on the dataset, then those of other datasets that its runs use."""
    own = [name for name, tokenizer in study.tokenizers.items() if tokenizer.dataset == dataset]
    used = [str(study.runs[run].tokenizer) for run in runs if run in study.runs]
    return tuple(dict.fromkeys(own + used))
