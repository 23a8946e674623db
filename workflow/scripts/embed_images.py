"""Stage: every image of a dataset through an encoder. Under torchrun on several devices."""

from pathlib import Path

from steadyflow.data.pictures import Pictures, dataset_pictures
from steadyflow.encoders import load_encoder
from steadyflow.evaluate.embed import embed_pictures
from steadyflow.fetch.lock import read_lock
from steadyflow.ground import distributed
from steadyflow.ground.artifacts import write_json
from steadyflow.ground.resumable import delete_table, publish_table
from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("embed_images", __doc__)
parser.add_argument("--weights-lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--batch-size", type=int, default=128)


def main(job: StageRun) -> None:
    embed(job, dataset_pictures(job.inputs["manifest"].parent))


def embed(job: StageRun, pictures: Pictures) -> None:
    device, spec, lock = job.device(), job.study.encoders[job.names["encoder"]], read_lock(job.flags.weights_lock)
    encoder = load_encoder(spec.kind, spec.options, job.inputs["encoder"], lock=lock, device=device)
    settings = {"batch_size": job.flags.batch_size, "seconds": job.flags.save_seconds}
    sidecar = embed_pictures(encoder, pictures, job.state, device=device, **settings)
    if distributed.rank() > 0:
        return
    write_json(job.outputs["sidecar"], sidecar)
    publish_table(job.state, job.outputs["features"])
    if sidecar["without_features"]:
        print(f"{encoder.kind} finds nothing in {sidecar['without_features']} of {sidecar['images']} images")


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_table)
