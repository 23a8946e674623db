"""What a study alone says of an evaluation and its runs."""

from steadyflow.design.arms import arms
from steadyflow.stages.cost import forward_flops
from steadyflow.study import Study
from steadyflow.study.specs.encoders import ClipEncoder


def runs(study: Study, dataset: str) -> tuple[str, ...]:
    return study.evaluations[dataset].runs or ()


def encoders(study: Study, dataset: str) -> tuple[str, ...]:
    return study.evaluations[dataset].encoders or ()


def similarity_encoders(study: Study, dataset: str) -> tuple[str, ...]:
    return study.evaluations[dataset].similarity_encoders or ()


def clip_encoder(study: Study, dataset: str) -> str:
    """The first of the evaluation's encoders that is CLIP; "" if none is."""
    return next((name for name in encoders(study, dataset) if isinstance(study.encoders[name], ClipEncoder)), "")


def operations(study: Study, dataset: str) -> dict[str, float]:
    """Floating-point operations of one evaluation of every run's field, for one sample."""
    return {run: forward_flops(study, run) for run in runs(study, dataset)}


def labels(study: Study, dataset: str) -> dict[str, str]:
    return {run: study.label(run) for run in runs(study, dataset)}


def pair_labels(study: Study, dataset: str) -> dict[tuple[str, str], str]:
    """Compared pairs (run, reference) with the names of both, or of the run alone beside the evaluation's reference."""
    reference = study.evaluations[dataset].reference
    return {
        (run, other): study.label(run) if other == reference else f"{study.label(run)} / {study.label(other)}"
        for run, other in study.compared_pairs(dataset)
    }


def repeated_runs(study: Study, dataset: str) -> list[tuple[str, ...]]:
    """Runs that differ in their seeds alone."""
    return [arm.runs for arm in arms(study, dataset) if len(arm.runs) > 1]


def inverse_runs(study: Study, dataset: str) -> list[str]:
    criteria = {name: subset.criterion for name, subset in study.subsets.items()}
    return [run for run in runs(study, dataset) if criteria.get(str(study.runs[run].subset), "").endswith("_inv")]


def training_steps(study: Study, dataset: str) -> dict[str, str]:
    """How long every run and mixture was trained, in words; a dash of runs that were not trained here."""

    def steps(runs: tuple[str, ...]) -> str:
        each = ["–" if not study.runs[run].trained else f"{study.runs[run].steps:,}" for run in runs]
        return each[0] if len(each) == 1 else f"{each[0]} each" if len(set(each)) == 1 else " + ".join(each)

    return {name: steps(runs) for name, runs in study.measured(dataset).items()}


def tokenizers(study: Study, dataset: str) -> tuple[str, ...]:
    return study.evaluations[dataset].tokenizers or ()


def mixtures(study: Study, dataset: str) -> list[str]:
    """Mixtures of models of one mode each."""
    modes = study.modes(dataset)
    return [name for name, mixture in study.evaluations[dataset].mixtures.items() if set(mixture.runs) <= modes.keys()]


def classifiers(study: Study, dataset: str) -> tuple[str, ...]:
    return study.evaluations[dataset].classifiers or ()


def reference(study: Study, dataset: str) -> str:
    return str(study.evaluations[dataset].reference)


def runs_on_other_datasets(study: Study, dataset: str) -> list[str]:
    return [run for run in runs(study, dataset) if study.runs[run].dataset != dataset]


def tokenizer_labels(study: Study, dataset: str) -> dict[str, str]:
    return {name: study.tokenizer_label(name) for name in tokenizers(study, dataset)}


def tokenizer_losses(study: Study, dataset: str) -> dict[str, str]:
    return {name: study.tokenizers[name].losses for name in tokenizers(study, dataset)}


def codebook_sizes(study: Study, dataset: str) -> dict[str, int]:
    return {name: study.tokenizers[name].codebook_size for name in tokenizers(study, dataset)}
