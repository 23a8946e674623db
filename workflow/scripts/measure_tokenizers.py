"""Stage: how faithful and how sharp the evaluated tokenizers reconstruct the validation split."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from steadyflow.artifacts import file_hash, read_json, write_array, write_parquet
from steadyflow.cli import choose_device, run_stage, stage_parser
from steadyflow.data.images import ImageStore, read_manifest
from steadyflow.encoders import Encoder, load_encoder
from steadyflow.evaluate import (
    Estimate,
    feature_statistics,
    frechet_distance,
    frechet_with_interval,
    mean_with_interval,
)
from steadyflow.evaluate.estimate import GROUPS
from steadyflow.evaluate.metrics import Metric, interval, metrics_table
from steadyflow.evaluate.reconstruction import SSIM_SMALLEST, codebook_use, edge_energy, psnr, sharpness, ssim
from steadyflow.evaluate.rows import with_features
from steadyflow.fetch.lock import read_lock, verified
from steadyflow.models import VQVAE, load_trained, to_model_range, to_uint8
from steadyflow.names import SMALLEST_PERCEPTUAL, VGG16_WEIGHTS
from steadyflow.progress import progress
from steadyflow.study import load_study, paths

parser = stage_parser(__doc__, study=True, device=True)
parser.add_argument("--dataset", required=True, help="its name in the study; the evaluation is the one of that name")
parser.add_argument("--vgg16", type=Path, help=f"{VGG16_WEIGHTS}; LPIPS is measured with it alone")
parser.add_argument("--encoder-files", type=Path, nargs="+", required=True, help="all that the encoder is opened from")
parser.add_argument("--weights-lock", type=Path, required=True, help="resources/weights.lock")
parser.add_argument("--batch-size", type=int, default=32)
parser.add_argument("--output", type=Path, required=True, help="metrics .parquet")
parser.add_argument(
    "--reconstructions", type=Path, required=True, help="uint8 [1 + tokenizers, images, H, W, C] .npy, originals first"
)

SHOWN = 16

# (originals, copies) uint8 [B,H,W,C] -> [B]
Measure = Callable[[Tensor, Tensor], Tensor]


@dataclass(frozen=True)
class Images:
    """The validation images of `ids` [n], `batch_size` at a time on `device`; how many they are does not matter."""

    store: ImageStore
    ids: np.ndarray
    batch_size: int
    device: torch.device

    def batches(self, name: str) -> Iterator[tuple[slice, Tensor]]:
        """Their places in `ids`, and uint8 [B,H,W,C]."""
        for start in progress(range(0, len(self.ids), self.batch_size), name):
            ids = self.ids[start : start + self.batch_size]
            yield slice(start, start + len(ids)), torch.from_numpy(self.store.read(ids)).to(self.device)


@dataclass(frozen=True)
class Reconstructed:
    """Of one tokenizer: `values` measure -> [n], `counts` of codes [size], and the first copies, uint8 [B,H,W,C]."""

    values: dict[str, np.ndarray]
    counts: np.ndarray
    shown: np.ndarray


@torch.no_grad()
def main() -> None:
    args = parser.parse_args()
    device = choose_device(args.device, args.threads)
    study = load_study(args.study)
    spec = study.evaluations[args.dataset]
    files = paths.dataset_files(study, args.dataset)
    manifest, store = read_manifest(files["manifest"], ["id", "split"]), ImageStore(files["images"])
    val = manifest.loc[manifest["split"] == "val", "id"].to_numpy()
    images = Images(store, val, args.batch_size, device)
    lock = read_lock(args.weights_lock)
    resolution = study.datasets[args.dataset].resolution
    measures: dict[str, Measure] = {
        "psnr": psnr,
        "edges": lambda originals, copies: edge_energy(copies),
        "original_edges": lambda originals, copies: edge_energy(originals),
    }
    if resolution >= SSIM_SMALLEST:
        measures["ssim"] = ssim
    if args.vgg16 and resolution >= SMALLEST_PERCEPTUAL:
        from steadyflow.models.perceptual import Lpips

        lpips = Lpips(verified(args.vgg16, lock[VGG16_WEIGHTS])).to(device)
        measures["lpips"] = lambda originals, copies: lpips(to_model_range(originals), to_model_range(copies))

    encoding = study.encoders[spec.encoders[0]]
    encoder = load_encoder(encoding.kind, encoding.options, args.encoder_files, lock=lock, device=device)
    metrics, shown = [], [store.read(val[:SHOWN])]
    args.output.parent.mkdir(parents=True, exist_ok=True)
    # What a kill left behind, as large as the features.
    for left in args.output.parent.glob(f".{args.output.stem}.*"):
        shutil.rmtree(left, ignore_errors=True)
    # Features lie on the disk beside the results: those of 50,000 images are larger than all else.
    with tempfile.TemporaryDirectory(dir=args.output.parent, prefix=f".{args.output.stem}.") as scratch:
        real, copied = (
            np.lib.format.open_memmap(f"{scratch}/{name}.npy", "w+", np.float32, (len(val), encoder.dim))
            for name in ("originals", "copies")
        )
        for place, original in images.batches("originals"):
            real[place] = encoder.encode(original.cpu().numpy())
        for name in spec.tokenizers:
            files = paths.tokenizer_files(study, name)
            architecture = read_json(files["config"])["architecture"]
            model = load_trained(VQVAE, architecture, files["weights"]).to(device)
            found = reconstruct(model, encoder, images, measures, copied, name)
            shown.append(found.shown)
            common = {
                "dataset": args.dataset,
                "run": name,
                "reference": "",
                "protocol": f"reconstructions of the {len(val)} validation images",
                "seed": study.tokenizers[name].seed,
            }
            hashes = f"tokenizer {file_hash(files['weights'])}"
            values = found.values
            values["sharpness"] = sharpness(values.pop("original_edges"), values.pop("edges"))
            for metric, each in values.items():
                fields = {"n": len(each), "sd": each.std(ddof=1), **interval(mean_with_interval(each))}
                by = args.vgg16.stem if metric == "lpips" else ""
                metrics.append(Metric(**common, metric=metric, encoder=by, hashes=hashes, **fields))
            use = codebook_use(found.counts)
            for metric, value in (("codes_used", use.used), ("perplexity", use.perplexity)):
                metrics.append(Metric(**common, metric=metric, encoder="", value=value, n=len(val), hashes=hashes))
            hashes += f" encoder {encoder.weights_hash}"
            rfd = interval(distance(copied, real))
            metrics.append(Metric(**common, metric="rfd", encoder=spec.encoders[0], n=len(val), hashes=hashes, **rfd))
    write_array(args.reconstructions, np.stack(shown))
    write_parquet(args.output, metrics_table(metrics))


def reconstruct(
    model: nn.Module, encoder: Encoder, images: Images, measures: dict[str, Measure], features: np.ndarray, name: str
) -> Reconstructed:
    """Encodes and decodes every image, and fills `features` [n,d] with the encoder's of the copies.

    Copies are measured as a reader sees them, rounded to uint8.
    """
    values = {metric: np.empty(len(images.ids)) for metric in measures}
    counts = np.zeros(model.codebook.embedding.num_embeddings, dtype=np.int64)
    shown = []
    for place, original in images.batches(f"reconstructions of {name}"):
        quantised = model.codebook(model.encoder(to_model_range(original)))
        copy = to_uint8(model.decode(quantised.latents))
        counts += torch.bincount(quantised.codes.flatten().cpu(), minlength=len(counts)).numpy()
        for metric, measure in measures.items():
            values[metric][place] = measure(original, copy).cpu()
        features[place] = encoder.encode(copy.cpu().numpy())
        if place.start < SHOWN:
            shown.append(copy[: SHOWN - place.start].cpu().numpy())
    return Reconstructed(values, counts, np.concatenate(shown))


def distance(features: np.ndarray, real: np.ndarray) -> Estimate:
    """rFD: the Frechet distance of the copies' features to the originals', with an interval where images suffice."""
    reference = feature_statistics(with_features(real))
    described = with_features(features)
    if len(described) >= 2 * GROUPS:
        return frechet_with_interval(described, reference)
    found = feature_statistics(described)
    value = frechet_distance(reference.mean, reference.cov, found.mean, found.cov)
    return Estimate(value, float("nan"), float("nan"))


run_stage(main)
