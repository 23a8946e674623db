"""The long jobs that `all` of a study asks for, without Snakemake: what an estimate adds up."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from steadyflow.study import paths
from steadyflow.study.specs import ProbeEncoder, Study

Wildcards = tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Job:
    """One job of the workflow."""

    rule: str
    wildcards: Wildcards
    output: str
    """A file that it leaves last, or not at all."""

    @property
    def done(self) -> bool:
        return Path(self.output).exists()


def jobs(study: Study) -> list[Job]:
    """Each once, every job after what it needs."""
    return list(dict.fromkeys(_all(study)))


def _all(study: Study) -> Iterator[Job]:
    for subset in study.subsets:
        yield from _subset(study, subset)
    for dataset in study.evaluations:
        yield from _evaluation(study, dataset)


def _job(rule: str, output: str, **wildcards: str) -> Job:
    return Job(rule, tuple(wildcards.items()), output)


def _dataset(study: Study, dataset: str) -> Iterator[Job]:
    yield _job("prepare_dataset", paths.dataset_files(study, dataset)["info"], dataset=dataset)


def _tokenizer(study: Study, tokenizer: str) -> Iterator[Job]:
    dataset = str(study.tokenizers[tokenizer].dataset)
    yield from _dataset(study, dataset)
    config = paths.tokenizer_files(study, tokenizer)["config"]
    yield _job("train_tokenizer", config, dataset=dataset, tokenizer=tokenizer)


def _latents(study: Study, dataset: str, tokenizer: str) -> Iterator[Job]:
    yield from _dataset(study, dataset)
    yield from _tokenizer(study, tokenizer)
    scale = paths.latents_files(study, dataset, tokenizer)["scale"]
    yield _job("encode_latents", scale, dataset=dataset, tokenizer=tokenizer)


def _encoder(study: Study, encoder: str) -> Iterator[Job]:
    """The training of a probe; the weights of others are downloaded."""
    spec = study.encoders[encoder]
    if isinstance(spec, ProbeEncoder):
        yield from _dataset(study, str(spec.dataset))
        config = paths.probe_files(study, encoder)["config"]
        yield _job("train_probe", config, dataset=str(spec.dataset), encoder=encoder)


def _embeddings(study: Study, dataset: str, encoder: str) -> Iterator[Job]:
    yield from _dataset(study, dataset)
    yield from _encoder(study, encoder)
    sidecar = paths.sidecar(paths.embeddings_file(study, dataset, encoder))
    yield _job("embed_images", sidecar, dataset=dataset, encoder=encoder)


def _clustering(study: Study, clustering: str) -> Iterator[Job]:
    spec = study.clusterings[clustering]
    yield from _embeddings(study, str(spec.dataset), str(spec.encoder))
    sidecar = paths.clusters_files(study, clustering)["sidecar"]
    yield _job("cluster_embeddings", sidecar, dataset=str(spec.dataset), clustering=clustering)


def _scoring(study: Study, run: str) -> Iterator[Job]:
    yield from _run(study, run)
    sidecar = paths.sidecar(paths.scores_file(study, run))
    yield _job("score_samples", sidecar, dataset=str(study.runs[run].dataset), run=run)


def _subset(study: Study, subset: str) -> Iterator[Job]:
    spec, dataset = study.subsets[subset], str(study.subsets[subset].dataset)
    yield from _dataset(study, dataset)
    for field, needed in (("clusters", _clustering), ("scores", _scoring)):
        if (name := getattr(spec, field, None)) is not None:
            yield from needed(study, name)
    if (tokenizer := getattr(spec, "tokenizer", None)) is not None:
        yield from _latents(study, dataset, tokenizer)
    if (encoder := getattr(spec, "encoder", None)) is not None:
        yield from _embeddings(study, dataset, encoder)
    for member in spec.members:
        yield from _subset(study, member)
    yield _job("select_subset", paths.subset_files(study, subset)["rule"], dataset=dataset, subset=subset)


def _run(study: Study, run: str) -> Iterator[Job]:
    spec = study.runs[run]
    yield from _latents(study, str(spec.dataset), str(spec.tokenizer))
    if spec.subset is not None:
        yield from _subset(study, spec.subset)
    yield _job("train_run", paths.run_files(study, run)["description"], dataset=str(spec.dataset), run=run)


def _samples(study: Study, run: str, sampling: str) -> Iterator[Job]:
    common = {"dataset": str(study.runs[run].dataset), "run": run, "sampling": sampling}
    yield from _run(study, run)
    yield _job("sample_run", paths.samples_files(study, run, sampling)["description"], **common)


def _features(study: Study, encoder: str, run: str, sampling: str) -> Iterator[Job]:
    common = {"dataset": str(study.runs[run].dataset), "run": run, "sampling": sampling}
    yield from _samples(study, run, sampling)
    yield from _encoder(study, encoder)
    sidecar = paths.sidecar(paths.features_file(study, encoder, run, sampling))
    yield _job("embed_samples", sidecar, **common, encoder=encoder)


def _attributes(study: Study, dataset: str, classifier: str) -> Iterator[Job]:
    """What a classifier tells of the dataset and of every evaluated run."""
    encoder = study.classified_features(classifier)
    if encoder is not None:
        yield from _embeddings(study, dataset, encoder)
    sidecar = paths.sidecar(paths.attributes_file(study, dataset, classifier))
    yield _job("classify_images", sidecar, dataset=dataset, classifier=classifier)
    for run, sampling in study.evaluated_samples(dataset, ceiling=False):
        if encoder is None:
            yield from _samples(study, run, sampling)
        else:
            yield from _features(study, encoder, run, sampling)
        common = {"dataset": str(study.runs[run].dataset), "run": run, "sampling": sampling}
        sidecar = paths.sidecar(paths.sampled_attributes_file(study, classifier, run, sampling))
        yield _job("classify_samples", sidecar, **common, classifier=classifier)


def _evaluation(study: Study, dataset: str) -> Iterator[Job]:
    spec, kinds = study.evaluations[dataset], []
    yield from _dataset(study, dataset)
    for encoders, ceiling in ((spec.encoders, False), (spec.similarity_encoders, True)):
        for encoder in encoders or () if spec.runs else ():
            yield from _embeddings(study, dataset, encoder)
            for run, sampling in study.evaluated_samples(dataset, ceiling=ceiling):
                yield from _features(study, encoder, run, sampling)
    if spec.runs:
        kinds += ["similarity"]
        kinds += ["fairness"] if spec.classifiers else []
        kinds += ["paths"] if spec.paths else []
    for measured in study.measured(dataset):
        quality = paths.quality_file(study, dataset, measured)
        yield _job("measure_quality", quality, dataset=dataset, measured=measured)
    for classifier in spec.classifiers or () if spec.runs else ():
        yield from _attributes(study, dataset, classifier)
    for run in study.traced_runs(dataset) if spec.paths else ():
        yield from _run(study, run)
        common = {"dataset": str(study.runs[run].dataset), "run": run, "sampling": str(spec.sampling)}
        yield _job("trace_paths", paths.trace_files(study, run, str(spec.sampling))["description"], **common)
    for tokenizer in spec.tokenizers or ():
        yield from _tokenizer(study, tokenizer)
    if spec.tokenizers:
        yield from _encoder(study, (spec.encoders or ())[0])
        kinds.append("tokenizers")
    clustering = study.clustering_of(dataset)
    if clustering is not None:
        yield from _clustering(study, clustering)
        compared = paths.cluster_numbers_file(study, clustering)
        yield _job("compare_cluster_numbers", compared, dataset=dataset, clustering=clustering)
    for kind in kinds:
        yield _job(f"measure_{kind}", paths.metrics_file(study, dataset, kind), dataset=dataset)
