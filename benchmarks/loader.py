"""Images a second on one core at 256x256: a dataset's ImageStore against torchvision's ImageFolder of 512x512 JPEGs.

Both give batches of 64 in the same random order as float tensors in channels-first, in one process with one thread.
Re-reads are of files in the page cache, per second of processor time; reads of files dropped from it are timed by the
clock on the wall.
"""

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import chunks, drop_from_page_cache, rate, save, shown, spread, write_photographs
from torch.utils.data import DataLoader
from torchvision import transforms
from torchvision.datasets import ImageFolder

from steadyflow.data.dataset import write_dataset
from steadyflow.data.folder import folder
from steadyflow.data.images import ImageStore
from steadyflow.models import to_model_range

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--images", type=int, default=500)
parser.add_argument("--repeats", type=int, default=7)
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for loader.json")

RESOLUTION, BATCH = 256, 64
# The store is so much faster that one pass would be over before a clock says anything.
PASSES = 20


def main() -> None:
    args = parser.parse_args()
    torch.set_num_threads(1)
    orders = [np.random.default_rng(i).permutation(args.images) for i in range(args.repeats)]
    with tempfile.TemporaryDirectory() as temporary:
        jpegs, dataset = Path(temporary, "jpegs"), Path(temporary, "dataset")
        write_photographs(jpegs, args.images, (512, 512))
        write_dataset(folder(jpegs), dataset, resolution=RESOLUTION, channels=3, val_fraction=0.1, details={})
        loaders = {
            "ImageFolder": lambda order: from_folder(jpegs, order),
            "ImageStore": lambda order: from_store(dataset, order),
            "ImageStore, uint8": lambda order: from_store(dataset, order, convert=False),
        }
        cold: dict[str, list[float]] = {name: [] for name in loaders}
        for order in orders[:3]:
            for name, load in loaders.items():
                drop_from_page_cache(Path(temporary))
                cold[name].append(rate(load, order, clock=time.perf_counter))
        warm: dict[str, list[float]] = {name: [] for name in loaders}
        for order in orders:
            for name, load in loaders.items():
                warm[name].append(rate(load, order if name == "ImageFolder" else np.tile(order, PASSES)))

    print(f"images/s on one core, {args.images} images in batches of {BATCH}: median (lowest to highest)\n")
    measured: dict[str, Any] = {"images": args.images, "batch_size": BATCH, "resolution": RESOLUTION}
    for files, rates in (("re-read", warm), ("from the disk", cold)):
        measured[files] = {name: spread(values) for name, values in rates.items()}
        slowest = measured[files]["ImageFolder"]["median"]
        for name, values in measured[files].items():
            print(f"{files:14} {name:18} {shown(values):30} {values['median'] / slowest:6.1f}x")
    save(args.output / "loader.json", measured)


def from_store(dataset: Path, order: np.ndarray, *, convert: bool = True) -> int:
    """Without `convert` the batches stay bytes, as they go to a GPU, which converts them in no time."""
    store = ImageStore(dataset / "images")
    for ids in chunks(order, BATCH):
        images = torch.from_numpy(store.read(ids))
        if convert:
            to_model_range(images)
    return len(order)


def from_folder(jpegs: Path, order: np.ndarray) -> int:
    steps = [transforms.Resize(RESOLUTION), transforms.CenterCrop(RESOLUTION), transforms.ToTensor()]
    # ImageFolder takes the first level of folders for classes.
    loader = DataLoader(ImageFolder(jpegs, transforms.Compose(steps)), BATCH, sampler=order.tolist())
    return sum(len(images) for images, _ in loader)


if __name__ == "__main__":
    main()
