"""Stage: the shared noise through one trained run, decoded to images. Under torchrun on several devices."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from steadyflow import distributed
from steadyflow.artifacts import provenance, read_json, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.rows import shared_array
from steadyflow.flow import (
    GUIDED_CHANNELS,
    SIGNALS,
    SOLVERS,
    CountedVelocity,
    ancestral,
    begin_samples,
    channel_matrix,
    ddim,
    dopri5,
    labels_said,
    time_shift,
    transform_channels,
    uniform_grid,
)
from steadyflow.flow.solvers import Velocity
from steadyflow.models import VQVAE, build_velocity, load_trained, to_uint8
from steadyflow.progress import progress
from steadyflow.study import load_study
from steadyflow.study.specs import Sampling

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--sampling", required=True, help="its name in the study")
parser.add_argument("--run", type=Path, required=True, help="folder of the run")
parser.add_argument("--tokenizer", type=Path, required=True, help="folder of the tokenizer")
parser.add_argument("--latents", type=Path, required=True, help=".json of the latents the run was trained on (scale)")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--output", type=Path, required=True, help="folder for images.npy, latents.npy and sampling.json")


@torch.no_grad()
def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).samplings[args.sampling]
    run, config = read_json(args.run / "run.json"), read_json(args.tokenizer / "config.json")
    scale = read_json(args.latents)["scale"]
    model = load_trained(build_velocity, run["architecture"], args.run / "weights.safetensors").to(device)
    tokenizer = load_trained(VQVAE, config["architecture"], args.tokenizer / "weights.safetensors").to(device)

    objective, transform = run["spec"]["objective"], run["spec"]["latent_transform"]
    undo = channel_matrix(transform, run["architecture"]["latent_channels"]).inverse()
    denoise, velocity = denoiser(spec, objective), CountedVelocity(model)
    guidance = {"guidance": spec.guidance, "channels": GUIDED_CHANNELS[spec.guidance_channels]}
    seconds, evaluations = {"denoise": 0.0, "decode": 0.0}, 0
    side = run["architecture"]["latent_size"]
    shape = (run["architecture"]["latent_channels"], side, side)
    side *= 2 ** (len(config["architecture"]["multipliers"]) - 1)
    pixels = (side, side, config["architecture"]["image_channels"])
    # Whole batches, so that an image stands beside the same others however many processes there are.
    starts = distributed.part(torch.arange(0, spec.count, args.batch_size)).tolist()
    with (
        distributed.joined(device),
        shared_array(args.output / "latents.npy", (spec.count, *shape), np.float32) as latents,
        shared_array(args.output / "images.npy", (spec.count, *pixels), np.uint8) as images,
    ):
        for first in progress(starts, "sample"):
            indices = torch.arange(first, min(first + args.batch_size, spec.count))
            begin = begin_samples(velocity, run["architecture"], indices, seed=spec.seed, **guidance, device=device)
            began = clock(device)
            before = velocity.evaluations
            x1 = transform_channels(undo, denoise(begin.predict, begin.x0, indices))
            evaluations += (velocity.evaluations - before) * len(indices)
            denoised = clock(device)
            decoded = to_uint8(tokenizer.decode(x1 / scale)).cpu()
            seconds["denoise"] += denoised - began
            seconds["decode"] += clock(device) - denoised
            rows = slice(first, first + len(indices))
            latents[rows], images[rows] = x1.cpu().numpy(), decoded.numpy()
        # Of all processes: the time of one device for one image.
        evaluations = int(distributed.total(torch.tensor(evaluations, device=device)))
        seconds = {part: float(distributed.total(torch.tensor(took, device=device))) for part, took in seconds.items()}
    if distributed.rank() > 0:
        return
    description = {
        "spec": spec.identity_for(objective["kind"]),
        "evaluations_per_image": evaluations / spec.count,
        "ms_per_image": {part: 1000 * value / spec.count for part, value in seconds.items()},
        "batch_size": args.batch_size,
        "labels": labels_said(run["architecture"]),
        "latents": f"scaled: divide by scale before decoding; the run's transform ({transform}) is undone",
        "scale": scale,
        "weights_hash": run["weights_hash"],
        "tokenizer_hash": config["weights_hash"],
        "provenance": provenance(),
    }
    write_json(args.output / "sampling.json", description)


# (velocity or predicted noise, x0 [B,C,h,w], indices [B]) -> x1
Denoise = Callable[[Velocity, torch.Tensor, torch.Tensor], torch.Tensor]


def denoiser(spec: Sampling, objective: dict[str, Any]) -> Denoise:
    """How x0 becomes x1 under a run with this objective."""
    if objective["kind"] == "diffusion":
        signal = SIGNALS[objective["schedule"]](objective["timesteps"])
        if spec.diffusion.sampler == "ddim":
            return lambda predict, x0, _: ddim(predict, x0, signal, spec.diffusion.steps)
        return lambda predict, x0, indices: ancestral(predict, x0, signal, spec.diffusion.steps, spec.seed, indices)
    if spec.solver == "dopri5":
        return lambda velocity, x0, _: dopri5(velocity, x0, uniform_grid(1), rtol=spec.rtol, atol=spec.atol)
    grid = time_shift(uniform_grid(spec.steps), spec.time_shift)
    return lambda velocity, x0, _: SOLVERS[spec.solver](velocity, x0, grid)


def clock(device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


run_stage(main)
