"""Quality of tokenizers' reconstructions, in torch: the stage measure_tokenizers."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from steadyflow.data.images import ImageStore
from steadyflow.encoders import Encoder
from steadyflow.evaluate.estimate import GROUPS, Estimate, mean_with_interval
from steadyflow.evaluate.frechet import feature_statistics, frechet_distance, frechet_with_interval
from steadyflow.evaluate.metrics import Metric, interval
from steadyflow.evaluate.reconstruction import SSIM_SMALLEST, codebook_use, edge_energy, psnr, sharpness, ssim
from steadyflow.evaluate.rows import with_features
from steadyflow.ground.constants import SMALLEST_PERCEPTUAL
from steadyflow.ground.progress import progress
from steadyflow.models import VQVAE, to_model_range, to_uint8

if TYPE_CHECKING:
    from steadyflow.models.perceptual import Lpips

SHOWN = 16
"""Number of reconstructions that are kept for figures."""

Measure = Callable[[Tensor, Tensor], Tensor]
"""(originals, copies) uint8 [B,H,W,C] -> [B]"""


@dataclass(frozen=True)
class ImageBatches:
    """The images of `ids` int64 [n], `batch_size` at a time on `device`; the batch size changes no result."""

    store: ImageStore
    ids: np.ndarray
    batch_size: int
    device: torch.device

    def __len__(self) -> int:
        return len(self.ids)

    def batches(self, name: str) -> Iterator[tuple[slice, Tensor]]:
        """Slices of `ids`, and their images uint8 [B,H,W,C]; `name` is that of the progress bar."""
        for start in progress(range(0, len(self.ids), self.batch_size), name):
            ids = self.ids[start : start + self.batch_size]
            yield slice(start, start + len(ids)), torch.from_numpy(self.store.read(ids)).to(self.device)


@dataclass(frozen=True)
class Reconstructions:
    """The reconstructions of a tokenizer: `values` measure -> [n], `counts` of codes [size], and the first copies
    `shown`, uint8 [SHOWN,H,W,C]."""

    values: dict[str, np.ndarray]
    counts: np.ndarray
    shown: np.ndarray


def reconstruction_measures(resolution: int, lpips: "Lpips | None") -> dict[str, Measure]:
    """The measures by name, without those for which images of `resolution` are too small; LPIPS only if given."""
    measures: dict[str, Measure] = {
        "psnr": psnr,
        "edges": lambda originals, copies: edge_energy(copies),
        "original_edges": lambda originals, copies: edge_energy(originals),
    }
    if resolution >= SSIM_SMALLEST:
        measures["ssim"] = ssim
    if lpips is not None and resolution >= SMALLEST_PERCEPTUAL:
        measures["lpips"] = lambda originals, copies: lpips(to_model_range(originals), to_model_range(copies))
    return measures


@dataclass(frozen=True)
class OriginalFeatures:
    """Memory maps float32 [n,d] of the originals' features, and for those of a tokenizer's copies."""

    encoder: Encoder
    originals: np.ndarray
    copies: np.ndarray


@contextlib.contextmanager
def original_features(encoder: Encoder, images: ImageBatches, beside: Path) -> Iterator[OriginalFeatures]:
    """Computes the originals' features, in temporary files in the folder of `beside` while the context lasts."""
    beside.parent.mkdir(parents=True, exist_ok=True)
    # Left by a killed process.
    for left in beside.parent.glob(f".{beside.stem}.*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=beside.parent, prefix=f".{beside.stem}.") as scratch:
        real, copied = (
            np.lib.format.open_memmap(f"{scratch}/{name}.npy", "w+", np.float32, (len(images), encoder.dim))
            for name in ("originals", "copies")
        )
        for place, original in images.batches("originals"):
            real[place] = encoder.encode(original.cpu().numpy())
        yield OriginalFeatures(encoder, real, copied)


@torch.no_grad()
def tokenizer_metrics(
    model: VQVAE,
    images: ImageBatches,
    measures: Mapping[str, Measure],
    features: OriginalFeatures,
    *,
    weights_hash: str,
    encoder: str,
    lpips_weights: str = "",
    fields: Mapping[str, Any],
) -> tuple[list[Metric], np.ndarray]:
    """Metrics of one tokenizer, and its first SHOWN reconstructions uint8 [SHOWN,H,W,C].

    weights_hash: of the tokenizer
    encoder, lpips_weights: names of the encoder and of LPIPS's weights
    fields: dataset, run (the tokenizer's name) and seed (of its training) of every metric
    """
    common = {**fields, "reference": "", "protocol": f"reconstructions of the {len(images)} validation images"}
    hashes = f"tokenizer {weights_hash}"
    found = reconstruct(model, images, measures, features, fields["run"])
    values = found.values
    values["sharpness"] = sharpness(values.pop("original_edges"), values.pop("edges"))
    metrics = []
    for metric, each in values.items():
        spread = {"n": len(each), "sd": each.std(ddof=1), **interval(mean_with_interval(each))}
        by = lpips_weights if metric == "lpips" else ""
        metrics.append(Metric(**common, metric=metric, encoder=by, hashes=hashes, **spread))
    use = codebook_use(found.counts)
    for metric, value in (("codes_used", use.used), ("perplexity", use.perplexity)):
        metrics.append(Metric(**common, metric=metric, encoder="", value=value, n=len(images), hashes=hashes))
    hashes += f" encoder {features.encoder.weights_hash}"
    rfd = interval(reconstruction_distance(features.copies, features.originals))
    metrics.append(Metric(**common, metric="rfd", encoder=encoder, n=len(images), hashes=hashes, **rfd))
    return metrics, found.shown


def reconstruct(
    model: VQVAE, images: ImageBatches, measures: Mapping[str, Measure], features: OriginalFeatures, name: str
) -> Reconstructions:
    """Encodes and decodes every image, and writes the features of the copies to `features.copies` [n,d].

    Copies are rounded to uint8 before they are measured.
    """
    values = {metric: np.empty(len(images)) for metric in measures}
    counts = np.zeros(model.codebook.embedding.num_embeddings, dtype=np.int64)
    shown = []
    for place, original in images.batches(f"reconstructions of {name}"):
        quantised = model.codebook(model.encoder(to_model_range(original)))
        copy = to_uint8(model.decode(quantised.latents))
        counts += torch.bincount(quantised.codes.flatten().cpu(), minlength=len(counts)).numpy()
        for metric, measure in measures.items():
            values[metric][place] = measure(original, copy).cpu()
        features.copies[place] = features.encoder.encode(copy.cpu().numpy())
        if place.start < SHOWN:
            shown.append(copy[: SHOWN - place.start].cpu().numpy())
    return Reconstructions(values, counts, np.concatenate(shown))


def reconstruction_distance(copies: np.ndarray, originals: np.ndarray) -> Estimate:
    """rFD, the Frechet distance of the copies' features [n,d] to the originals'; the interval is NaN for fewer than
    2 GROUPS images."""
    reference = feature_statistics(with_features(originals))
    described = with_features(copies)
    if len(described) >= 2 * GROUPS:
        return frechet_with_interval(described, reference)
    found = feature_statistics(described)
    value = frechet_distance(reference.mean, reference.cov, found.mean, found.cov)
    return Estimate(value, float("nan"), float("nan"))
