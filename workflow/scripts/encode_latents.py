"""Stage: every image of a dataset through a tokenizer, once. Under torchrun on several devices."""

import numpy as np
import torch

from steadyflow.data.images import ImageStore, read_dataset_info, read_manifest
from steadyflow.data.latents import latent_scale
from steadyflow.data.rows import compute_rows
from steadyflow.ground import distributed
from steadyflow.ground.artifacts import read_array, read_json, write_json
from steadyflow.ground.resumable import delete_table, publish_table
from steadyflow.models import VQVAE, load_trained, to_model_range
from steadyflow.plan.script import StageRun, run_stage, stage_parser

parser = stage_parser("encode_latents", __doc__)
parser.add_argument("--batch-size", type=int, default=64)


@torch.no_grad()
def main(job: StageRun) -> None:
    device = job.device()
    config = read_json(job.inputs["config"])
    model = load_trained(VQVAE, config["architecture"], job.inputs["weights"]).to(device)
    split = read_manifest(job.inputs["manifest"], ["split"])["split"].to_numpy()
    info, images = read_dataset_info(job.inputs["info"]), ImageStore(job.inputs["images"])
    side = info.resolution // model.downsampling
    shape = (len(split), config["architecture"]["latent_channels"], side, side)

    def encode(ids: np.ndarray) -> np.ndarray:
        return model.encode(to_model_range(torch.from_numpy(images.read(ids)).to(device))).cpu().numpy()

    made_of = {"dataset_hash": info.content_hash, "tokenizer_hash": config["weights_hash"]}
    compute_rows(
        encode,
        np.flatnonzero(split != "skipped"),
        job.state,
        shape,
        np.float16,
        inputs=made_of,
        batch_size=job.flags.batch_size,
        device=device,
        name="encode",
        seconds=job.flags.save_seconds,
    )
    if distributed.rank() > 0:
        return
    scale = latent_scale(read_array(job.state), np.flatnonzero(split == "train"))
    write_json(job.outputs["scale"], {"scale": scale, "shape": shape, **made_of})
    publish_table(job.state, job.outputs["latents"])


if __name__ == "__main__":
    run_stage(parser, main, forget=delete_table)
