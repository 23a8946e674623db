"""Stage: the trajectories of the shared noise under one trained run, at times between noise and data."""

from pathlib import Path

from steadyflow.artifacts import UserError, atomic_array, provenance, read_json, write_json
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.flow import GUIDED_CHANNELS, Noises, channel_matrix, latent_shape, solver_tracer, trace_trajectories
from steadyflow.models import build_velocity, load_trained
from steadyflow.names import describe_labels
from steadyflow.study import load_study
from steadyflow.study.specs.runs import read_objective

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--sampling", required=True, help="its name in the study")
parser.add_argument("--run", type=Path, required=True, help="folder of the run")
parser.add_argument("--count", type=int, required=True, help="noises: the first so many of the sampling")
parser.add_argument("--batch-size", type=int, default=128)
parser.add_argument("--output", type=Path, required=True, help=".npy; a .json with the times goes beside it")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec, run = load_study(args.study).samplings[args.sampling], read_json(args.run / "run.json")
    architecture, transform = run["architecture"], run["spec"]["latent_transform"]
    objective = read_objective(run["spec"]["objective"])
    if not objective.predicts_velocity:
        raise UserError(
            f"{args.run}: the network of a run with objective {objective.kind} is no velocity, so it has no "
            "trajectories to compare"
        )
    if args.count < 1:
        raise UserError(f"--count {args.count}: no noise to follow; `paths` of an evaluation of this run says how many")
    tracer, shape = solver_tracer(**objective.sampler_settings(spec)), latent_shape(architecture)
    with atomic_array(args.output, (len(tracer.times), args.count, *shape), "float32") as points:
        trace_trajectories(
            load_trained(build_velocity, architecture, args.run / "weights.safetensors").to(device),
            architecture,
            tracer,
            Noises(spec.seed, spec.guidance, GUIDED_CHANNELS[spec.guidance_channels]),
            undo=channel_matrix(transform, shape[0]).inverse(),
            points=points,
            batch_size=args.batch_size,
            device=device,
        )
    description = {
        "spec": {**objective.sampling_identity(spec), "count": args.count},
        "times": tracer.times,
        "labels": describe_labels(architecture["num_classes"]),
        "latents": f"scaled; the run's transform ({transform}) is undone at every time, at t=0 too",
        "weights_hash": run["weights_hash"],
        "provenance": provenance(),
    }
    write_json(args.output.with_suffix(".json"), description)


if __name__ == "__main__":
    run_stage(main)
