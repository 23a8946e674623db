"""Stage: the shared noise through one trained run, decoded to images. Under torchrun on several devices."""

from pathlib import Path

import numpy as np
import torch

from steadyflow import distributed
from steadyflow.artifacts import provenance, read_json, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.rows import shared_array
from steadyflow.flow import GUIDED_CHANNELS, SAMPLERS, Noises, channel_matrix, latent_shape, sample
from steadyflow.models import VQVAE, build_velocity, load_trained, to_uint8
from steadyflow.names import describe_labels
from steadyflow.study import load_study
from steadyflow.study.specs.runs import read_objective

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--sampling", required=True, help="its name in the study")
parser.add_argument("--run", type=Path, required=True, help="folder of the run")
parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
parser.add_argument("--latents", type=Path, required=True, help=".json of the latents the run was trained on (scale)")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--output", type=Path, required=True, help="folder for images.npy, latents.npy and sampling.json")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).samplings[args.sampling]
    run, config = read_json(args.run / "run.json"), read_json(args.tokenizer / "config.json")
    architecture, transform = run["architecture"], run["spec"]["latent_transform"]
    objective, scale = read_objective(run["spec"]["objective"]), read_json(args.latents)["scale"]
    model = load_trained(build_velocity, architecture, args.run / "weights.safetensors").to(device)
    tokenizer = load_trained(VQVAE, config["architecture"], args.tokenizer / "weights.safetensors").to(device)

    def decode(x1: torch.Tensor) -> torch.Tensor:
        return to_uint8(tokenizer.decode(x1 / scale))

    shape = latent_shape(architecture)
    side = shape[1] * tokenizer.downsampling
    pixels = (side, side, config["architecture"]["image_channels"])
    with (
        distributed.joined(device),
        shared_array(args.output / "latents.npy", (spec.count, *shape), np.float32) as latents,
        shared_array(args.output / "images.npy", (spec.count, *pixels), np.uint8) as images,
    ):
        cost = sample(
            model,
            architecture,
            SAMPLERS[objective.sampler](**objective.sampler_settings(spec)),
            Noises(spec.seed, spec.guidance, GUIDED_CHANNELS[spec.guidance_channels]),
            decode,
            undo=channel_matrix(transform, shape[0]).inverse(),
            latents=latents,
            images=images,
            batch_size=args.batch_size,
            device=device,
        )
    if distributed.rank() > 0:
        return
    description = {
        "spec": objective.sampling_identity(spec),
        "evaluations_per_image": cost.evaluations,
        "ms_per_image": {"denoise": cost.denoise_ms, "decode": cost.decode_ms},
        "batch_size": args.batch_size,
        "labels": describe_labels(architecture["num_classes"]),
        "latents": f"scaled: divide by scale before decoding; the run's transform ({transform}) is undone",
        "scale": scale,
        "weights_hash": run["weights_hash"],
        "tokenizer_hash": config["weights_hash"],
        "provenance": provenance(),
    }
    write_json(args.output / "sampling.json", description)


if __name__ == "__main__":
    run_stage(main)
