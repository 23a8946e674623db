"""Stage: how faithful and how sharp the evaluated tokenizers reconstruct the validation split."""

from pathlib import Path

import numpy as np

from steadyflow.data.images import ImageStore, read_manifest
from steadyflow.encoders import load_encoder
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.evaluate.tokenizer_quality import (
    SHOWN,
    ImageBatches,
    original_features,
    reconstruction_measures,
    tokenizer_metrics,
)
from steadyflow.fetch.lock import read_lock, verified
from steadyflow.ground.artifacts import file_hash, read_json, write_array, write_parquet
from steadyflow.ground.constants import VGG16_WEIGHTS
from steadyflow.models import VQVAE, load_trained
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.stages.tokenizers import tokenizer_artifacts

parser = stage_parser("measure_tokenizers", __doc__)
parser.add_argument("--weights-lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--batch-size", type=int, default=32)


def main(job: StageRun) -> None:
    device = job.device()
    study, dataset, lock = job.study, job.names["dataset"], read_lock(job.flags.weights_lock)
    spec, vgg16 = study.evaluations[dataset], job.inputs.get("vgg16")
    manifest, store = read_manifest(job.inputs["manifest"], ["id", "split"]), ImageStore(job.inputs["images"])
    validation = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    images = ImageBatches(store, validation, job.flags.batch_size, device)
    lpips = None
    if vgg16:
        from steadyflow.models.perceptual import Lpips

        lpips = Lpips(verified(vgg16, lock[VGG16_WEIGHTS])).to(device)
    measures = reconstruction_measures(study.datasets[dataset].resolution, lpips)
    (name, *_) = spec.encoders or ()
    kind, options = study.encoders[name].kind, study.encoders[name].options
    encoder = load_encoder(kind, options, job.inputs["encoder"], lock=lock, device=device)
    metrics, shown = [], [store.read(validation[:SHOWN])]
    with original_features(encoder, images, job.outputs["metrics"]) as features:
        for tokenizer in spec.tokenizers or ():
            weights, config = map(job.file, tokenizer_artifacts(study, tokenizer, "weights", "config").values())
            found, copies = tokenizer_metrics(
                load_trained(VQVAE, read_json(config)["architecture"], weights).to(device),
                images,
                measures,
                features,
                weights_hash=file_hash(weights),
                encoder=name,
                lpips_weights=vgg16.stem if vgg16 else "",
                fields={"dataset": dataset, "run": tokenizer, "seed": study.tokenizers[tokenizer].seed},
            )
            metrics += found
            shown.append(copies)
    write_array(job.outputs["reconstructions"], np.stack(shown))
    write_parquet(job.outputs["metrics"], metrics_table(metrics))


if __name__ == "__main__":
    run_stage(parser, main)
