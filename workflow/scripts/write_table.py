"""Stage: one table as CSV, Markdown, LaTeX and HTML."""

from pathlib import Path

import pandas as pd

from steadyflow.artifacts import UserError, read_json
from steadyflow.claims import Evidence, judge, read_claims
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import read_dataset_info
from steadyflow.design.arms import arms
from steadyflow.evaluate.metrics import read_metrics
from steadyflow.report import tables
from steadyflow.report.paper import read_paper_values
from steadyflow.report.typeset import Table, write_table
from steadyflow.study import Study, load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--table", required=True, help="its name in the catalogue")
parser.add_argument("--paper", type=Path, required=True, help="folder of the papers' scalars.csv and claims.csv")
parser.add_argument("--stem", type=Path, required=True, help="output path without suffix")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    write_table(TABLES[args.table](study, args.dataset, args.paper), args.stem)


def metrics(study: Study, dataset: str, kind: str) -> pd.DataFrame:
    return read_metrics(paths.metrics_files(study, dataset, kind))


def labels(study: Study, dataset: str) -> dict[str, str]:
    return {run: study.label(run) for run in study.evaluations[dataset].runs}


def run_facts(study: Study, dataset: str) -> pd.DataFrame:
    """run, criterion, pruning_fraction (NaN of a run of another dataset), n_train of every evaluated run."""
    n_all = read_json(paths.dataset_files(study, dataset)["info"])["counts"]["train"]
    facts = []
    for run in study.evaluations[dataset].runs:
        subset, n_train = study.runs[run].subset, read_json(paths.run_files(study, run)["description"])["n_train"]
        criterion = study.subsets[subset].criterion if subset else ""
        fraction = round(1 - n_train / n_all, 3) if study.runs[run].dataset == dataset else float("nan")
        facts.append({"run": run, "criterion": criterion, "pruning_fraction": fraction, "n_train": n_train})
    return pd.DataFrame(facts)


def repeated(study: Study, dataset: str) -> list[tuple[str, ...]]:
    """Runs that differ in their seeds alone."""
    return [arm.runs for arm in arms(study, dataset) if len(arm.runs) > 1]


def fd_by_criterion(study: Study, dataset: str, paper: Path) -> Table:
    return tables.fd_by_criterion(
        metrics(study, dataset, "quality"),
        run_facts(study, dataset),
        labels(study, dataset),
        read_paper_values(paper / "scalars.csv"),
        encoders=study.evaluations[dataset].encoders,
        repeated=repeated(study, dataset),
    )


def claims(study: Study, dataset: str, paper: Path) -> Table:
    spec = study.evaluations[dataset]
    evidence = Evidence(
        quality=metrics(study, dataset, "quality"),
        similarity=metrics(study, dataset, "similarity"),
        fairness=metrics(study, dataset, "fairness") if spec.classifiers else pd.DataFrame(),
        arms=arms(study, dataset),
        inverse_pairs=spec.inverse_pairs,
        encoder=spec.encoders[0],
        similarity_encoder=spec.similarity_encoders[0],
        labels=labels(study, dataset),
        conditional=study.runs[spec.reference].conditional,
    )
    return tables.claims(judge(read_claims(paper / "claims.csv"), evidence))


def tokenizers(study: Study, dataset: str, paper: Path) -> Table:
    names = study.evaluations[dataset].tokenizers
    return tables.tokenizers(
        metrics(study, dataset, "tokenizers"),
        {name: study.tokenizer_label(name) for name in names},
        losses={name: study.tokenizers[name].losses for name in names},
        codebook_sizes={name: study.tokenizers[name].codebook_size for name in names},
    )


def fairness(study: Study, dataset: str, paper: Path) -> Table:
    spec, info = study.evaluations[dataset], read_dataset_info(paths.dataset_files(study, dataset)["info"])
    values = {
        name: read_json(paths.sidecar(paths.attributes_file(study, dataset, name)))["values"]
        for name in spec.classifiers
    }
    own = {**info.attributes, "label": info.classes}
    labelled = {
        (name, attribute)
        for name, attributes in values.items()
        for attribute, of_attribute in attributes.items()
        if sorted(of_attribute) == sorted(own.get(attribute) or [])
    }
    return tables.fairness(
        metrics(study, dataset, "fairness"),
        labels(study, dataset),
        read_paper_values(paper / "scalars.csv"),
        told={name: list(attributes) for name, attributes in values.items()},
        labelled=labelled,
        beside=spec.paper_attributes,
    )


def told_first(study: Study, dataset: str, attribute: str) -> tuple[str, list[str]]:
    """The first of the evaluation's classifiers that tells an attribute, and its values."""
    for classifier in study.evaluations[dataset].classifiers:
        values = read_json(paths.sidecar(paths.attributes_file(study, dataset, classifier)))["values"]
        if attribute in values:
            return classifier, values[attribute]
    raise UserError(
        f"evaluations.{dataset}.classifiers: none tells '{attribute}', by which the study's subsets divide the images"
    )


def similarity_by_mode(study: Study, dataset: str, paper: Path) -> Table:
    """Of the attribute of the first run that saw one value alone."""
    spec, modes = study.evaluations[dataset], study.modes(dataset)
    attribute = next(of_run for of_run, _ in modes.values())
    classifier, values = told_first(study, dataset, attribute)
    return tables.similarity_by_mode(
        metrics(study, dataset, "similarity"),
        {run: study.label(run) for run, (of_run, _) in modes.items() if of_run == attribute},
        reference=spec.reference,
        encoder=spec.similarity_encoders[0],
        classifier=classifier,
        attribute=attribute,
        values=values,
    )


def mode_balance(study: Study, dataset: str, paper: Path) -> Table:
    """The mixtures of models of one mode each, the runs that were balanced by that attribute, and the reference."""
    spec, modes = study.evaluations[dataset], study.modes(dataset)
    mixtures = {name: mixture for name, mixture in spec.mixtures.items() if set(mixture.runs) <= modes.keys()}
    attribute, _ = modes[next(iter(mixtures.values())).runs[0]]
    classifier, values = told_first(study, dataset, attribute)
    subsets = {run: study.subsets[study.runs[run].subset] for run in spec.runs if study.runs[run].subset}
    balanced = [
        run
        for run, subset in subsets.items()
        if subset.criterion in ("attribute_balanced", "attribute_oversampled") and subset.attribute == attribute
    ]
    runs = [*balanced, spec.reference]
    return tables.mode_balance(
        metrics(study, dataset, "quality"),
        metrics(study, dataset, "fairness"),
        {name: study.mixture_label(dataset, name) for name in mixtures} | {run: study.label(run) for run in runs},
        read_paper_values(paper / "scalars.csv"),
        encoders=spec.encoders,
        classifier=classifier,
        attribute=attribute,
        values=values,
        steps={name: steps(study, mixture.runs) for name, mixture in mixtures.items()}
        | {run: steps(study, (run,)) for run in runs},
    )


def steps(study: Study, runs: tuple[str, ...]) -> str:
    """How long runs were trained, in words; a dash of those that were not trained here."""
    each = ["–" if study.runs[run].weights else f"{study.runs[run].steps:,}" for run in runs]
    return each[0] if len(each) == 1 else f"{each[0]} each" if len(set(each)) == 1 else " + ".join(each)


TABLES = {
    "similarity_by_mode": similarity_by_mode,
    "mode_balance": mode_balance,
    "tokenizers": tokenizers,
    "fd_by_criterion": fd_by_criterion,
    "quality": lambda study, dataset, paper: tables.quality(
        metrics(study, dataset, "quality"), labels(study, dataset), encoders=study.evaluations[dataset].encoders
    ),
    "claims": claims,
    "similarity_to_unpruned": lambda study, dataset, paper: tables.similarity_to_unpruned(
        metrics(study, dataset, "similarity"),
        labels(study, dataset),
        read_paper_values(paper / "scalars.csv"),
        reference=study.evaluations[dataset].reference,
        encoders=study.evaluations[dataset].similarity_encoders,
    ),
    "similarity_to_inverse": lambda study, dataset, paper: tables.similarity_to_inverse(
        metrics(study, dataset, "similarity"),
        labels(study, dataset),
        read_paper_values(paper / "scalars.csv"),
        pairs=study.evaluations[dataset].inverse_pairs,
        encoders=study.evaluations[dataset].similarity_encoders,
    ),
    "path_deviation": lambda study, dataset, paper: tables.path_deviation(
        metrics(study, dataset, "paths"), labels(study, dataset), pairs=study.path_pairs(dataset)
    ),
    "fairness": fairness,
    "memorisation": lambda study, dataset, paper: tables.memorisation(
        metrics(study, dataset, "quality"),
        labels(study, dataset),
        encoders=study.evaluations[dataset].encoders,
        elsewhere=[run for run in study.evaluations[dataset].runs if study.runs[run].dataset != dataset],
    ),
}

run_stage(main)
