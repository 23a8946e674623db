"""Stage: the paths of the shared noise through one trained run, at times between noise and data."""

from pathlib import Path

import torch
from torch import Tensor

from steadyflow.artifacts import UserError, atomic_array, provenance, read_json, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.flow import (
    GUIDED_CHANNELS,
    SOLVERS,
    CountedVelocity,
    Start,
    begin_samples,
    channel_matrix,
    labels_said,
    nearest_points,
    time_shift,
    trace,
    trace_dopri5,
    transform_channels,
    uniform_grid,
)
from steadyflow.models import build_velocity, load_trained
from steadyflow.progress import progress
from steadyflow.study import load_study
from steadyflow.study.specs import Sampling

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--sampling", required=True, help="its name in the study")
parser.add_argument("--run", type=Path, required=True, help="folder of the run")
parser.add_argument("--count", type=int, required=True, help="noises: the first so many of the sampling")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--output", type=Path, required=True, help=".npy; a .json with the times goes beside it")

POINTS = 33
"""At most: an integral over t by trapezoids needs no more, and a path takes as many latents of room."""


@torch.no_grad()
def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec, run = load_study(args.study).samplings[args.sampling], read_json(args.run / "run.json")
    architecture, objective, transform = run["architecture"], run["spec"]["objective"], run["spec"]["latent_transform"]
    if objective["kind"] == "diffusion":
        raise UserError(f"{args.run}: a diffusion run counts another time, and has no path to compare")
    if args.count < 1:
        raise UserError(f"--count {args.count}: no noise to follow; `paths` of an evaluation of this run says how many")
    velocity = CountedVelocity(load_trained(build_velocity, architecture, args.run / "weights.safetensors").to(device))
    undo = channel_matrix(transform, architecture["latent_channels"]).inverse()
    guidance = {"guidance": spec.guidance, "channels": GUIDED_CHANNELS[spec.guidance_channels]}
    uniform = uniform_grid(POINTS - 1)
    # An adaptive solver has no grid of its own.
    grid = uniform if spec.solver == "dopri5" else time_shift(uniform_grid(spec.steps), spec.time_shift)
    kept = nearest_points(grid, len(uniform))
    shape = (architecture["latent_channels"], architecture["latent_size"], architecture["latent_size"])
    with atomic_array(args.output, (len(kept), args.count, *shape), "float32") as points:
        for batch in progress(torch.arange(args.count).split(args.batch_size), "trace"):
            begin = begin_samples(velocity, architecture, batch, seed=spec.seed, **guidance, device=device)
            for place, x in enumerate(follow(spec, begin, grid, kept)):
                points[place, batch] = transform_channels(undo, x).cpu()
    description = {
        "spec": {**spec.identity_for(objective["kind"]), "count": args.count},
        "times": grid[kept].tolist(),
        "labels": labels_said(architecture),
        "latents": f"scaled; the run's transform ({transform}) is undone at every time, at t=0 too",
        "weights_hash": run["weights_hash"],
        "provenance": provenance(),
    }
    write_json(args.output.with_suffix(".json"), description)


def follow(spec: Sampling, begin: Start, grid: Tensor, kept: list[int]) -> Tensor:
    """x_t [len(kept), B, C, h, w] at the times grid[kept]."""
    if spec.solver == "dopri5":
        return trace_dopri5(begin.predict, begin.x0, grid[kept], rtol=spec.rtol, atol=spec.atol)
    return trace(SOLVERS[spec.solver], begin.predict, begin.x0, grid, kept)


run_stage(main)
