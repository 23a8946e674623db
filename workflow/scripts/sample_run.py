"""Stage: the shared noise through one trained run, decoded to images. Under torchrun on several devices."""

import numpy as np
import torch

from steadyflow.data.rows import shared_array
from steadyflow.fields import load_field
from steadyflow.flow import GUIDED_CHANNELS, SAMPLERS, Noises, channel_matrix, latent_shape, sample
from steadyflow.ground import distributed
from steadyflow.ground.artifacts import provenance, read_json, write_json
from steadyflow.ground.constants import describe_labels
from steadyflow.models import VQVAE, load_trained, to_uint8
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.study.specs.runs import read_objective

parser = stage_parser("sample_run", __doc__)
parser.add_argument("--batch-size", type=int, default=128)


def main(job: StageRun) -> None:
    device = job.device()
    spec = job.study.samplings[job.names["sampling"]]
    run, config = read_json(job.inputs["description"]), read_json(job.inputs["tokenizer_config"])
    architecture, transform = run["architecture"], run["spec"]["latent_transform"]
    objective, scale = read_objective(run["spec"]["objective"]), read_json(job.inputs["scale"])["scale"]
    model = load_field(architecture, job.inputs["weights"]).to(device)
    tokenizer = load_trained(VQVAE, config["architecture"], job.inputs["tokenizer_weights"]).to(device)

    def decode(x1: torch.Tensor) -> torch.Tensor:
        return to_uint8(tokenizer.decode(x1 / scale))

    shape = latent_shape(architecture)
    side = shape[1] * tokenizer.downsampling
    pixels = (side, side, config["architecture"]["image_channels"])
    with (
        distributed.process_group(device),
        shared_array(job.outputs["latents"], (spec.count, *shape), np.float32) as latents,
        shared_array(job.outputs["images"], (spec.count, *pixels), np.uint8) as images,
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
            batch_size=job.flags.batch_size,
            device=device,
        )
    if distributed.rank() > 0:
        return
    description = {
        "spec": objective.sampling_identity(spec),
        "evaluations_per_image": cost.evaluations,
        "ms_per_image": {"denoise": cost.denoise_ms, "decode": cost.decode_ms},
        "batch_size": job.flags.batch_size,
        "labels": describe_labels(architecture["num_classes"]),
        "latents": f"scaled: divide by scale before decoding; the run's transform ({transform}) is undone",
        "scale": scale,
        "weights_hash": run["weights_hash"],
        "tokenizer_hash": config["weights_hash"],
        "provenance": provenance(),
    }
    write_json(job.outputs["description"], description)


if __name__ == "__main__":
    run_stage(parser, main)
