"""Stage: the attributes of every image of a dataset, as a classifier predicts them.

A classifier that looks at images resumes after a kill, and runs under torchrun on several devices.
"""

from pathlib import Path

from steadyflow.classifiers import load_classifier
from steadyflow.classifiers.predict import classify_features, classify_pictures, predictions
from steadyflow.data.pictures import Pictures, dataset_pictures
from steadyflow.fetch.lock import read_lock
from steadyflow.ground.artifacts import file_hash, read_array, write_json, write_parquet
from steadyflow.ground.resumable import delete_table
from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("classify_images", __doc__)
parser.add_argument("--weights-lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--batch-size", type=int, default=32)


def main(job: StageRun) -> None:
    classify(job, dataset_pictures(job.inputs["manifest"].parent))


def classify(job: StageRun, pictures: Pictures) -> None:
    spec = job.study.classifier(job.names["classifier"]).identity()
    # A few products of matrices need no device, and most classifiers no torch.
    device = None if "features" in job.inputs else job.device()
    lock, attributes = read_lock(job.flags.weights_lock), spec.get("attributes", {})
    classifier = load_classifier(spec["kind"], attributes, job.inputs["classifier"], lock=lock, device=device)
    if device is None:
        features = job.inputs["features"]
        codes = classify_features(classifier, read_array(features), pictures.usable)
        hashes = {"features_hash": file_hash(features)}
    else:
        from steadyflow.ground import distributed

        settings = {"batch_size": job.flags.batch_size, "seconds": job.flags.save_seconds}
        codes = classify_pictures(classifier, pictures, job.state, device=device, **settings)
        if distributed.rank() > 0:
            return
        hashes = {"images_hash": pictures.content_hash()}
    found = predictions(classifier, codes, pictures, spec=spec, hashes=hashes)
    write_parquet(job.outputs["attributes"], found.codes)
    write_json(job.outputs["sidecar"], found.sidecar)
    for name, missed in found.unknown.items():
        if missed:
            print(f"{name}: unknown of {missed} of {len(pictures.usable)} images")


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_table)
