"""Do balanced clusters even the classes without seeing a label? KL to uniform of a long-tailed Fashion-MNIST, halved.

Of class c stay 6,000 x DECAY^c training images, so that the first is a hundred times the last. Images are compared in
principal components of their pixels, which know no label. The classes are counted before and after pruning.
"""

import argparse
import gzip
from pathlib import Path

import numpy as np
from common import save
from sklearn.decomposition import PCA

from steadyflow.evaluate import kl_with_interval
from steadyflow.prune import CRITERIA, keep_count, spherical_kmeans

parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
parser.add_argument("--folder", type=Path, default=Path("/usr/share/datasets/fashion-mnist"), help="of IDX files")
parser.add_argument("--clusters", type=int, nargs="+", default=[10, 24, 100])
parser.add_argument("--pruning-fraction", type=float, default=0.5)
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for balance.json")

CLASSES, DECAY, COMPONENTS = 10, 0.6, 64


def main() -> None:
    args = parser.parse_args()
    images, labels = (read(args.folder / f"train-{name}-ubyte.gz") for name in ("images-idx3", "labels-idx1"))
    ids = np.sort(np.concatenate([np.flatnonzero(labels == c)[: int(6000 * DECAY**c)] for c in range(CLASSES)]))
    keep = keep_count(len(ids), args.pruning_fraction)
    pixels = images[ids].reshape(len(ids), -1) / np.float32(255)
    features = PCA(COMPONENTS, random_state=0).fit_transform(pixels)

    rows: list[dict[str, object]] = []

    def report(name: str, kept: np.ndarray) -> None:
        found = kl_with_interval(labels[kept], CLASSES)
        rows.append({"subset": name, "n": len(kept), "kl": found.value, "low": found.ci_low, "high": found.ci_high})
        counts = " ".join(f"{count:5d}" for count in np.bincount(labels[kept], minlength=CLASSES))
        interval = f"{found.value:.3f} [{found.ci_low:.3f}, {found.ci_high:.3f}]"
        print(f"{name:24} {len(kept):6,}  {interval}  {counts}", flush=True)

    print(f"{'':24} {'n':>6}  KL to uniform (nats)    images of each class")
    report("all images", ids)
    report("random", CRITERIA["random"].choose(ids=ids, keep=keep, seed=0))
    for k in args.clusters:
        found = spherical_kmeans(features, k, seed=0)
        for criterion in ("cluster_p", "cluster_b", "cluster_b_inv"):
            choose = CRITERIA[criterion].choose
            report(f"{criterion}, k = {k}", choose(ids=ids, group=found.cluster, distance=found.distance, keep=keep))
    flags = {key: value for key, value in vars(args).items() if key not in ("output", "folder")}
    save(args.output / "balance.json", {"subsets": rows, "flags": flags})


def read(path: Path) -> np.ndarray:
    """An IDX file of bytes: two zeros, the type, the number of axes, their lengths, the data."""
    content = gzip.decompress(path.read_bytes())
    shape = np.frombuffer(content, ">u4", count=content[3], offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


main()
