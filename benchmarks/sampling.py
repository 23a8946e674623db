"""Milliseconds per sampled image, denoising and decoding apart, after warm-up: 60 Euler steps at 256x256 (4x32x32)."""

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch
from common import save

from steadyflow.flow import CountedVelocity, euler, guide, uniform_grid
from steadyflow.ground.command_line import choose_device
from steadyflow.ground.noise import noise
from steadyflow.models import VQVAE, build_velocity, compile_blocks, to_uint8

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--model", default="DiT-XL/2")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--steps", type=int, default=60)
parser.add_argument("--repeats", type=int, default=5)
parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
parser.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True)
parser.add_argument("--device", default="auto")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for sampling.json")

TOKENIZER = {"width": 128, "multipliers": (1, 2, 4, 4), "blocks": 2, "codebook_size": 8192, "latent_channels": 4}


@torch.no_grad()
def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    model = build_velocity(args.model, 4, 32).to(device).eval()
    if args.compile:
        compile_blocks(model)
    tokenizer = VQVAE(image_channels=3, **TOKENIZER).to(device).eval()
    x0, grid = noise(0, range(args.batch_size), (4, 32, 32)).to(device), uniform_grid(args.steps)
    velocity = CountedVelocity(model)

    def denoise() -> torch.Tensor:
        return euler(guide(velocity, None, 1, 0), x0, grid)

    with torch.autocast(device.type, torch.bfloat16, enabled=args.precision == "bf16"):
        x1 = denoise().float()
        parts = {"denoise": denoise, "decode": lambda: to_uint8(tokenizer.decode(x1).float())}
        measured = {name: milliseconds(part, args.repeats, args.batch_size, device) for name, part in parts.items()}
    evaluations = velocity.evaluations // (args.repeats + 2)
    print(f"{args.model}, batch {args.batch_size}, {evaluations} evaluations, {args.precision}: ms per image")
    for name, each in measured.items():
        print(f"{name:8} {statistics.median(each):8.2f} ({min(each):.2f} to {max(each):.2f})")
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    flags = {key: value for key, value in vars(args).items() if key != "output"}
    save(args.output / "sampling.json", {"ms_per_image": measured, "gpu": gpu, "flags": flags})


def milliseconds(part: Callable[[], torch.Tensor], repeats: int, images: int, device: torch.device) -> list[float]:
    """Of each repeat after one that is thrown away."""
    taken = []
    for _ in range(repeats + 1):
        start = time.perf_counter()
        part()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        taken.append(1000 * (time.perf_counter() - start) / images)
    return taken[1:]


main()
