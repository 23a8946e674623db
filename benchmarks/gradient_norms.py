"""Gradient norms of single samples a second, and the memory they take: ours, the plain loop, and vmap.

Ours is one batched pass, the loop one backward pass a sample, and vmap holds the whole gradients of 16 samples at a
time. Each runs in a process of its own, whose peak of anonymous memory (on a GPU, of allocated memory) stands in
brackets. On a GPU, also the minutes that 28,000 samples at 8 times and 2 noises would take.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import peak_memory, rate, save
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.attention import SDPBackend, sdpa_kernel

from steadyflow.ground.artifacts import read_json, write_json
from steadyflow.ground.command_line import choose_device
from steadyflow.models import build_velocity
from steadyflow.prune import gradient_norms, sample_losses

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--cases", nargs="+", default=["DiT-T/2@8", "DiT-T/2@32", "DiT-S/2@32"], help="MODEL@SIDE")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--rows", type=int, default=16, help="samples of the loop and of vmap in each repeat")
parser.add_argument("--repeats", type=int, default=3, help="after one that is thrown away; the median is reported")
parser.add_argument("--seconds", type=float, default=15, help="after which there is no further repeat")
parser.add_argument("--device", default="auto")
parser.add_argument("--threads", type=int, default=1)
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for gradient_norms.json")
parser.add_argument("--alone", nargs=2, metavar=("WAY", "CASE"), help="one measurement, written into --output")

PROJECTED = 28_000 * 8 * 2
Norms = Callable[[nn.Module, Tensor, Tensor, Tensor], Tensor]


def main() -> None:
    args = parser.parse_args()
    if args.alone:
        write_json(args.output / "alone.json", measure(args, *args.alone))
        return
    results: list[dict[str, Any]] = []
    print(f"{'':12} {'ours':>20} {'loop':>20} {'vmap':>20}   ours/loop  ours/vmap   norms a second (GB at peak)")
    for case in args.cases:
        found = {way: in_a_process(way, case) for way in WAYS}
        cells = [f"{x['rate']:12,.1f} ({x['peak_bytes'] / 1e9:5.2f})" for x in found.values()]
        ours, loop, vmapped = (x["rate"] for x in found.values())
        print(f"{case:12} {' '.join(cells)}   {ours / loop:9.1f} {ours / vmapped:10.1f}", flush=True)
        if found["ours"]["gpu"]:
            print(f"{'':12} {PROJECTED:,} norms by ours: {PROJECTED / ours / 60:.1f} minutes")
        results.append({"case": case, **found})
    flags = {key: value for key, value in vars(args).items() if key not in ("output", "alone")}
    save(args.output / "gradient_norms.json", {"results": results, "flags": flags})


def in_a_process(way: str, case: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, *sys.argv, "--alone", way, case, "--output", folder]
        with subprocess.Popen(command) as process:
            anonymous, _ = peak_memory(process)
        if process.returncode:
            sys.exit(f"{way} of {case} failed")
        # On a GPU the process knows better.
        return {"peak_bytes": anonymous} | read_json(Path(folder, "alone.json"))


def measure(args: argparse.Namespace, way: str, case: str) -> dict[str, Any]:
    device = choose_device(args.device, args.threads)
    name, _, side = case.partition("@")
    torch.manual_seed(0)
    model = build_velocity(name, 4, int(side)).to(device).eval()
    for parameter in model.parameters():
        if parameter.requires_grad:
            nn.init.normal_(parameter, std=0.05)
    rows = args.batch_size if way == "ours" else args.rows
    x1, x0 = torch.randn(2, rows, 4, int(side), int(side)).to(device)
    rates = repeated(lambda: WAYS[way](model, x1, x0, torch.rand(rows, device=device)), rows, args)
    on_gpu = device.type == "cuda"
    peak = {"peak_bytes": torch.cuda.max_memory_allocated(device)} if on_gpu else {}
    return {"rate": statistics.median(rates), "gpu": torch.cuda.get_device_name(device) if on_gpu else "", **peak}


def repeated(work: Callable[[], Tensor], rows: int, args: argparse.Namespace) -> list[float]:
    """Rows a second of each repeat, after one that is thrown away.

    Of one thread's processor time, on which other work has no influence, or else by the clock on the wall.
    """
    clock = time.perf_counter if work().is_cuda or args.threads > 1 else time.process_time
    rates: list[float] = []
    began = clock()
    while len(rates) < args.repeats and (not rates or clock() - began < args.seconds):
        # Reading a number waits for a GPU.
        rates.append(rate(lambda: (work().sum().item(), rows)[1], clock=clock))
    return rates


def loop(model: nn.Module, x1: Tensor, x0: Tensor, t: Tensor) -> Tensor:
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    norms = []
    for row in zip(x1.split(1), x0.split(1), t.split(1), strict=True):
        gradients = torch.autograd.grad(sample_losses(model, *row).sum(), trainable)
        norms.append(torch.stack([gradient.square().sum() for gradient in gradients]).sum())
    return torch.stack(norms)


def vmapped(model: nn.Module, x1: Tensor, x0: Tensor, t: Tensor) -> Tensor:
    trainable = {name: parameter.detach() for name, parameter in model.named_parameters() if parameter.requires_grad}

    def squared_norm(x1: Tensor, x0: Tensor, t: Tensor) -> Tensor:
        def loss(parameters: dict[str, Tensor]) -> Tensor:
            return sample_losses(
                lambda x, t, y: functional_call(model, parameters, (x, t)), x1[None], x0[None], t[None]
            )[0]

        return torch.stack([gradient.square().sum() for gradient in grad(loss)(trainable).values()]).sum()

    # vmap has no batching rule for the CPU's fused attention and would loop over it.
    with sdpa_kernel(SDPBackend.MATH):
        return vmap(squared_norm, chunk_size=16)(x1, x0, t)


WAYS: dict[str, Norms] = {"ours": gradient_norms, "loop": loop, "vmap": vmapped}

main()
