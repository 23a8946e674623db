"""Stage: KL divergence of each attribute from the uniform distribution, of the training data and of every run."""

from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from steadyflow.artifacts import read_array, read_json, write_parquet
from steadyflow.cli import run_stage, stage_parser
from steadyflow.data.images import attribute_codes, read_dataset_info, read_manifest, train_ids
from steadyflow.evaluate import kl_with_interval
from steadyflow.evaluate.metrics import TRAINING_DATA, Metric, interval, metrics_table
from steadyflow.progress import progress
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")


def main() -> None:
    args = parser.parse_args()
    study = load_study(args.study)
    spec = study.evaluations[args.dataset]
    sampling = study.samplings[spec.sampling]
    files = paths.dataset_files(study, args.dataset)
    manifest, info = read_manifest(files["manifest"]), read_dataset_info(files["info"])
    encoder = {key: Path(path) for key, path in paths.probe_files(study, spec.encoders[0]).items()}
    config, weights = read_json(encoder["config"]), load_file(encoder["weights"])
    ids = train_ids(manifest)
    metrics = []

    def measure(run: str, attribute: str, codes: np.ndarray, classifier: str, protocol: str, hashes: str) -> None:
        bias = kl_with_interval(codes, len(config["values"][attribute]), seed=spec.seed)
        common = {"dataset": args.dataset, "run": run, "reference": "uniform", "seed": sampling.seed, "hashes": hashes}
        metrics.append(
            Metric(
                **common,
                metric=f"kl_{attribute}",
                encoder=classifier,
                protocol=protocol,
                n=bias.known,
                **interval(bias),
            )
        )

    for attribute, codes in attribute_codes(manifest, info).items():
        measure(TRAINING_DATA, attribute, codes[ids], "labels", "training labels", info.content_hash)
    for run in progress(spec.runs, "fairness"):
        features = read_array(paths.features_file(study, spec.encoders[0], run, spec.sampling))
        for attribute in config["values"]:
            logits = features @ weights[f"heads.{attribute}.weight"].T + weights[f"heads.{attribute}.bias"]
            protocol = study.protocol(run, spec.sampling)
            measure(run, attribute, logits.argmax(axis=1), spec.encoders[0], protocol, config["weights_hash"])
    write_parquet(args.output, metrics_table(metrics))


run_stage(main)
