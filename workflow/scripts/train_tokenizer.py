"""Stage: trains a tokenizer. Under torchrun on several devices, with the same curve."""

from pathlib import Path

import torch

from steadyflow import distributed
from steadyflow.artifacts import file_hash, provenance, spec_hash, write_json, write_parquet, write_weights
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest, train_ids
from steadyflow.fetch.lock import read_lock, verified
from steadyflow.models import PatchDiscriminator
from steadyflow.models.perceptual import Lpips
from steadyflow.names import VGG16_WEIGHTS
from steadyflow.study import load_study
from steadyflow.train import (
    AdversarialTerm,
    Cadence,
    PerceptualTerm,
    Revival,
    Schedule,
    forget_state,
    fresh_tokenizer,
    initialise_codebook,
    train_tokenizer,
)

parser = stage_parser(__doc__, study=True, device=True, training=True)
parser.add_argument("--tokenizer", required=True, help="its name in the study")
parser.add_argument("--dataset", type=Path, required=True, help="folder of the dataset it is trained on")
parser.add_argument("--vgg16", type=Path, help=f"{VGG16_WEIGHTS}, for tokenizers with a perceptual term")
parser.add_argument("--weights-lock", type=Path, help="resources/weights.lock, which says what that file has to hold")
parser.add_argument("--output", type=Path, required=True, help="folder for weights, config, curve")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).tokenizers[args.tokenizer]
    info = read_dataset_info(args.dataset / "dataset.json")
    manifest = read_manifest(args.dataset / "manifest.parquet", ["id", "split"])
    images, ids = ImageStore(args.dataset / "images"), train_ids(manifest)

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
        locked = read_lock(args.weights_lock)[VGG16_WEIGHTS]
        perceptual = PerceptualTerm(Lpips(verified(args.vgg16, locked)).to(device), spec.perceptual.weight)
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
    with distributed.joined(device):
        trained = train_tokenizer(
            model,
            read,
            len(ids),
            schedule,
            commitment=spec.commitment,
            perceptual=perceptual,
            adversarial=adversarial,
            revival=revival,
            state_path=args.state,
            identity=spec_hash([spec.identity(), inputs]),
            device=device,
            cadence=Cadence(args.save_seconds, args.save_steps),
            deadline=args.deadline,
            name=f"tokenizer {args.tokenizer}",
        )
    if distributed.rank() > 0:
        return
    write_weights(args.output / "weights.safetensors", trained.ema)
    write_parquet(args.output / "curve.parquet", trained.curve)
    config = {
        "architecture": architecture,
        "spec": spec.identity(),
        "inputs": inputs,
        "weights_hash": file_hash(args.output / "weights.safetensors"),
        "provenance": provenance(),
    }
    write_json(args.output / "config.json", config)
    forget_state(args.state)


if __name__ == "__main__":
    run_stage(main)
