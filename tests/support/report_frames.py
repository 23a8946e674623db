"""Small frames of metrics, and everything else that tables and figures read, by the names of their parameters."""

from pathlib import Path

import numpy as np
import pandas as pd

from steadyflow.claims import Finding, read_claims
from steadyflow.evaluate.metrics import Metric
from steadyflow.report.exhibits import find_exhibits
from steadyflow.report.modes import Modes
from steadyflow.report.paper import printed_of, read_paper_values

ROOT = Path(__file__).parents[2]
TABLES, FIGURES = find_exhibits("table"), find_exhibits("figure")
PAPER_VALUES = read_paper_values(ROOT / "resources/paper/scalars.csv")
PAPER, NO_PAPER = (printed_of(PAPER_VALUES, dataset) for dataset in ("celebahq", ""))
CLAIMS = read_claims(ROOT / "resources/paper/claims.csv")

LABELS = {"unpruned": "all data", "loss-0.5": "highest loss", "loss_inv-0.5": "lowest loss"}
PAIR = ("loss-0.5", "loss_inv-0.5")
NULL_LABELS = {"unpruned.gaussian": "Gaussian flow of all data", "unpruned.untrained": "untrained network"}
NULL_MODELS = dict.fromkeys(LABELS, "unpruned.gaussian")
COSINES = ("cosine_matched", "cosine_unmatched", "cosine_difference", "cosine_auc", "cosine_top1")
BEYOND = ("beyond_matched", "beyond_unmatched")
REPLICATION = ("rp", "rp_threshold")
LATENTS = ("latent_l2_matched", "latent_l2_unmatched", "latent_l2_difference")
DEVIATIONS = tuple(f"path_deviation_{name}" for name in ("matched", "median", "p95", "unmatched"))
QUALITY = ("fd", "fd_infinity", "fd_train", "kid", "precision", "recall", "f_score", "density", "coverage")
QUALITY += ("clipped_density", "clipped_coverage", "diversity")
COPIES = tuple(share + of for share in ("f_mem", "authenticity", "gl") for of in ("", "_held_out"))
PIXELS = ("psnr", "ssim", "lpips", "sharpness", "perplexity")
TOKENIZERS = {"vq": "without", "vq-gan": "with"}
PERCEIVED = (("probe", "hair_length"), ("clip", "hair_length"), ("clip", "age"))
HAIR_ACCURACY = {"accuracy": 0.92, "chance": 0.55}
SEXES = ("female", "male")


def metric_row(
    run, metric, value, reference="", encoder="probe", low=0.01, high=0.02, sd=0.05, n=2000, replicates=None
):
    """One row of a tidy table of metrics; its interval is [value - low, value + high]."""
    if replicates is None:
        replicates = tuple(value + np.linspace(-0.001, 0.001, 20))
    return {
        "dataset": "faces",
        "run": run,
        "reference": reference,
        "metric": metric,
        "encoder": encoder,
        "protocol": "euler-50",
        "value": value,
        "n": n,
        "seed": 0,
        "ci_low": value - low,
        "ci_high": value + high,
        "sd": sd,
        "hashes": "",
        "note": "",
        "replicates": tuple(value + np.linspace(-0.001, 0.001, 20)),
    }


def every_metric():
    """Every metric of three runs; no two values are equal."""
    values = iter(np.random.default_rng(0).uniform(0.1, 9, 300))
    pairs = [*((run, "unpruned") for run in LABELS if run != "unpruned"), PAIR]
    row = metric_row
    rows = [row(run, metric, next(values)) for run in LABELS for metric in (*QUALITY, "nn_ratio", *COPIES, "fd_gap")]
    rows += [row(run, "kept_ratio", next(values)) for run in LABELS if run != "unpruned"]
    rows.append(row("validation_images", "cosine_unmatched", next(values), "validation_images"))
    runs = ("training_data", *LABELS)
    rows += [row(run, f"kl_{name}", next(values), "uniform", by) for by, name in PERCEIVED for run in runs]
    rows += [row(run, f"kl_{name}", next(values), "training_data", by) for by, name in PERCEIVED for run in LABELS]
    rows.append(row("training_data", "kl_hair_length", 0.25, "uniform", "labels"))
    rows += [row("validation_images", f"{kind}_hair_length", value, "labels") for kind, value in HAIR_ACCURACY.items()]
    rows += [row(run, metric, next(values), ref) for run, ref in pairs for metric in (*COSINES, *REPLICATION)]
    rows += [row(run, metric, next(values), ref, "latent") for run, ref in pairs for metric in LATENTS]
    rows += [row(run, metric, next(values), ref, "latent") for run, ref in pairs for metric in DEVIATIONS]
    nulls = [(null, "unpruned") for null in NULL_LABELS]
    rows += [row(run, metric, next(values), ref) for run, ref in nulls for metric in COSINES]
    rows += [row(run, metric, next(values), ref, "latent") for run, ref in nulls for metric in LATENTS]
    rows += [row(run, metric, next(values), ref) for run, ref in pairs for metric in BEYOND]
    rows += [row(run, "fd", next(values)) for run in NULL_LABELS]
    rows += [row(run, "held_out_loss", next(values), encoder="latent") for run in (*LABELS, *NULL_LABELS)]
    rows.append(row(*PAIR[:1], "overlap", 0.0, PAIR[1], ""))
    rows += [row(run, f"share[sex={value}]", next(values), encoder="clip") for run in LABELS for value in SEXES]
    rows += [row(PAIR[0], f"cosine_matched[clip.sex={v}]", next(values), "unpruned") for v in SEXES]
    rows += [row(name, "rfd", next(values)) for name in TOKENIZERS]
    rows += [row(name, metric, next(values), encoder="") for name in TOKENIZERS for metric in PIXELS]
    rows += [row(name, "codes_used", 480.0, encoder="") for name in TOKENIZERS]
    return pd.DataFrame(rows, columns=list(Metric.__dataclass_fields__))


TRAINING_SETS = pd.DataFrame(
    {
        "run": list(LABELS),
        "criterion": [None, "loss", "loss_inv"],
        "pruning_fraction": [0.0, 0.5, 0.5],
        "n_train": [20000, 10000, 10000],
    }
)
METRICS = ("quality", "similarity", "held_out_losses", "fairness", "path_metrics", "tokenizer_metrics")
READ_BY_TABLES = {
    "labels": LABELS,
    "null_labels": NULL_LABELS,
    "null_models": NULL_MODELS,
    "pair_labels": {("loss-0.5", "unpruned"): "highest loss", PAIR: "highest loss / lowest loss"},
    "paper": PAPER,
    "findings": [
        (CLAIMS[0], Finding("holds", "0.5 [0.4, 0.6]", 2000, halved="holds", doubled="fails")),
        (CLAIMS[1], Finding("not measured")),
    ],
    "encoders": ["probe"],
    "similarity_encoders": ["probe"],
    "reference": "unpruned",
    "repeated_runs": [],
    "training_sets": TRAINING_SETS,
    "training_steps": dict.fromkeys(LABELS, "50 each"),
    "inverse_pairs": [PAIR],
    "path_pairs": [("loss-0.5", "unpruned"), PAIR],
    "shared_seeds": [],
    "runs_on_other_datasets": [],
    "modes": Modes({PAIR[0]: "women only"}, "sex", SEXES, "clip"),
    "mixed_modes": Modes(LABELS, "sex", SEXES, "clip"),
    "attributes": {"probe": ["hair_length"], "clip": ["hair_length", "age"]},
    "labelled_attributes": {("probe", "hair_length")},
    "paper_attributes": {"hair_length": "kl_gender"},
    "tokenizer_labels": TOKENIZERS,
    "tokenizer_losses": {"vq": "MSE", "vq-gan": "MSE + GAN"},
    "codebook_sizes": {"vq": 512, "vq-gan": 8192},
}


def make_table(name, metrics, **changes):
    """The table of these metrics; `changes`: of what it reads beside."""
    read = dict.fromkeys(METRICS, metrics) | READ_BY_TABLES | changes
    return TABLES[name].make(**{reading: read[reading] for reading in TABLES[name].reads})


FD = {"unpruned": 3.0, "loss-0.5": 5.0, "loss_inv-0.5": 2.0}
COMPARISONS = {("loss-0.5", "unpruned"): "highest loss", ("loss_inv-0.5", "unpruned"): "lowest loss"}
CLUSTER_NUMBERS = pd.DataFrame({"k": [2, 4, 8], "inertia": [9.0, 5.0, 3.0], "silhouette": [0.1, 0.4, -0.2]})
BY_K = {"cluster_b, 70% removed": [(2, "loss-0.5"), (2, "loss_inv-0.5"), (24, "loss_inv-0.5")]}
PREDICTED = {"probe": ["age"], "clip_zero_shot": ["age", "gender", "skin_tone", "hair_color", "glasses", "hat"]}
EDGES = np.linspace(-1, 1, 41)


def drawn_metrics(fd, comparisons):
    """Metrics in round numbers: `fd`, run -> its distance and its other measures of quality; KL divergences that rise
    by one from run to run, and cosines by 0.01 from pair to pair."""

    def row(*args, sd=np.nan, **more):
        return metric_row(*args, low=0.5, high=0.25, sd=sd, n=100, **more) | {"replicates": ()}

    runs = ("training_data", *fd)
    rows = [row(run, metric, value) for run, value in fd.items() for metric in ("fd", "f_score", "precision", "recall")]
    rows += [row(run, "kl_age", 1 + place, "uniform") for place, run in enumerate(runs)]
    rows += [
        row(run, f"kl_{name}", number + place, "uniform", "clip_zero_shot")
        for number, name in enumerate(PREDICTED["clip_zero_shot"], start=2)
        for place, run in enumerate(runs)
    ]
    for place, (run, reference) in enumerate(comparisons):
        rows.append(row(run, "cosine_matched", 0.9 + place / 100, reference, sd=0.05))
        rows.append(row(run, "cosine_unmatched", 0.3 + place / 100, reference, sd=0.15))
        rows.append(row(run, "cosine_auc", 0.8 + place / 100, reference))
        rows.append(row(run, "cosine_top1", 0.6 + place / 100, reference))
    return pd.DataFrame(rows)


def images(*shape, seed=0):
    return np.random.default_rng(seed).integers(0, 256, shape, dtype=np.uint8)


def training_curves(runs):
    steps = np.arange(0, 500, 5)
    return pd.concat([pd.DataFrame({"run": run, "step": steps, "loss": 1 / (1 + steps)}) for run in runs])


def held_out_losses(runs):
    """Of all t, and in two bins of time."""
    rows = []
    for place, run in enumerate(runs):
        values = {"held_out_loss": place + 0.25, "held_out_loss[0]": place, "held_out_loss[0.5]": place + 0.5}
        rows += [metric_row(run, metric, value, encoder="latent") for metric, value in values.items()]
    return pd.DataFrame(rows)


def tokenizer_curves(tokenizers=("plain", "gan")):
    """The last one has an adversary from step 210 on."""
    steps = np.arange(10, 500, 10)
    plain = [
        pd.DataFrame({"tokenizer": name, "step": steps, "mse": place / steps, "codes_used": 32.0})
        for place, name in enumerate(tokenizers, start=1)
    ]
    late = np.where(steps > 200, 1.0, np.nan)
    last = plain[-1].assign(adversarial=-late, discriminator=late, adaptive_weight=late)
    return pd.concat([*plain[:-1], last])


def histograms(comparisons, encoders=("probe", "clip")):
    counts = np.arange(40)
    bins = {"bin_low": EDGES[:-1], "bin_high": EDGES[1:], "matched": counts, "unmatched": counts[::-1] * 10}
    return pd.concat(
        pd.DataFrame({"run": run, "reference": reference, "encoder": encoder, **bins})
        for run, reference in comparisons
        for encoder in encoders
    )


def path_distances(comparisons):
    t = np.array([0, 0.25, 1])
    parts = [(kind, part) for kind in ("matched", "unmatched") for part in ("low", "median", "high")]
    columns = {f"{kind}_{part}": t * (place % 3) + (kind == "unmatched") for place, (kind, part) in enumerate(parts)}
    return pd.concat([pd.DataFrame({"run": r, "reference": s, "t": t, **columns})[::-1] for r, s in comparisons])


def read_by_figures(fd, groups, comparisons):
    """What figures read of runs `fd` (run -> distance), the first the reference; `groups`: heading -> run -> label."""
    runs, reference = list(fd), next(iter(fd))
    pairs = {pair: label for of_group in comparisons.values() for pair, label in of_group.items()}
    metrics = drawn_metrics(fd, pairs)
    return {
        "quality": metrics,
        "similarity": metrics,
        "fairness": metrics,
        "similarity_histograms": histograms(pairs),
        "path_distances": path_distances(pairs),
        "groups": groups,
        "pictured_groups": groups,
        "trained_groups": groups,
        "validated_groups": groups,
        "subset_groups": groups,
        "perturbations": groups,
        "comparisons": comparisons,
        "path_comparisons": comparisons,
        "labels": {run: label for labels in groups.values() for run, label in labels.items()},
        "encoders": ["probe"],
        "similarity_encoders": ["probe"],
        "reference": reference,
        "reference_runs": [reference],
        "inverse_runs": [run for run in runs if "_inv" in run],
        "lines_by_fraction": {
            "loss": [(0.5, [runs[1]])],
            "loss_inv": [(0.5, [runs[2]]), (0.9, [runs[1]])],
        },
        "lines_by_k": BY_K,
        "attributes": PREDICTED,
        "training_curves": training_curves(runs),
        "losses_of_trainings": held_out_losses([*runs, *NULL_LABELS]),
        "null_models": dict.fromkeys(runs, "unpruned.gaussian"),
        "samples": {run: images(4, 8, 8, 1, seed=place) for place, run in enumerate(runs)},
        "cluster_sizes": np.array([5, 20, 10]),
        "kept_sizes": {run: np.array([5, 6, 7]) for run in runs},
        "dataset_images": images(31, 8, 8, 3),
        "reconstructions": images(3, 4, 8, 8, 3),
        "tokenizer_labels": {"plain": "MSE", "gan": "MSE + GAN"},
        "tokenizer_curves": tokenizer_curves(),
        "cluster_numbers": CLUSTER_NUMBERS,
        "chosen_k": 8,
        "elbow_k": 4,
    }


READ_BY_FIGURES = read_by_figures(FD, {"": LABELS}, {"": COMPARISONS})


def draw(name, read=READ_BY_FIGURES, **changes):
    """The pages of a figure; `changes`: of what it reads."""
    return FIGURES[name].make(**{reading: (read | changes)[reading] for reading in FIGURES[name].reads})


def hangs_over(page):
    """The sides of a page, laid out, that something hangs over."""
    page.get_layout_engine().execute(page)
    width, height = page.get_size_inches()
    box = page.get_tightbbox()
    over = {"left": -box.x0, "bottom": -box.y0, "right": box.x1 - width, "top": box.y1 - height}
    return [side for side, inches in over.items() if inches > 0.01]
