"""Stage: trains the probe, a small classifier of the dataset's own attributes whose features serve as an encoder."""

from typing import Any

import torch

from steadyflow.data.images import ImageStore, attribute_codes, read_dataset_info, read_manifest
from steadyflow.ground.artifacts import (
    UserError,
    file_hash,
    provenance,
    spec_hash,
    write_json,
    write_parquet,
    write_weights,
)
from steadyflow.models import Probe
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.train import Schedule, accuracy, delete_checkpoints, train_probe

parser = stage_parser("train_probe", __doc__)


def main(job: StageRun) -> None:
    device = job.device()
    name, spec = job.names["encoder"], job.study.probes[job.names["encoder"]]
    info = read_dataset_info(job.inputs["info"])
    manifest = read_manifest(job.inputs["manifest"], ["id", "split", "label", *info.attributes])
    codes = attribute_codes(manifest, info)
    if not codes:
        raise UserError(
            f"{job.inputs['info']}: the dataset has neither classes nor attributes, so there is nothing to "
            "train the probe on; sort the images into class subfolders, give labels_csv, or prune by loss or grad, "
            "which need no labels"
        )
    images = ImageStore(job.inputs["images"])
    ids = {split: manifest.loc[manifest["split"] == split, "id"].to_numpy() for split in ("train", "val")}
    values = {**info.attributes, **({"label": info.classes} if info.classes else {})}
    architecture: dict[str, Any] = {
        "image_channels": info.channels,
        "width": spec.width,
        "feature_dim": spec.feature_dim,
        "targets": {name: len(values[name]) for name in codes},
    }
    torch.manual_seed(spec.seed)
    model = Probe(**architecture)

    trained = train_probe(
        model,
        images.read,
        ids["train"],
        codes,
        Schedule(spec.steps, spec.batch_size, spec.learning_rate, spec.ema_decay, spec.seed),
        job.execution(spec_hash([spec.identity(), info.content_hash]), device, f"probe {name}"),
    )
    model.load_state_dict(trained.ema)
    write_weights(job.outputs["weights"], trained.ema)
    write_parquet(job.outputs["curve"], trained.curve)
    config = {
        "kind": spec.kind,
        "architecture": architecture,
        "values": {name: values[name] for name in codes},
        "spec": spec.identity(),
        "dataset_hash": info.content_hash,
        "weights_hash": file_hash(job.outputs["weights"]),
        "val_accuracy": accuracy(model.eval(), images.read, ids["val"], codes, device),
        "provenance": provenance(),
    }
    write_json(job.outputs["config"], config)


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_checkpoints)
