"""Stage: trains a tokenizer. Under torchrun on several devices, with the same curve."""

from pathlib import Path

import torch

from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest, train_ids
from steadyflow.fetch.lock import read_lock, verified
from steadyflow.ground import distributed
from steadyflow.ground.artifacts import file_hash, provenance, spec_hash, write_json, write_parquet, write_weights
from steadyflow.ground.constants import VGG16_WEIGHTS
from steadyflow.models import PatchDiscriminator
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.train import (
    AdversarialTerm,
    PerceptualTerm,
    Revival,
    Schedule,
    delete_checkpoints,
    fresh_tokenizer,
    initialise_codebook,
    train_tokenizer,
)

parser = stage_parser("train_tokenizer", __doc__)
parser.add_argument("--weights-lock", type=Path, help="resources/weights.lock, which says what that file has to hold")


def main(job: StageRun) -> None:
    device = job.device()
    name, spec = job.names["tokenizer"], job.study.tokenizers[job.names["tokenizer"]]
    info = read_dataset_info(job.inputs["info"])
    manifest = read_manifest(job.inputs["manifest"], ["id", "split"])
    images, ids = ImageStore(job.inputs["images"]), train_ids(manifest)

    def read(rows: torch.Tensor) -> torch.Tensor:
        return torch.from_numpy(images.read(ids[rows.numpy()]))

    architecture = {
        "image_channels": info.channels,
        "width": spec.width,
        "multipliers": list(spec.multipliers),
        "blocks": spec.blocks,
        "codebook_size": spec.codebook_size,
        "latent_channels": spec.latent_channels,
    }
    model = fresh_tokenizer(architecture, spec.seed)
    if spec.codebook_init == "data":
        initialise_codebook(model, read, len(ids), info.resolution, spec.seed)
    perceptual = adversarial = revival = None
    inputs = {"dataset": info.content_hash}
    if spec.perceptual != "none":
        # Its libraries take seconds to import.
        from steadyflow.models.perceptual import Lpips

        locked = read_lock(job.flags.weights_lock)[VGG16_WEIGHTS]
        perceptual = PerceptualTerm(Lpips(verified(job.inputs["vgg16"], locked)).to(device), spec.perceptual.weight)
        inputs["vgg16"] = locked.sha256
    if spec.adversarial != "none":
        discriminator = PatchDiscriminator(
            image_channels=info.channels, width=spec.adversarial.width, layers=spec.adversarial.layers
        )
        adversarial = AdversarialTerm(discriminator, spec.adversarial.start, spec.adversarial.weight)
    if spec.revive_codes_every is not None:
        revival = Revival(spec.revive_codes_every, spec.seed)
    schedule = Schedule(
        spec.steps,
        spec.batch_size,
        spec.learning_rate,
        spec.ema_decay,
        spec.seed,
        clip_norm=spec.clip_norm,
        precision=spec.precision,
    )
    with distributed.process_group(device):
        trained = train_tokenizer(
            model,
            read,
            len(ids),
            schedule,
            job.execution(spec_hash([spec.identity(), inputs]), device, f"tokenizer {name}"),
            commitment=spec.commitment,
            perceptual=perceptual,
            adversarial=adversarial,
            revival=revival,
        )
    if distributed.rank() > 0:
        return
    write_weights(job.outputs["weights"], trained.ema)
    write_parquet(job.outputs["curve"], trained.curve)
    config = {
        "architecture": architecture,
        "spec": spec.identity(),
        "inputs": inputs,
        "weights_hash": file_hash(job.outputs["weights"]),
        "provenance": provenance(),
    }
    write_json(job.outputs["config"], config)


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_checkpoints)
