"""Stage: trains a tokenizer and measures its reconstructions of the validation split."""

from pathlib import Path

import numpy as np
import torch

from steadyflow.artifacts import file_hash, provenance, spec_hash, write_array, write_json, write_parquet, write_weights
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest
from steadyflow.models import VQVAE, to_model_range, to_uint8
from steadyflow.progress import progress
from steadyflow.study import load_study
from steadyflow.train import Schedule, reconstruction, train

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--tokenizer", required=True, help="its name in the study")
parser.add_argument("--dataset", type=Path, required=True, help="folder of the dataset it is trained on")
parser.add_argument("--state", type=Path, required=True, help="resumable state, kept until the results are written")
parser.add_argument("--output", type=Path, required=True, help="folder for weights, config, curve, reconstructions")

SHOWN = 16
BATCH = 64


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).tokenizers[args.tokenizer]
    info, manifest = read_dataset_info(args.dataset / "dataset.json"), read_manifest(args.dataset / "manifest.parquet")
    images = ImageStore(args.dataset / "images")
    ids = {split: manifest.loc[manifest["split"] == split, "id"].to_numpy() for split in ("train", "val")}

    architecture = {
        "image_channels": info.channels,
        "width": spec.width,
        "multipliers": list(spec.multipliers),
        "blocks": spec.blocks,
        "codebook_size": spec.codebook_size,
        "latent_channels": spec.latent_channels,
    }
    torch.manual_seed(spec.seed)
    model = VQVAE(**architecture)
    if spec.codebook_init == "data":
        first = to_model_range(torch.from_numpy(images.read(ids["train"][:BATCH])))
        model.codebook.initialise_from(model.encoder(first), spec.seed)
    schedule = Schedule(
        spec.steps, spec.batch_size, spec.learning_rate, spec.ema_decay, spec.seed, clip_norm=spec.clip_norm
    )
    trained = train(
        model,
        reconstruction(
            lambda rows: to_model_range(torch.from_numpy(images.read(ids["train"][rows.cpu().numpy()])).to(device)),
            spec.commitment,
        ),
        len(ids["train"]),
        schedule,
        state_path=args.state,
        identity=spec_hash([spec.identity(), info.content_hash]),
        device=device,
        name=f"tokenizer {args.tokenizer}",
    )
    model.load_state_dict(trained.ema)
    quality, pairs = reconstruct(model.eval(), images, ids["val"], device)
    write_weights(args.output / "weights.safetensors", trained.ema)
    write_parquet(args.output / "curve.parquet", trained.curve)
    write_array(args.output / "reconstructions.npy", pairs)
    config = {
        "architecture": architecture,
        "spec": spec.identity(),
        "dataset_hash": info.content_hash,
        "weights_hash": file_hash(args.output / "weights.safetensors"),
        "quality": quality,
        "provenance": provenance(),
    }
    write_json(args.output / "config.json", config)
    args.state.unlink(missing_ok=True)


@torch.no_grad()
def reconstruct(model: VQVAE, images: ImageStore, ids: np.ndarray, device: torch.device) -> tuple[dict, np.ndarray]:
    """PSNR (dB, mean over images, on uint8 after rounding) and codebook usage; the first originals and their copies."""
    counts = torch.zeros(model.codebook.embedding.num_embeddings, dtype=torch.int64)
    psnr, pairs = [], []
    for start in progress(range(0, len(ids), BATCH), "reconstructions"):
        original = torch.from_numpy(images.read(ids[start : start + BATCH]))
        quantised = model.codebook(model.encoder(to_model_range(original.to(device))))
        copy = to_uint8(model.decode(quantised.latents)).cpu()
        error = (copy.double() - original.double()).square().mean(dim=(1, 2, 3)).clamp(min=1e-10)
        psnr.append(10 * torch.log10(255**2 / error))
        counts += torch.bincount(quantised.codes.flatten().cpu(), minlength=len(counts))
        pairs.append(torch.stack([original, copy]))
    share = counts.double() / counts.sum()
    values = torch.cat(psnr)
    quality = {
        "split": "val",
        "n": len(values),
        "psnr_db": values.mean().item(),
        "psnr_db_sd": values.std().item(),
        "codes_used": int((counts > 0).sum()),
        "codebook_size": len(counts),
        "code_perplexity": float(torch.special.entr(share).sum().exp()),
    }
    return quality, torch.cat(pairs, dim=1)[:, :SHOWN].numpy()


run_stage(main)
