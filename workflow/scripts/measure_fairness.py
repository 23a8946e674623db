"""Stage: how far each attribute is from evenly spread, and from the training data, as every classifier tells it."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.artifacts import UserError, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import attribute_codes, read_dataset_info, read_manifest, train_ids
from steadyflow.evaluate import kl_between, kl_with_interval
from steadyflow.evaluate.estimate import proportion_with_interval
from steadyflow.evaluate.metrics import Metric, interval, metrics_table
from steadyflow.evaluate.rows import mixed
from steadyflow.names import LABELS, TRAINING_DATA
from steadyflow.progress import progress
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")


@dataclass(frozen=True)
class Told:
    """`codes` attribute -> [n], -1 where unknown, of `values` attribute -> names; `hash` of what told them."""

    codes: dict[str, np.ndarray]
    values: dict[str, list[str]]
    hash: str


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec = study.evaluations[args.dataset]
    files = paths.dataset_files(study, args.dataset)
    manifest, info = read_manifest(files["manifest"]), read_dataset_info(files["info"])
    train = train_ids(manifest)
    metrics: list[Metric] = []

    def measure(told: Told, run: str, sampled: str, by: str, training: Told | None = None) -> None:
        """From uniform, and from the training data where they are given."""
        for attribute, codes in told.codes.items():
            k = len(told.values[attribute])
            against = {"uniform": kl_with_interval(codes, k, seed=spec.seed)}
            if training is not None:
                against[TRAINING_DATA] = kl_between(codes, training.codes[attribute], k, seed=spec.seed)
            known = against["uniform"].known
            common = {
                "dataset": args.dataset,
                "run": run,
                "encoder": by,
                "protocol": f"{sampled}, {len(codes) - known} unknown",
                "n": known,
                "seed": study.samplings[spec.sampling].seed,
                "hashes": f"classifier {told.hash}",
            }
            for reference, bias in against.items():
                metrics.append(Metric(**common, reference=reference, metric=f"kl_{attribute}", **interval(bias)))
            for code, value in enumerate(told.values[attribute]):
                share = interval(proportion_with_interval(int((codes == code).sum()), known))
                metrics.append(Metric(**common, reference="", metric=f"share[{attribute}={value}]", **share))

    labels = {name: codes[train] for name, codes in attribute_codes(manifest, info).items()}
    values = {**info.attributes, **({"label": info.classes} if info.classes else {})}
    measure(Told(labels, values, info.content_hash), TRAINING_DATA, "training images", LABELS)
    for classifier in progress(spec.classifiers, "fairness"):
        training = read(paths.attributes_file(study, args.dataset, classifier), train)
        measure(training, TRAINING_DATA, "training images", classifier)
        for run in [*spec.runs, *spec.mixtures]:
            members = spec.mixtures[run].runs if run in spec.mixtures else (run,)
            told = [read(paths.sampled_attributes_file(study, classifier, each, spec.sampling)) for each in members]
            codes = {name: mixed([each.codes[name] for each in told]) for name in told[0].codes}
            sampled = study.protocol(members[0], spec.sampling)
            measure(replace(told[0], codes=codes), run, sampled, classifier, training)
    write_parquet(args.output, metrics_table(metrics))


def read(path: str, rows: np.ndarray | None = None) -> Told:
    """What was told of the images, or of some `rows` of them. Raises UserError where that is nothing."""
    table, sidecar = pd.read_parquet(path), read_json(paths.sidecar(path))
    codes = {name: table[name].to_numpy() if rows is None else table[name].to_numpy()[rows] for name in table}
    for name, column in codes.items():
        if not (column >= 0).any():
            raise UserError(
                f"{path}: '{name}' is unknown of all {len(column)} images, so there is nothing to measure; give the "
                f"classifier ({sidecar['classifier']}) words or prompts that fit, or leave the attribute out"
            )
    return Told(codes, sidecar["values"], sidecar["classifier_hash"])


run_stage(main)
