"""Stage: the trajectories of the shared noise under one trained run, at times between noise and data."""

from steadyflow.fields import load_field
from steadyflow.flow import GUIDED_CHANNELS, Noises, channel_matrix, latent_shape, solver_tracer, trace_trajectories
from steadyflow.ground.artifacts import UserError, atomic_array, provenance, read_json, write_json
from steadyflow.ground.constants import describe_labels
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.study.specs.runs import read_objective

parser = stage_parser("trace_paths", __doc__)
parser.add_argument("--batch-size", type=int, default=128)


def main(job: StageRun) -> None:
    device = job.device()
    name, sampling = job.names["run"], job.names["sampling"]
    spec, run = job.study.samplings[sampling], read_json(job.inputs["description"])
    count = job.study.traced_noises(name, sampling)
    architecture, transform = run["architecture"], run["spec"]["latent_transform"]
    objective = read_objective(run["spec"]["objective"])
    if not objective.predicts_velocity:
        raise UserError(
            f"runs.{name}: the network of a run with objective {objective.kind} is no velocity, so it has no "
            "trajectories to compare"
        )
    if count < 1:
        raise UserError(f"runs.{name}: no noise to follow; `paths` of an evaluation of this run says how many")
    tracer, shape = solver_tracer(**objective.sampler_settings(spec)), latent_shape(architecture)
    with atomic_array(job.outputs["paths"], (len(tracer.times), count, *shape), "float32") as points:
        trace_trajectories(
            load_field(architecture, job.inputs["weights"]).to(device),
            architecture,
            tracer,
            Noises(spec.seed, spec.guidance, GUIDED_CHANNELS[spec.guidance_channels]),
            undo=channel_matrix(transform, shape[0]).inverse(),
            points=points,
            batch_size=job.flags.batch_size,
            device=device,
        )
    description = {
        "spec": {**objective.sampling_identity(spec), "count": count},
        "times": tracer.times,
        "labels": describe_labels(architecture["num_classes"]),
        "latents": f"scaled; the run's transform ({transform}) is undone at every time, at t=0 too",
        "weights_hash": run["weights_hash"],
        "provenance": provenance(),
    }
    write_json(job.outputs["description"], description)


if __name__ == "__main__":
    run_stage(parser, main)
