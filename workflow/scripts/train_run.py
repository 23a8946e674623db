"""Stage: trains one velocity model on one subset, or reads its weights from a file of the user.

Under torchrun on several devices, with the same curve.
"""

from pathlib import Path

import torch

from steadyflow import distributed
from steadyflow.artifacts import UserError, file_hash, provenance, spec_hash, write_json, write_parquet, write_weights
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.models import build_velocity
from steadyflow.study import load_study
from steadyflow.train import (
    Cadence,
    Schedule,
    forget_state,
    open_velocity_data,
    pretrained_velocity,
    train_velocity,
    velocity_architecture,
    velocity_objective,
)

parser = stage_parser(__doc__, study=True, device=True, training=True)
parser.add_argument("--run", required=True, help="its name in the study")
parser.add_argument("--dataset", type=Path, required=True, help="folder of the dataset")
parser.add_argument("--latents", type=Path, required=True)
parser.add_argument("--subset", type=Path, help=".parquet of kept ids; all training images when left out")
parser.add_argument("--weights", type=Path, help="file to read the weights from; trained when left out")
parser.add_argument("--micro-batch-size", type=int, help="samples at a time, where a whole batch needs too much memory")
parser.add_argument("--compile", choices=["auto", "on", "off"], default="auto", help="auto: on GPUs")
parser.add_argument("--output", type=Path, required=True, help="folder for weights, run.json and curve")


def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    spec = load_study(args.study).runs[args.run]
    objective = spec.objective
    if args.micro_batch_size and objective.needs_whole_batches:
        raise UserError(f"--micro-batch-size: runs.{args.run}.objective takes whole batches; leave the flag out")
    data = open_velocity_data(
        args.dataset,
        args.latents,
        args.subset,
        transform=spec.latent_transform,
        conditional=spec.conditional,
        device=device,
        place=f"runs.{args.run}",
    )
    architecture = velocity_architecture(spec.model, data.samples)
    torch.manual_seed(spec.seed)
    model = build_velocity(**architecture)
    with distributed.joined(device):
        if args.weights is None:
            trained, pretrained = (
                train_velocity(
                    model,
                    velocity_objective(
                        objective.kind,
                        data.samples,
                        spec.seed,
                        label_dropout=spec.label_dropout,
                        **objective.settings(),
                    ),
                    data.samples,
                    Schedule(
                        spec.steps,
                        spec.batch_size,
                        spec.learning_rate,
                        spec.ema_decay,
                        spec.seed,
                        precision=spec.precision,
                    ),
                    validation=data.validation if objective.predicts_velocity else None,
                    compiled=args.compile == "on" or (args.compile == "auto" and device.type == "cuda"),
                    micro_batch=args.micro_batch_size,
                    state_path=args.state,
                    identity=spec_hash([spec.identity(), data.hashes]),
                    device=device,
                    cadence=Cadence(args.save_seconds, args.save_steps),
                    deadline=args.deadline,
                    name=f"run {args.run}",
                ),
                None,
            )
        else:
            trained, pretrained = pretrained_velocity(model, args.weights)
    if distributed.rank() > 0:
        return
    write_weights(args.output / "weights.safetensors", trained.ema)
    write_parquet(args.output / "curve.parquet", trained.curve)
    description = {
        "architecture": architecture,
        "parameters": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad),
        "n_train": data.images,
        "spec": spec.identity(),
        "inputs": data.hashes,
        "pretrained": pretrained,
        "weights_hash": file_hash(args.output / "weights.safetensors"),
        "provenance": provenance(),
    }
    write_json(args.output / "run.json", description)
    forget_state(args.state)


if __name__ == "__main__":
    run_stage(main)
