"""Stage: the flow-matching loss of a run's velocity field on held-out images."""

from steadyflow.evaluate.held_out_loss import held_out_losses, loss_metrics
from steadyflow.evaluate.metrics import metrics_table
from steadyflow.fields import load_field
from steadyflow.ground.artifacts import read_json, write_parquet
from steadyflow.ground.constants import HELD_OUT_IMAGES, LOSS_BINS
from steadyflow.plan.script import StageRun, run_stage, stage_parser
from steadyflow.train import open_velocity_data

parser = stage_parser("measure_loss", __doc__)


def main(job: StageRun) -> None:
    device, run = job.device(), read_json(job.inputs["description"])
    data = open_velocity_data(
        job.inputs["manifest"].parent,
        job.inputs["latents"],
        None,
        transform=run["spec"]["latent_transform"],
        conditional=run["spec"]["conditional"],
        device=device,
        validation_samples=HELD_OUT_IMAGES,
    )
    field = load_field(run["architecture"], job.inputs["weights"])
    losses = held_out_losses(field, data.validation, bins=LOSS_BINS, device=device)
    fields = {"dataset": job.names["dataset"], "run": job.names["run"], "seed": 0, "hashes": run["weights_hash"]}
    write_parquet(job.outputs["metrics"], metrics_table(loss_metrics(losses, fields)))


if __name__ == "__main__":
    run_stage(parser, main)
