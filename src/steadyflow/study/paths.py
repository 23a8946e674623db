"""Where every artifact of a study lies. The Snakefile and the scripts that read many artifacts share this page."""

from steadyflow.artifacts import UserError
from steadyflow.names import PALIGEMMA_FOLDER
from steadyflow.study.identity import work_hash
from steadyflow.study.specs import ProbeEncoder, Study


def weights_file(study: Study, name: str) -> str:
    """Where a file of resources/weights.lock lies once it is downloaded, or put there by hand."""
    return f"{study.downloads}/weights/{name}"


def downloaded_files(study: Study, dataset: str) -> str:
    """files.json, the list of a dataset's downloaded files, in the folder that holds them."""
    return f"{study.downloads}/datasets/{dataset}/files.json"


def dataset_root(study: Study, dataset: str) -> str:
    return f"{study.results}/{dataset}"


def dataset_files(study: Study, dataset: str) -> dict[str, str]:
    root = dataset_root(study, dataset)
    return {"manifest": f"{root}/manifest.parquet", "info": f"{root}/dataset.json", "images": f"{root}/images"}


def tokenizer_files(study: Study, tokenizer: str) -> dict[str, str]:
    root = f"{study.results}/{study.tokenizers[tokenizer].dataset}/tokenizers/{tokenizer}"
    names = {"weights": "weights.safetensors", "config": "config.json", "curve": "curve.parquet"}
    return {key: f"{root}/{name}" for key, name in names.items()}


def probe_files(study: Study, encoder: str) -> dict[str, str]:
    """What the training of a probe leaves. Raises UserError for an encoder of another kind."""
    spec = study.encoders[encoder]
    if not isinstance(spec, ProbeEncoder):
        raise UserError(
            f"encoders.{encoder}.kind: '{spec.kind}' has no heads that tell attributes; a probe has (kind: probe)"
        )
    root = f"{study.results}/{spec.dataset}/encoders/{encoder}"
    return {"weights": f"{root}/weights.safetensors", "config": f"{root}/config.json"}


def encoder_files(study: Study, encoder: str) -> list[str]:
    """All that an encoder of any kind is opened from."""
    weights = study.encoders[encoder].weights
    return [weights_file(study, name) for name in weights] or list(probe_files(study, encoder).values())


def classifier_files(study: Study, classifier: str) -> list[str]:
    """All that a classifier is opened from; of one whose files are not pinned, their folder."""
    if classifier in study.probes:
        return list(probe_files(study, classifier).values())
    reads = study.classified_features(classifier)
    return [weights_file(study, PALIGEMMA_FOLDER)] if reads is None else encoder_files(study, reads)


def latents_files(study: Study, dataset: str, tokenizer: str) -> dict[str, str]:
    root = f"{study.results}/{dataset}/latents/{tokenizer}"
    return {"latents": f"{root}.npy", "scale": f"{root}.json"}


def embeddings_file(study: Study, dataset: str, encoder: str) -> str:
    return f"{study.results}/{dataset}/embeddings/{encoder}.npy"


def clusters_files(study: Study, clustering: str) -> dict[str, str]:
    root = f"{study.results}/{study.clusterings[clustering].dataset}/clusters/{clustering}"
    return {"clusters": f"{root}.parquet", "sidecar": f"{root}.json"}


def cluster_numbers_file(study: Study, clustering: str) -> str:
    """What the clustering would be with other numbers of clusters."""
    return f"{study.results}/{study.clusterings[clustering].dataset}/clusters/by_k/{clustering}.json"


def scores_file(study: Study, scoring: str) -> str:
    return f"{study.results}/{study.runs[scoring].dataset}/scores/{scoring}.parquet"


def subset_files(study: Study, subset: str) -> dict[str, str]:
    root = f"{study.results}/{study.subsets[subset].dataset}/subsets/{subset}"
    dropped = f"{study.results}/{study.subsets[subset].dataset}/subsets/dropped/{subset}.txt"
    return {"subset": f"{root}.parquet", "rule": f"{root}.json", "kept": f"{root}.txt", "dropped": dropped}


def prune_page(study: Study) -> str:
    return f"{study.results}/reports/prune/{study.name}.html"


def overlaps_file(study: Study, dataset: str) -> str:
    """How much each two of a dataset's subsets have in common."""
    return f"{study.results}/{dataset}/subsets.json"


def chosen_by(study: Study, subset: str) -> dict[str, str]:
    """The artifacts that a subset is chosen by; `sidecar` names the JSON beside each."""
    spec, found = study.subsets[subset], {}
    dataset, clusters, scores = str(spec.dataset), getattr(spec, "clusters", None), getattr(spec, "scores", None)
    tokenizer, encoder = getattr(spec, "tokenizer", None), getattr(spec, "encoder", None)
    if clusters is not None:
        found["clusters"] = clusters_files(study, clusters)["clusters"]
    if spec.criterion == "semdedup":
        encoder = study.clusterings[str(clusters)].encoder
    if scores is not None:
        found["scores"] = scores_file(study, scores)
    if tokenizer is not None:
        found["latents"] = latents_files(study, dataset, tokenizer)["latents"]
    if encoder is not None:
        found["embeddings"] = embeddings_file(study, dataset, encoder)
    return found | {f"subset {name}": subset_files(study, name)["subset"] for name in spec.members}


def sidecar(file: str) -> str:
    """The JSON beside a Parquet or .npy file, which says what it was made from."""
    return f"{file.rpartition('.')[0]}.json"


def run_files(study: Study, run: str) -> dict[str, str]:
    root = f"{study.results}/{study.runs[run].dataset}/runs/{run}"
    return {
        "weights": f"{root}/weights.safetensors",
        "description": f"{root}/run.json",
        "curve": f"{root}/curve.parquet",
    }


def samples_files(study: Study, run: str, sampling: str) -> dict[str, str]:
    root = f"{study.results}/{study.runs[run].dataset}/samples/{run}/{sampling}"
    names = {"images": "images.npy", "latents": "latents.npy", "description": "sampling.json"}
    return {key: f"{root}/{name}" for key, name in names.items()}


def trace_files(study: Study, run: str, sampling: str) -> dict[str, str]:
    """The paths of the first noises of a sampling."""
    root = f"{study.results}/{study.runs[run].dataset}/samples/{run}/{sampling}"
    return {"paths": f"{root}/paths.npy", "description": f"{root}/paths.json"}


def features_file(study: Study, encoder: str, run: str, sampling: str) -> str:
    return f"{study.results}/{study.runs[run].dataset}/features/{encoder}/{run}/{sampling}.npy"


def attributes_file(study: Study, dataset: str, classifier: str) -> str:
    """What a classifier tells of a dataset's images; `sidecar` names the JSON beside it."""
    return f"{study.results}/{dataset}/attributes/{classifier}/dataset.parquet"


def sampled_attributes_file(study: Study, classifier: str, run: str, sampling: str) -> str:
    """The same of a run's samples."""
    return f"{study.results}/{study.runs[run].dataset}/attributes/{classifier}/{run}/{sampling}.parquet"


def quality_file(study: Study, dataset: str, measured: str) -> str:
    """Of one run, or mixture of runs: another run leaves those of the others as they are."""
    return f"{study.results}/{dataset}/metrics/quality/{measured}.parquet"


def metrics_files(study: Study, dataset: str, kind: str) -> list[str]:
    """The tables of metrics that are read as one."""
    if kind == "quality":
        return [quality_file(study, dataset, measured) for measured in study.measured(dataset)]
    return [metrics_file(study, dataset, kind)]


def metrics_file(study: Study, dataset: str, kind: str) -> str:
    return f"{study.results}/{dataset}/metrics/{kind}.parquet"


def reconstructions_file(study: Study, dataset: str) -> str:
    """Images of the validation split, and what the evaluation's tokenizers make of them."""
    return f"{study.results}/{dataset}/metrics/reconstructions.npy"


def table_files(study: Study, dataset: str, table: str) -> list[str]:
    return [f"{study.results}/{dataset}/tables/{table}.{suffix}" for suffix in ("csv", "md", "tex", "html")]


def figure_files(study: Study, dataset: str, figure: str) -> list[str]:
    return [f"{study.results}/{dataset}/figures/{figure}.{suffix}" for suffix in ("pdf", "png")]


_TRAININGS = ("tokenizers", "encoders", "runs")


def state_file(study: Study, section: str, *names: str) -> str:
    """Where the resumable state of long work lies, a training's or a table's: the sections and names of `work_hash`. An
    edited spec has a new one: the old is no trap."""
    suffix = "pt" if section in _TRAININGS else "npy"
    return f"{study.results}/state/{section}/{'/'.join(names)}-{work_hash(study, section, *names)}.{suffix}"


def work_files(study: Study, section: str, name: str) -> dict[str, str]:
    """What a training or scoring leaves last ("result"), and its "state", "log" and "benchmark"."""
    dataset = getattr(study, "runs" if section == "scorings" else section)[name].dataset
    folder = "scores" if section == "scorings" else section
    result = {
        "runs": f"{study.results}/{dataset}/runs/{name}/run.json",
        "tokenizers": f"{study.results}/{dataset}/tokenizers/{name}/config.json",
        "encoders": f"{study.results}/{dataset}/encoders/{name}/config.json",
        "scorings": f"{study.results}/{dataset}/scores/{name}.json",
    }
    return {
        "result": result[section],
        "state": state_file(study, section, name),
        "log": f"{study.results}/logs/{dataset}/{folder}/{name}.log",
        "benchmark": f"{study.results}/benchmarks/{dataset}/{folder}/{name}.tsv",
    }
