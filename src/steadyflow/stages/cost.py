"""What each long job of a study takes of a machine: hours, memory, disk. An ESTIMATE, from arithmetic alone.

All hours are on one node of four A100s, the papers' machine. Two numbers are fitted to the hours that the papers print
(resources/paper/scalars.csv, `training_hours`): what a training step takes beside its arithmetic, and how fast the
arithmetic is. The others are assumptions, named below. No result depends on any of this: a job that reaches its time
limit saves, and is started again.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from steadyflow.ground.constants import HELD_OUT_IMAGES, LOSS_BINS, TRAJECTORY_POINTS
from steadyflow.stages.flops import (
    VGG16_FLOPS_A_PIXEL,
    decoder_flops,
    encoder_flops,
    gaussian_weights,
    velocity_flops,
    velocity_weights,
)
from steadyflow.study.specs import Dataset, ProbeEncoder, Run, Study
from steadyflow.study.specs.tokenizers import Tokenizer

GPUS = 4

# Fitted: 200,000 steps of DiT-XL/2 in 48 hours, 150,000 of DiT-S/2 in 10 and of DiT-B/2 in 13, batches of 128.
STEP_SECONDS = 0.2
TRAINING_FLOPS = 35e12  # a second and GPU, in bf16: a ninth of its peak

# Assumed.
INFERENCE_FLOPS = 40e12  # a second and GPU, in TF32: a quarter of its peak
PROBE_STEP_SECONDS = 0.02
START_HOURS = 3 / 60  # imports, compilation, reading weights
DECODED_A_SECOND = 30  # images by one core, from PNGs of 1024x1024: the slowest of docs/scaling.md
EMBEDDED_A_SECOND = {"arcface": 20}  # images by one process
EMBEDDED_A_SECOND_BY_OTHERS = 200
CLASSIFIED_A_SECOND = 8  # images by one process, all questions of a vision-language model together
QUALITY_MINUTES = 4
ASSUMED_IMAGES = 100_000  # of a dataset that does not say `expected_images`

WEIGHT_BYTES = 4
# Of a training: weights, their average and two moments, in fp32.
STATE_BYTES = 4 * WEIGHT_BYTES
KEPT_STATES = 3  # the last two, while another is written
# Of the papers' tokenizer.
TOKENIZER_WEIGHTS = 72.1e6

LONGEST = 24 * 60
"""Minutes that a job may request: most clusters' limit. Longer trainings take several jobs."""
SHORTEST = 30
MARGIN = 1.5
"""Requested beyond the estimate, since a job that is stopped by its limit waits in the queue again."""


@dataclass(frozen=True)
class Cost:
    """Of one job."""

    hours: float
    """Of the whole node."""
    disk_mb: float
    """What it leaves behind."""
    mem_mb: int = 16_000
    on_gpus: bool = False
    state_mb: float = 0.0
    """Beside that, while it is under way."""

    @property
    def gpu_hours(self) -> float:
        return GPUS * self.hours if self.on_gpus else 0.0

    def minutes(self, attempt: int = 1, *, resumes: bool = True) -> int:
        """Requested at the `attempt`-th try, 1 for the first. What begins again at each try needs more at the next,
        should its limit have ended it."""
        first = min(LONGEST, max(SHORTEST, math.ceil(60 * MARGIN * self.hours)))
        return first if resumes else min(LONGEST, attempt * first)


def images(dataset: Dataset) -> int:
    return dataset.known_images or ASSUMED_IMAGES


def training_hours(steps: int, batch_size: int, flops: float) -> float:
    """Of so many steps whose forward passes take `flops` an image; the backward pass takes twice as much."""
    return steps * (STEP_SECONDS + 3 * flops * batch_size / GPUS / TRAINING_FLOPS) / 3600


def _on_gpus(seconds: float, disk_mb: float, count: int = 0, read_mb: float = 0.0, state_mb: float = 0.0) -> Cost:
    # A process holds torch, what it reads to the GPU (weights, or the state that a training goes on from), and some
    # columns of a manifest of `count` images.
    mem_mb = math.ceil(GPUS * (8_000 + read_mb)) + count // 1000
    return Cost(START_HOURS + seconds / 3600, disk_mb, mem_mb, on_gpus=True, state_mb=state_mb)


def _training(seconds: float, weights: float, count: int = 0) -> Cost:
    """Of a network of so many weights."""
    state_mb = STATE_BYTES * weights / 1e6
    return _on_gpus(seconds, WEIGHT_BYTES * weights / 1e6, count, read_mb=state_mb, state_mb=KEPT_STATES * state_mb)


def _inference(flops: float) -> float:
    """Seconds of all GPUs together."""
    return flops / INFERENCE_FLOPS / GPUS


def prepare_dataset(study: Study, wildcards: Mapping[str, str]) -> Cost:
    dataset = study.datasets[wildcards["dataset"]]
    count = images(dataset)
    return Cost(
        START_HOURS + count / DECODED_A_SECOND / 3600,
        count * dataset.channels * dataset.resolution**2 / 1e6,
        mem_mb=8_000 + count // 1000,
    )


def train_tokenizer(study: Study, wildcards: Mapping[str, str]) -> Cost:
    spec = study.tokenizers[wildcards["tokenizer"]]
    dataset = study.datasets[wildcards["dataset"]]
    channels, side = dataset.channels, dataset.resolution
    flops = encoder_flops(spec, channels, side) + decoder_flops(spec, channels, side)
    if spec.perceptual != "none":
        # Four passes of LPIPS's network, where the autoencoder has three. The discriminator's are a hundredth of all.
        flops += 4 / 3 * VGG16_FLOPS_A_PIXEL * side**2
    return _training(3600 * training_hours(spec.steps, spec.batch_size, flops), _tokenizer_weights(spec))


def _tokenizer_weights(spec: Tokenizer) -> float:
    return TOKENIZER_WEIGHTS * (spec.width / 128) ** 2


def encode_latents(study: Study, wildcards: Mapping[str, str]) -> Cost:
    dataset, spec = study.datasets[wildcards["dataset"]], study.tokenizers[wildcards["tokenizer"]]
    count, side = images(dataset), dataset.resolution // spec.downsampling
    flops = count * encoder_flops(spec, dataset.channels, dataset.resolution)
    return _on_gpus(_inference(flops), 2 * count * spec.latent_channels * side**2 / 1e6, count)


def train_probe(study: Study, wildcards: Mapping[str, str]) -> Cost:
    spec = study.encoders[wildcards["encoder"]]
    assert isinstance(spec, ProbeEncoder)
    seconds = spec.steps * PROBE_STEP_SECONDS * max(1.0, spec.batch_size / 64)
    return _on_gpus(seconds, 5, images(study.datasets[str(spec.dataset)]))


def _embedding(study: Study, encoder: str, count: int) -> Cost:
    spec = study.encoders[encoder]
    rate = GPUS * EMBEDDED_A_SECOND.get(spec.kind, EMBEDDED_A_SECOND_BY_OTHERS)
    return _on_gpus(count / rate, 4 * count * features(study, encoder) / 1e6, count)


def features(study: Study, encoder: str) -> int:
    """How many numbers an encoder makes of an image."""
    return study.encoders[encoder].feature_dim


def embed_images(study: Study, wildcards: Mapping[str, str]) -> Cost:
    return _embedding(study, wildcards["encoder"], images(study.datasets[wildcards["dataset"]]))


def embed_samples(study: Study, wildcards: Mapping[str, str]) -> Cost:
    return _embedding(study, wildcards["encoder"], study.samplings[wildcards["sampling"]].count)


def _clustering(study: Study, wildcards: Mapping[str, str], numbers: int) -> Cost:
    """k-means of `numbers` clusters, all restarts together: 100 rounds over all images on one GPU."""
    spec, count = study.clusterings[wildcards["clustering"]], images(study.datasets[wildcards["dataset"]])
    flops = 2.0 * 100 * count * numbers * features(study, str(spec.encoder))
    return _on_gpus(GPUS * _inference(flops), count * 20 / 1e6, count)


def cluster_embeddings(study: Study, wildcards: Mapping[str, str]) -> Cost:
    spec = study.clusterings[wildcards["clustering"]]
    return _clustering(study, wildcards, spec.k * spec.restarts)


def compare_cluster_numbers(study: Study, wildcards: Mapping[str, str]) -> Cost:
    spec = study.clusterings[wildcards["clustering"]]
    return _clustering(study, wildcards, sum(spec.compare_k) * spec.restarts)


def score_samples(study: Study, wildcards: Mapping[str, str]) -> Cost:
    spec, run = study.scorings[wildcards["run"]], wildcards["run"]
    count = images(study.datasets[wildcards["dataset"]])
    triples, passes = count * spec.timesteps * spec.noises, 3 if "grad" in spec.measures else 1
    seconds = _inference(triples * passes * forward_flops(study, run))
    return _on_gpus(seconds, count * 20 / 1e6, count, read_mb=_model_mb(study, run), state_mb=triples * 16 / 1e6)


def select_subset(study: Study, wildcards: Mapping[str, str]) -> Cost:
    count, criterion = (
        images(study.datasets[wildcards["dataset"]]),
        study.subsets[wildcards["subset"]].criterion,
    )
    # Herding and k-centre look at every image for every one that they pick.
    greedy = criterion.startswith("kernel") or criterion == "k_centre"
    return Cost(START_HOURS + (5e-9 * count**2 / 3600 if greedy else 0.0), count * 50 / 1e6)


def _latent_side(study: Study, run: Run) -> int:
    return study.datasets[str(run.dataset)].resolution // study.tokenizers[str(run.tokenizer)].downsampling


def forward_flops(study: Study, run: str) -> float:
    """FLOPs of one evaluation of a run's field for one image."""
    spec = study.runs[run]
    if spec.gaussian:
        # Into the eigenbasis and back, a multiply-add being two.
        return 4 * gaussian_weights(study.tokenizers[str(spec.tokenizer)].latent_channels, _latent_side(study, spec))
    return velocity_flops(spec.model, _latent_side(study, spec))


def _model_mb(study: Study, run: str) -> float:
    spec = study.runs[run]
    if spec.gaussian:
        weights = gaussian_weights(study.tokenizers[str(spec.tokenizer)].latent_channels, _latent_side(study, spec))
    else:
        weights = velocity_weights(spec.model)
    return WEIGHT_BYTES * weights / 1e6


def train_run(study: Study, wildcards: Mapping[str, str]) -> Cost:
    spec, count = study.runs[wildcards["run"]], images(study.datasets[wildcards["dataset"]])
    if not spec.trained:
        return _on_gpus(0, _model_mb(study, wildcards["run"]), count, read_mb=_model_mb(study, wildcards["run"]))
    hours = training_hours(spec.steps, spec.batch_size, forward_flops(study, wildcards["run"]))
    return _training(3600 * hours, velocity_weights(spec.model), count)


def sample_run(study: Study, wildcards: Mapping[str, str]) -> Cost:
    run, spec = study.runs[wildcards["run"]], study.samplings[wildcards["sampling"]]
    dataset, tokenizer = study.datasets[str(run.dataset)], study.tokenizers[str(run.tokenizer)]
    channels, resolution = dataset.channels, dataset.resolution
    guided = 2 if run.conditional and spec.guidance != 1 else 1
    flops = guided * run.objective.evaluations(spec) * forward_flops(study, wildcards["run"]) + decoder_flops(
        tokenizer, channels, resolution
    )
    latent = 4 * tokenizer.latent_channels * (resolution // tokenizer.downsampling) ** 2
    return _on_gpus(
        _inference(spec.count * flops),
        spec.count * (channels * resolution**2 + latent) / 1e6,
        read_mb=_model_mb(study, wildcards["run"]) + WEIGHT_BYTES * _tokenizer_weights(tokenizer) / 1e6,
    )


def measure_loss(study: Study, wildcards: Mapping[str, str]) -> Cost:
    flops = HELD_OUT_IMAGES * LOSS_BINS * forward_flops(study, wildcards["run"])
    return _on_gpus(GPUS * _inference(flops), 1, read_mb=_model_mb(study, wildcards["run"]))


def _classification(study: Study, classifier: str, count: int) -> Cost:
    """Of features that are there in no time, of images by a vision-language model. One rule does both, so both are
    given GPUs."""
    looks = study.classified_features(classifier) is None
    return _on_gpus(count / CLASSIFIED_A_SECOND / GPUS if looks else 0.0, count / 1e6, count)


def classify_images(study: Study, wildcards: Mapping[str, str]) -> Cost:
    return _classification(study, wildcards["classifier"], images(study.datasets[wildcards["dataset"]]))


def classify_samples(study: Study, wildcards: Mapping[str, str]) -> Cost:
    return _classification(study, wildcards["classifier"], study.samplings[wildcards["sampling"]].count)


def trace_paths(study: Study, wildcards: Mapping[str, str]) -> Cost:
    run, noises = study.runs[wildcards["run"]], study.traced_noises(wildcards["run"], wildcards["sampling"])
    tokenizer = study.tokenizers[str(run.tokenizer)]
    latent = tokenizer.latent_channels * (study.datasets[str(run.dataset)].resolution // tokenizer.downsampling) ** 2
    flops = noises * study.samplings[wildcards["sampling"]].steps * forward_flops(study, wildcards["run"])
    read_mb = _model_mb(study, wildcards["run"])
    return _on_gpus(GPUS * _inference(flops), 4 * TRAJECTORY_POINTS * noises * latent / 1e6, read_mb=read_mb)


def prepare_reference(study: Study, wildcards: Mapping[str, str]) -> Cost:
    """Some minutes, on a CPU."""
    dimensions = features(study, wildcards["encoder"])
    return Cost(START_HOURS + QUALITY_MINUTES / 60, 2 * 8 * dimensions**2 / 1e6, mem_mb=32_000)


def measure_quality(study: Study, wildcards: Mapping[str, str]) -> Cost:
    """Some minutes in each encoder, on a CPU."""
    spec = study.evaluations[wildcards["dataset"]]
    return Cost(START_HOURS + len(spec.encoders or ()) * QUALITY_MINUTES / 60, 1, mem_mb=32_000)


def measure(study: Study, wildcards: Mapping[str, str]) -> Cost:
    """A quarter of a minute for each run in each encoder, on a CPU."""
    spec = study.evaluations[wildcards["dataset"]]
    return Cost(START_HOURS + len(spec.runs or ()) * len(spec.encoders or ()) / 240, 1, mem_mb=32_000)


def measure_tokenizers(study: Study, wildcards: Mapping[str, str]) -> Cost:
    dataset, spec = study.datasets[wildcards["dataset"]], study.evaluations[wildcards["dataset"]]
    # Held out is a tenth, or less.
    count, channels, resolution = images(dataset) / 10, dataset.channels, dataset.resolution
    flops = sum(
        encoder_flops(tokenizer, channels, resolution) + decoder_flops(tokenizer, channels, resolution)
        for tokenizer in (study.tokenizers[name] for name in spec.tokenizers or ())
    )
    return _on_gpus(GPUS * _inference(count * flops), 10)
