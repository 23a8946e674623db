"""Seeds of trainings that name none, and the runs that `repeats` stands for."""

import hashlib
from collections.abc import Container, Iterator

from steadyflow.ground.artifacts import UserError
from steadyflow.study.specs import ComplementSubset, Evaluation, IntersectionSubset, Run, Study, Subset

SEED_BYTES = 4
"""The initial weights are drawn by a generator of torch, which takes 32 bits of a seed."""


def seed_of_name(run: str) -> int:
    """The seed of a training that names none, 0..2^32 - 1."""
    return _hashed(f"run {run}")


def seed_of_repeat(seed: int, number: int) -> int:
    """The seed of the `number`-th training, 2, 3, ..., of a run, or draw of a subset, that names `seed`: 0..2^32 - 1.

    The repeats of two that share a seed share theirs, so the `number`-th draws of two disjoint halves are disjoint.
    """
    return _hashed(f"seed {seed}, repeat {number}")


def _hashed(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:SEED_BYTES], "big")


def repeat_name(name: str, number: int) -> str:
    """The name of the `number`-th training of a run, or draw of a subset; the first has the name itself."""
    return name if number == 1 else f"{name}.{number}"


def with_repeats(study: Study) -> Study:
    """The study with every training as a run of its own.

    The repeats of a run follow it, in the study and in its evaluations; their subsets are drawn anew where that is by
    chance. The i-th repeats of two runs of an inverse pair are an inverse pair. Raises UserError where an entry already
    has the name of a repeat.
    """
    counts = {name: _number_of_trainings(study, name) for name in study.runs}
    drawn = _subsets_drawn_again(study, counts)
    if problems := [*_taken_names("subsets", study.subsets, drawn), *_taken_names("runs", study.runs, counts)]:
        raise UserError("\n".join(problems))
    subsets = {
        repeat_name(name, number): _drawn_again(subset, number, drawn) if number > 1 else subset
        for name, subset in study.subsets.items()
        for number in _numbers(drawn, name)
    }
    runs = {
        repeat_name(name, number): _trained_again(study, name, number, drawn) if number > 1 else run
        for name, run in study.runs.items()
        for number in _numbers(counts, name)
    }
    evaluations = {dataset: _evaluated_again(spec, counts) for dataset, spec in study.evaluations.items()}
    return study.model_copy(update={"subsets": subsets, "runs": runs, "evaluations": evaluations})


def with_seeds(study: Study) -> Study:
    """The study with a seed for every run: where it names none, that of its name."""
    unnamed = {name: run for name, run in study.runs.items() if run.seed is None}
    seeded = {name: run.model_copy(update={"seed": seed_of_name(name)}) for name, run in unnamed.items()}
    return study.model_copy(update={"runs": {**study.runs, **seeded}})


def _number_of_trainings(study: Study, name: str) -> int:
    """`repeats` of the run, else the largest of its evaluations, else of the defaults. Only evaluated runs are repeated
    without a key of their own: a surrogate is trained once."""
    run = study.runs[name]
    if run.repeats is not None or not run.trained:
        return run.repeats or 1
    evaluations = [spec for spec in study.evaluations.values() if name in (spec.runs or ())]
    given = [spec.repeats for spec in evaluations if spec.repeats is not None]
    return max(given) if given else (study.defaults.runs.repeats or 1) if evaluations else 1


def _numbers(counts: dict[str, int], name: str) -> range:
    return range(1, counts.get(name, 1) + 1)


def _subsets_drawn_again(study: Study, trainings: dict[str, int]) -> dict[str, int]:
    """Subset -> the most draws that a run trained on it, or on one derived from it, needs."""
    draws: dict[str, int] = {}
    for name, count in trainings.items():
        subset = study.runs[name].subset
        for each in _chance_in(study, subset) if subset else ():
            draws[each] = max(count, draws.get(each, 1))
    return draws


def _chance_in(study: Study, name: str) -> set[str]:
    """The subset and those from which it is derived, as far as chance has a part in them."""
    subset = study.subsets[name]
    below = set().union(*(_chance_in(study, member) for member in subset.members))
    return below | {name} if below or subset.is_drawn_by_chance else set()


def _drawn_again(subset: Subset, number: int, drawn: Container[str]) -> Subset:
    def again(member: str) -> str:
        return repeat_name(member, number) if member in drawn else member

    update: dict[str, object] = {"label": f"{subset.label} ({number})" if subset.label else ""}
    if subset.is_drawn_by_chance:
        update["seed"] = seed_of_repeat(getattr(subset, "seed", 0), number)
    if isinstance(subset, IntersectionSubset):
        update["of"] = tuple(map(again, subset.of))
    if isinstance(subset, ComplementSubset):
        update["of"] = again(subset.of)
    return subset.model_copy(update=update)


def _trained_again(study: Study, name: str, number: int, drawn: dict[str, int]) -> Run:
    run = study.runs[name]
    update: dict[str, object] = {"label": f"{study.label(name)} ({number})"}
    if run.seed is not None:
        update["seed"] = seed_of_repeat(run.seed, number)
    if run.subset in drawn:
        update["subset"] = repeat_name(run.subset, number)
    return run.model_copy(update=update)


def _evaluated_again(spec: Evaluation, counts: dict[str, int]) -> Evaluation:
    runs = tuple(repeat_name(name, number) for name in spec.runs or () for number in _numbers(counts, name))
    pairs = (
        (repeat_name(run, number), repeat_name(other, number))
        for run, other in spec.inverse_pairs
        for number in range(1, min(counts.get(run, 1), counts.get(other, 1)) + 1)
    )
    return spec.model_copy(update={"runs": runs, "inverse_pairs": tuple(pairs)})


def _taken_names(section: str, entries: Container[str], counts: dict[str, int]) -> Iterator[str]:
    for name, count in counts.items():
        for number in range(2, count + 1):
            if (taken := repeat_name(name, number)) in entries:
                yield (
                    f"{section}.{taken}: is the name of repeat {number} of '{name}', which `repeats` needs; name "
                    "this entry otherwise"
                )
