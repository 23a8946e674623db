"""Stage: moments, k-NN radii and kernel means of the validation images in an encoder's features, moments of the
training images, and which images are in both."""

from steadyflow.data.images import read_manifest, train_ids
from steadyflow.evaluate.quality import prepare_reference, write_reference
from steadyflow.evaluate.rows import with_features
from steadyflow.ground.artifacts import read_array
from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("prepare_reference", __doc__)


def main(job: StageRun) -> None:
    manifest = read_manifest(job.inputs["manifest"], ["id", "key", "split"])
    validation = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    embeddings = read_array(job.inputs["embeddings"])
    reference = prepare_reference(with_features(embeddings, validation), with_features(embeddings, train_ids(manifest)))
    keys = manifest["key"].to_numpy()
    for held_out, trained_on in reference.leaks:
        print(f"held-out image {keys[held_out]} is also a training image, {keys[trained_on]}")
    write_reference(job.outputs["reference"], reference)


if __name__ == "__main__":
    run_stage(parser, main)
