"""Stage: loss and gradient scores of every training image under a surrogate run. Under torchrun on several devices."""

import pandas as pd
import torch

from steadyflow.data.images import read_manifest, train_ids
from steadyflow.data.latents import Latents
from steadyflow.fields import load_field
from steadyflow.flow import channel_matrix
from steadyflow.ground import distributed
from steadyflow.ground.artifacts import file_hash, read_json, spec_hash, write_json, write_parquet
from steadyflow.ground.resumable import delete_table
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.prune.surrogate import surrogate_scores
from steadyflow.train import latent_samples

parser = stage_parser("score_samples", __doc__)
parser.add_argument("--batch-size", type=int, default=32, help="triples of sample, time and noise at a time")


def main(job: StageRun) -> None:
    device = job.device()
    # Convolutions would keep three digits.
    torch.backends.cudnn.allow_tf32 = False
    spec = job.study.scorings[job.names["run"]]
    manifest = read_manifest(job.inputs["manifest"], ["id", "split", "label"])
    latents, run, ids = Latents(job.inputs["latents"]), read_json(job.inputs["description"]), train_ids(manifest)
    num_classes = run["architecture"]["num_classes"]
    samples = latent_samples(
        latents,
        channel_matrix(run["spec"]["latent_transform"], latents.shape[0]),
        ids,
        labels=None if num_classes is None else manifest["label"].to_numpy(),
        num_classes=num_classes,
        device=device,
    )
    inputs = {"weights_hash": run["weights_hash"], "latents_hash": file_hash(job.inputs["latents"])}
    rows = {"ids": ids.tolist(), "labels": None if samples.labels is None else samples.labels.tolist()}
    scores = surrogate_scores(
        load_field(run["architecture"], job.inputs["weights"]).to(device),
        samples,
        spec.measures,
        seed=spec.seed,
        timesteps=spec.timesteps,
        noises=spec.noises,
        batch_size=job.flags.batch_size,
        checkpoint_path=job.state,
        identity=spec_hash([spec.identity(), inputs, rows]),
        device=device,
        save_seconds=job.flags.save_seconds,
    )
    if distributed.rank() > 0:
        return
    write_parquet(job.outputs["scores"], pd.DataFrame({"id": ids} | scores))
    write_json(job.outputs["sidecar"], {"spec": spec.identity(), **inputs, "n": len(ids)})


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_table)
