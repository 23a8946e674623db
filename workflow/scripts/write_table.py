"""Stage: one table as CSV, Markdown, LaTeX and HTML."""

from pathlib import Path

import pandas as pd

from steadyflow.artifacts import read_json
from steadyflow.cli import run_stage, stage_parser
from steadyflow.report import tables
from steadyflow.report.claims import Evidence, judge, read_claims
from steadyflow.report.paper import read_paper_values
from steadyflow.report.typeset import Table, write_table
from steadyflow.study import Study, load_study, paths
from steadyflow.study.arms import arms

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
    return pd.read_parquet(paths.metrics_file(study, dataset, kind))


def labels(study: Study, dataset: str) -> dict[str, str]:
    return {run: study.label(run) for run in study.evaluations[dataset].runs}


def run_facts(study: Study, dataset: str) -> pd.DataFrame:
    """run, criterion, pruning_fraction, n_train of every evaluated run."""
    n_all = read_json(paths.dataset_files(study, dataset)["info"])["counts"]["train"]
    facts = []
    for run in study.evaluations[dataset].runs:
        subset, n_train = study.runs[run].subset, read_json(paths.run_files(study, run)["description"])["n_train"]
        criterion = study.subsets[subset].criterion if subset else ""
        facts.append(
            {"run": run, "criterion": criterion, "pruning_fraction": round(1 - n_train / n_all, 3), "n_train": n_train}
        )
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
        fairness=metrics(study, dataset, "fairness") if study.tells_attributes(dataset) else pd.DataFrame(),
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
    spec = study.evaluations[dataset]
    attributes = read_json(paths.probe_files(study, spec.encoders[0])["config"])["values"]
    beside = {attribute: spec.paper_attributes.get(attribute, "") for attribute in attributes}
    values = read_paper_values(paper / "scalars.csv")
    return tables.fairness(metrics(study, dataset, "fairness"), labels(study, dataset), values, attributes=beside)


TABLES = {
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
    "fairness": fairness,
    "memorisation": lambda study, dataset, paper: tables.memorisation(
        metrics(study, dataset, "quality"), labels(study, dataset), encoders=study.evaluations[dataset].encoders
    ),
}

run_stage(main)
