"""Training images a second and MFU of velocity models, against the plain loop: eager, fp32, synchronised every step.

Both train the same model on the same latents of 4x32x32 with AdamW and an EMA, on whatever device is there. Ours runs
in bf16 with compiled blocks on a GPU; on a CPU in three ways, since it differs which is fastest.
"""

import argparse
import copy
import statistics
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from common import save
from torch import nn

from steadyflow.ground.command_line import choose_device
from steadyflow.models import build_velocity, compile_blocks, forward_flops
from steadyflow.train import Cadence, Execution, Samples, Schedule, flow_matching, train
from steadyflow.train.clock import peak_flops

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--models", nargs="+", default=["DiT-S/2", "DiT-B/2", "DiT-XL/2"])
parser.add_argument("--batch-sizes", nargs="+", type=int, default=[32, 64, 128, 256])
parser.add_argument("--points", type=int, default=6, help="timed stretches of steps; the median is reported")
parser.add_argument("--steps", type=int, default=20, help="of a stretch")
parser.add_argument("--device", default="auto")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for training.json")

SHAPE, SAMPLES, LEARNING_RATE, DECAY = (4, 32, 32), 1024, 1e-4, 0.9999
WARM_UP = 2  # stretches


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    kinds = [("bf16", True)] if device.type == "cuda" else [("fp32", False), ("fp32", True), ("bf16", True)]
    latents = torch.randn(SAMPLES, *SHAPE, generator=torch.Generator().manual_seed(0))
    rows: list[dict[str, Any]] = []
    print("model      batch  plain images/s  ours                 images/s  ratio   MFU")
    for name in args.models:
        for size in args.batch_sizes:
            peer = statistics.median(plain(name, latents, size, args, device)[WARM_UP:])
            for precision, compiled in kinds:
                rate = statistics.median(ours(name, latents, size, precision, compiled, args, device)[WARM_UP:])
                mfu = rate * 3 * flops(name) / peak_flops(device, precision)
                kind = f"{precision}, {'compiled' if compiled else 'eager'}"
                print(
                    f"{name:9} {size:6} {peer:15,.1f}  {kind:18} {rate:10,.1f} {rate / peer:6.2f} {mfu:5.0%}",
                    flush=True,
                )
                rows.append({"model": name, "batch_size": size, "plain": peer, "ours": rate, "kind": kind, "mfu": mfu})
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else ""
    save(args.output / "training.json", {"rows": rows, "gpu": gpu, "threads": args.threads})


def flops(name: str) -> int:
    with torch.device("meta"):
        model = build_velocity(name, SHAPE[0], SHAPE[1])
    return forward_flops(model, SHAPE[0], SHAPE[1])


def plain(name: str, latents: torch.Tensor, size: int, args: argparse.Namespace, device: torch.device) -> list[float]:
    """Images a second of each stretch, by the loop that anybody would write."""
    model = build_velocity(name, SHAPE[0], SHAPE[1]).to(device)
    ema = copy.deepcopy(model).requires_grad_(False)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], LEARNING_RATE, weight_decay=0)
    rates = []
    for _ in range(WARM_UP + args.points):
        start = time.perf_counter()
        for _ in range(args.steps):
            x1 = latents[torch.randint(SAMPLES, (size,))].to(device)
            x0, t = torch.randn_like(x1), torch.rand(size, device=device)
            s = t[:, None, None, None]
            loss = F.mse_loss(model((1 - s) * x0 + s * x1, t), x1 - x0)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            average(ema, model)
            loss.item()
        rates.append(args.steps * size / (time.perf_counter() - start))
    return rates


@torch.no_grad()
def average(ema: nn.Module, model: nn.Module) -> None:
    for old, new in zip(ema.parameters(), model.parameters(), strict=True):
        old.mul_(DECAY).add_(new, alpha=1 - DECAY)


def ours(
    name: str,
    latents: torch.Tensor,
    size: int,
    precision: Any,
    compiled: bool,
    args: argparse.Namespace,
    device: torch.device,
) -> list[float]:
    """Images a second of each stretch between two points of the engine's curve."""
    torch.manual_seed(0)
    model = build_velocity(name, SHAPE[0], SHAPE[1])
    if compiled:
        compile_blocks(model)
    stamps: list[float] = []
    objective, stretch = flow_matching(Samples(SAMPLES, SHAPE, lambda rows: latents[rows]), 0), args.steps

    def watched(model: nn.Module, batch: Any) -> Any:
        # What has been asked of the device before this step is waited for: a stretch ends when its work does.
        if batch.step % stretch == 0:
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            stamps.append(time.perf_counter())
        return objective(model, batch)

    steps = (WARM_UP + args.points) * stretch + 1
    with tempfile.TemporaryDirectory() as folder:
        train(
            model,
            watched,
            lambda rows: latents[rows],
            SAMPLES,
            Schedule(steps, size, LEARNING_RATE, DECAY, 0, precision=precision),
            Execution(Path(folder, "state.pt"), "benchmark", device, Cadence(float("inf"))),
        )
    return [stretch * size / (end - start) for start, end in pairwise(stamps)]


main()
