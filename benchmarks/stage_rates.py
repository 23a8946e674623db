"""What docs/scaling.md stands on: rates, bytes and arithmetic of each stage, measured on a sample.

Rates are per second of processor time, so that other work on the machine hardly changes them; those of the dataset
stage with one thread and with several also by the clock on the wall. FLOPs are counted on the papers' architectures; a
multiplication and an addition are two.
"""

import argparse
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import chunks, rate, save, shown, spread, write_photographs
from PIL import Image
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import vgg16

from steadyflow.data.dataset import write_dataset
from steadyflow.data.folder import folder
from steadyflow.data.images import ImageStore
from steadyflow.data.latents import Latents
from steadyflow.data.manifest import ManifestWriter
from steadyflow.data.records import Source
from steadyflow.ground.artifacts import write_array, write_json
from steadyflow.models import VQVAE, PatchDiscriminator, build_velocity, to_model_range

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", type=int, default=400, help="JPEGs of 500x375")
parser.add_argument("--repeats", type=int, default=3)
parser.add_argument("--threads", type=int, nargs="+", default=(1, 2), help="of the dataset stage")
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for stage_rates.json")

RESOLUTION, LATENT = 256, 32


def main() -> None:
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        measured = {**dataset(root, args.images, args.repeats, args.threads), **latents(root, args.repeats)}
        measured["manifest"] = {"bytes_per_image": manifest_bytes(root)}
    measured["tokenizer"], measured["flops_per_image"] = tokenizer(args.repeats), flops()
    for name, values in measured.items():
        for kind, value in values.items():
            text = shown(value) if isinstance(value, dict) else f"{value:,.4g}"
            print(f"{name:20} {kind:42} {text}")
    save(args.output / "stage_rates.json", measured)


def dataset(root: Path, count: int, repeats: int, threads: list[int]) -> dict[str, dict[str, Any]]:
    """JPEGs of ImageNet's common size (and PNGs of FFHQ's) become a dataset of 256x256; its images are read again."""
    jpegs, pngs, written = root / "jpegs", root / "pngs", root / "dataset"
    write_photographs(jpegs, count, (500, 375))
    write_photographs(pngs, max(count // 10, 8), (1024, 1024), ".png")

    def prepare(threads: int, files: Path = jpegs) -> int:
        source = folder(files)
        write_dataset(
            source, written, resolution=RESOLUTION, channels=3, val_fraction=0.1, threads=threads, details={}
        )  # fmt: skip
        return source.count

    prepared = {"images/s of processor time, 1024x1024 PNG": [rate(prepare, 1, pngs) for _ in range(repeats)]}
    for _ in range(repeats):
        for number in threads:
            name = f"images/s, {number} thread{'s' * (number > 1)}"
            prepared.setdefault(name, []).append(rate(prepare, number, clock=time.perf_counter))
        prepared.setdefault("images/s of processor time", []).append(rate(prepare, 1))
    store, rng = ImageStore(written / "images"), np.random.default_rng(0)

    def read() -> int:
        order = rng.permutation(np.tile(np.arange(count), 20))
        for ids in chunks(order, 64):
            store.read(ids)
        return len(order)

    stored = sum(file.stat().st_size for file in (written / "images").iterdir()) / count
    return {
        "prepare_dataset": {name: spread(rates) for name, rates in prepared.items()},
        "images": {
            "bytes_per_image": stored,
            "raw_to_png": stored / np.mean([png_bytes(picture) for picture in store.read(np.arange(count))]),
            "images/s read": spread([rate(read) for _ in range(repeats)]),
        },
    }


def png_bytes(picture: np.ndarray) -> int:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG", compress_level=1)
    return buffer.tell()


def latents(root: Path, repeats: int, count: int = 20_000) -> dict[str, dict[str, Any]]:
    path, rng = root / "latents.npy", np.random.default_rng(0)
    write_array(path, rng.standard_normal((count, 4, LATENT, LATENT), np.float32).astype(np.float16))
    write_json(path.with_suffix(".json"), {"scale": 1.0})
    store = Latents(path)

    def read() -> int:
        for ids in chunks(rng.permutation(count), 128):
            store.read(ids)
        return count

    return {"latents": {"images/s read": spread([rate(read) for _ in range(repeats)])}}


def manifest_bytes(root: Path, count: int = 50_000) -> float:
    """Of a manifest with ImageNet's keys and sizes."""
    path, rng = root / "manifest.parquet", np.random.default_rng(0)
    with ManifestWriter(path, Source("imagenet", [], count)) as manifest:
        for i in range(count):
            folder = f"n{1_440_764 + 13_337 * (i // 1300):08d}"
            size = (int(rng.integers(200, 600)), int(rng.integers(200, 600)))
            key = f"train/{folder}/{folder}_{rng.integers(30_000)}_{i}.JPEG"
            manifest.add(key=key, split="train", label=i // 1300, attributes={}, size=size)
    return path.stat().st_size / count


@torch.no_grad()
def tokenizer(repeats: int) -> dict[str, Any]:
    """The papers', untrained; one image at a time."""
    model = VQVAE(
        image_channels=3, width=128, multipliers=(1, 2, 4, 4), blocks=2, codebook_size=8192, latent_channels=4
    )  # fmt: skip
    images = to_model_range(torch.randint(0, 256, (1, RESOLUTION, RESOLUTION, 3), dtype=torch.uint8))
    measured: dict[str, Any] = {}
    for name, function, inputs in (("encode", model.encode, images), ("decode", model.decode, model.encode(images))):
        rates = [60 * rate(lambda function=function, inputs=inputs: len(function(inputs))) for _ in range(repeats)]
        measured |= {f"{name}, FLOPs/image": count_flops(function, inputs), f"{name}, images/min": spread(rates)}
    return measured


def flops() -> dict[str, float]:
    """Of forward passes, counted without running them."""
    with torch.device("meta"), torch.no_grad():
        image, latent = torch.empty(1, 3, RESOLUTION, RESOLUTION), torch.empty(1, 4, LATENT, LATENT)
        counted = {
            "LPIPS (VGG16)": count_flops(vgg16().features, image),
            "discriminator": count_flops(PatchDiscriminator(image_channels=3, width=64, layers=3), image),
        }
        for name in ("DiT-S/2", "DiT-B/2", "DiT-XL/2"):
            counted[name] = count_flops(build_velocity(name, 4, LATENT).to("meta"), latent, torch.empty(1), None)
    return counted


def count_flops(function: Callable[..., Any], *inputs: torch.Tensor | None) -> float:
    with FlopCounterMode(display=False) as counter:
        function(*inputs)
    return float(counter.get_total_flops())


if __name__ == "__main__":
    main()
