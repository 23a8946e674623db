"""Peak memory of each stage up to a run's training, on few and on many tiny images, and what an image adds to it.

The stages are the workflow's own scripts, with few training steps, on idx files of random 8x8 images. Pages of memory
maps count as resident (VmHWM) while the system has room for them, but they are given up as soon as it has not: what a
stage needs is its anonymous memory (RssAnon), sampled every 20 ms.
"""

import argparse
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from common import peak_memory, save

SCRIPTS = Path(__file__).parents[1] / "workflow" / "scripts"
LOCK = Path(__file__).parents[1] / "resources" / "weights.lock"
SIDE = 8
STUDY = """
name: memory
datasets:
  tiny: {{source: idx, folder: {folder}, resolution: 8}}
tokenizers:
  tiny: {{width: 8, multipliers: [1, 2], blocks: 1, codebook_size: 16, perceptual: none, adversarial: none,
         precision: fp32, steps: 5, batch_size: 64}}
encoders:
  tiny: {{width: 8, feature_dim: 16, steps: 5, batch_size: 64}}
clusterings:
  tiny: {{k: 4, restarts: 1, compare_k: [2, 4]}}
runs:
  tiny: {{model: DiT-T/2, steps: 5, batch_size: 64}}
"""

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--counts", type=int, nargs=2, default=(20_000, 200_000), help="images, a tenth of them validation")
parser.add_argument("--output", type=Path, default=Path("results/benchmarks"), help="folder for memory.json")


def main() -> None:
    args = parser.parse_args()
    few, many = (measure(count) for count in args.counts)
    heads = " ".join(f"{count:>12,}" for count in args.counts)
    print(f"\n{'MB at peak':20} {'anonymous memory':>25} {'bytes more':>12} {'with mapped pages':>25}")
    print(f"{'':20} {heads} {'an image':>12} {heads}")
    stages = {}
    for name in few:
        growth = (many[name]["anonymous"] - few[name]["anonymous"]) / (args.counts[1] - args.counts[0])
        stages[name] = {"few": few[name], "many": many[name], "bytes_per_image": growth}
        (a, x), (b, y) = ((part[name]["anonymous"] / 1e6, part[name]["resident"] / 1e6) for part in (few, many))
        print(f"{name:20} {a:12,.0f} {b:12,.0f} {growth:12,.0f} {x:12,.0f} {y:12,.0f}")
    save(args.output / "memory.json", {"counts": args.counts, "side": SIDE, "stages": stages})


def measure(count: int) -> dict[str, dict[str, float]]:
    """Stage -> peak bytes anonymous and resident, and seconds."""
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        write_idx(root / "source", count)
        study = root / "study.yaml"
        study.write_text(STUDY.format(folder=root / "source"))
        return {name: run(name, command) for name, command in stages(root, study).items()}


def stages(root: Path, study: Path) -> dict[str, list[str]]:
    dataset, manifest = root / "dataset", root / "dataset" / "manifest.parquet"
    latents, embeddings = root / "latents.npy", root / "embeddings.npy"

    def flags(**values: object) -> list[str]:
        return [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", str(value))]

    return {
        "prepare_dataset": flags(study=study, dataset="tiny", output=dataset),
        "train_tokenizer": flags(
            study=study, tokenizer="tiny", dataset=dataset, state=root / "state.t", output=root / "tokenizer"
        ),
        "encode_latents": flags(
            dataset=dataset, tokenizer=root / "tokenizer", batch_size=256, state=root / "state.l.npy", output=latents
        ),
        "train_probe": flags(
            study=study, encoder="tiny", dataset=dataset, state=root / "state.p", output=root / "probe"
        ),
        "embed_images": [
            *flags(study=study, dataset=dataset, encoder="tiny", weights_lock=LOCK, batch_size=256, output=embeddings),
            *("--state", str(root / "state.e.npy")),
            *("--encoder-files", f"{root}/probe/weights.safetensors", f"{root}/probe/config.json"),
        ],
        "cluster_embeddings": flags(
            study=study, clustering="tiny", manifest=manifest, embeddings=embeddings, output=root / "clusters.parquet"
        ),
        "train_run": flags(
            study=study, run="tiny", dataset=dataset, latents=latents, state=root / "state.r", output=root / "run"
        ),
    }  # fmt: skip


def run(name: str, flags: list[str]) -> dict[str, float]:
    start = time.perf_counter()
    command = [sys.executable, str(SCRIPTS / f"{name}.py"), *flags]
    with tempfile.TemporaryFile() as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        anonymous, resident = peak_memory(process)
        if process.returncode:
            log.seek(0)
            sys.exit(f"{name} failed:\n{log.read().decode()}")
    seconds = time.perf_counter() - start
    print(f"{name:20} {anonymous / 1e6:8,.0f} MB {seconds:8.1f} s", flush=True)
    return {"anonymous": anonymous, "resident": resident, "seconds": seconds}


def write_idx(folder: Path, count: int) -> None:
    folder.mkdir()
    rng = np.random.default_rng(0)
    for part, n in (("train", count - count // 10), ("t10k", count // 10)):
        for kind, shape in (("images-idx3", (n, SIDE, SIDE)), ("labels-idx1", (n,))):
            values = rng.integers(0, 10, shape, dtype=np.uint8) * (28 if len(shape) == 3 else 1)
            header = struct.pack(f">{1 + len(shape)}I", 0x0800 + len(shape), *shape)
            (folder / f"{part}-{kind}-ubyte").write_bytes(header + values.tobytes())


if __name__ == "__main__":
    main()
