# The study, and lookups in it: names become specs and paths.
import math
import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError

from steadyflow.artifacts import UserError
from steadyflow.driver import Driver, begin_driving, end_driving
from steadyflow.fetch.lock import described, entry_of, read_lock
from steadyflow.names import PALIGEMMA_REPO, VGG16_WEIGHTS
from steadyflow.stages import exhibits
from steadyflow.study import load_study, paths
from steadyflow.study.resources import minutes, work

ROOT = Path(workflow.basedir)
STUDY_FILE = Path(workflow.overwrite_configfiles[-1]) if workflow.overwrite_configfiles else ROOT / "config.yaml"
WEIGHTS_LOCK = ROOT / "resources" / "weights.lock"
try:
    study = load_study(STUDY_FILE)
    WEIGHTS = read_lock(WEIGHTS_LOCK)
except UserError as error:
    raise WorkflowError(str(error)) from None

# What every command needs and no result depends on. Where these lie must not enter params, or moving the repository
# would rerun everything.
os.environ |= {
    "STUDY": str(STUDY_FILE),
    "DEVICE": str(config.get("device", "auto")),
    "SCRIPTS": str(ROOT / "workflow" / "scripts"),
    "SNAKEFILE": str(ROOT / "Snakefile"),
    "WEIGHTS_LOCK": str(WEIGHTS_LOCK),
    "DATASETS_LOCK": str(ROOT / "resources" / "datasets.lock"),
    "PYTHONPATH": os.pathsep.join([str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]),
    # This very Python for every job, whether or not the environment was activated; --sdm conda goes before it.
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), *os.get_exec_path()]),
}

# By default a training knows how often to save its state.
if "save_seconds" in config:
    try:
        os.environ |= {"SAVE_SECONDS": str(float(config["save_seconds"]))}
    except (TypeError, ValueError):
        raise WorkflowError(f"--config save_seconds={config['save_seconds']}: expected seconds, such as 600") from None


# For --sdm apptainer, of every rule: what envs/steadyflow.def builds, put where weights are put. The same place from
# wherever this repository lies.
container: f"{study.downloads}/steadyflow.sif"


pathvars:
    results=study.results,
    downloads=study.downloads,


wildcard_constraints:
    weights="|".join(map(re.escape, WEIGHTS)),
    dataset="|".join(map(re.escape, study.datasets)) or "^$",
    tokenizer="|".join(map(re.escape, study.tokenizers)) or "^$",
    encoder="|".join(map(re.escape, study.encoders)) or "^$",
    classifier="|".join(map(re.escape, [*study.probes, *study.classifiers])) or "^$",
    clustering="|".join(map(re.escape, study.clusterings)) or "^$",
    subset="|".join(map(re.escape, study.subsets)) or "^$",
    run="|".join(map(re.escape, study.runs)) or "^$",
    measured="|".join(re.escape(name) for each in study.evaluations for name in study.measured(each)) or "^$",
    sampling="|".join(map(re.escape, study.samplings)) or "^$",


def this_driver():
    """This Snakemake, with the name that its SLURM jobs bear."""
    return Driver.here(getattr(workflow.scheduler._executor, "run_uuid", ""))


# They write no results: beside a Snakemake that does, or one that was killed, they may run.
UNLOCKED = {"estimate", "fetch", "download_weights", "download_dataset"}


def take_results():
    """Refuses to start where another Snakemake works on the same results, unless this one does not."""
    if UNLOCKED.issuperset(job.rule.name for job in workflow.dag.needrun_jobs()):
        return
    try:
        begin_driving(study.results, this_driver())
    except UserError as error:
        raise WorkflowError(str(error)) from None


def leave_results():
    end_driving(study.results, this_driver())


def identity(section):
    """The spec that a rule's wildcard names, as params: an edit of it, and of it alone, reruns the rule."""
    return lambda wildcards: getattr(study, f"{section}s")[wildcards[section]].identity()


def asked(what):
    """A resource of a job, worked out from what it has to do. Nothing of it limits a run on one machine, unless
    --resources says how much there is; a profile overrides it by set-resources."""
    return lambda wildcards, rulename: math.ceil(getattr(work(study, rulename, wildcards), what))


# Of every job that takes more than seconds. On a cluster: minutes, memory of the node, disk.
ASKED = {
    "runtime": lambda wildcards, rulename, attempt: minutes(study, rulename, wildcards, attempt),
    "mem_mb": asked("mem_mb"),
    "disk_mb": asked("disk_mb"),
}


def source_files(wildcards):
    """Files outside the results that a dataset is made from."""
    spec = study.datasets[wildcards.dataset]
    return [paths.downloaded_files(study, wildcards.dataset)] if spec.downloaded else spec.files


def lpips_weights(needed):
    """The input `vgg16` that LPIPS sees with, where it is needed."""
    return [paths.weights_file(study, VGG16_WEIGHTS)] if needed else []


def lpips_flags(wildcards, input):
    """What stands before that input. Where it lies is no param, or moving it would rerun everything."""
    return "--vgg16" if input.vgg16 else ""


def encoder_input(name):
    """All that an encoder is opened from. Weights of others are fetched beforehand, never amid a computation: here is
    said, before anything is computed, which are not there."""
    files = paths.encoder_files(study, name)
    if study.encoders[name].weights and not all(map(os.path.isfile, files)):
        needed = {paths.weights_file(study, file): entry_of(WEIGHTS, file) for file in study.encoder_weights}
        absent = [described(entry, path) for path, entry in needed.items() if not os.path.isfile(path)]
        advice = "run `snakemake fetch` where there is a network, or fetch them elsewhere and put them there"
        raise WorkflowError("\n".join([f"weights of the study's encoders are absent; {advice}:", *absent]))
    return files


def encoder_identity(name):
    """What an encoder's features depend on, beside the images and the weights of a probe."""
    spec = study.encoders[name]
    return [spec.kind, spec.options, [entry_of(WEIGHTS, file).sha256 for file in spec.weights]]


def classifier_input(name):
    """All that a classifier is opened from; said before anything is computed where PaliGemma is absent."""
    if study.classified_features(name) == name:
        return paths.classifier_files(study, name)
    if study.classified_features(name) is not None:
        return encoder_input(study.classified_features(name))
    (folder,) = map(Path, paths.classifier_files(study, name))
    files = sorted(str(path) for suffix in ("json", "safetensors") for path in folder.glob(f"*.{suffix}"))
    if not (folder / "config.json").is_file() or not any(file.endswith(".safetensors") for file in files):
        raise WorkflowError(
            f"classifiers.{name}: {folder} does not hold the model {PALIGEMMA_REPO} (config.json, *.safetensors and "
            "others). It is gated, and `snakemake fetch` does not get it: accept the Gemma Terms of Use at "
            f"https://huggingface.co/{PALIGEMMA_REPO}, log in with a token of your own, and where there is a network "
            f"run\n  hf download {PALIGEMMA_REPO} --local-dir {folder}\n"
            "or name other `classifiers` in the evaluation (docs/fairness.md)."
        )
    return files


def classifier_identity(name):
    """What a classifier's answers depend on, beside its files and the features that it reads."""
    return study.classifiers[name].identity() if name in study.classifiers else "heads of a probe"


def classified_features(wildcards):
    """The features that a classifier reads, of a run's samples or of the dataset; none where it looks at images."""
    encoder = study.classified_features(wildcards.classifier)
    if encoder is None:
        return []
    if "run" in wildcards.keys():
        return [paths.features_file(study, encoder, wildcards.run, wildcards.sampling)]
    return [paths.embeddings_file(study, wildcards.dataset, encoder)]


def classifying_processes(wildcards):
    """One reads features."""
    return "auto" if study.classified_features(wildcards.classifier) is None else 1


def features_flags(wildcards, input):
    """What stands before the input `features`, for classifiers that read some."""
    return "--features" if input.features else ""


def needed_weights():
    """All files of resources/weights.lock that the study needs, each once."""
    of_encoders = [paths.weights_file(study, name) for name in study.encoder_weights]
    return list(dict.fromkeys(lpips_weights(study.uses_lpips) + of_encoders))


def archive_files(wildcards):
    """The archive that holds a file of resources/weights.lock."""
    archive = WEIGHTS[wildcards.weights].inside
    return [paths.weights_file(study, archive)] if archive else []


def download_identity(wildcards):
    """What a dataset's downloaded files depend on."""
    spec = study.datasets[wildcards.dataset]
    return spec.model_dump(mode="json", include={"source", "repo", "revision", "train", "val"})


def chosen_by(wildcards):
    """What a subset is chosen by, each with the JSON beside it, or the user's file that lists it."""
    spec = study.subsets[wildcards.subset]
    artifacts = paths.chosen_by(study, wildcards.subset).values()
    listed = [spec.file] if hasattr(spec, "file") else []
    return [*artifacts, *map(paths.sidecar, artifacts), *listed]


def clustered_files(wildcards):
    """What a clustering reads."""
    encoder = study.clusterings[wildcards.clustering].encoder
    return {
        "manifest": paths.dataset_files(study, wildcards.dataset)["manifest"],
        "embeddings": (embeddings := paths.embeddings_file(study, wildcards.dataset, encoder)),
        "embeddings_sidecar": paths.sidecar(embeddings),
    }


def subset_input(wildcards):
    subset = study.runs[wildcards.run].subset
    return {} if subset is None else {"subset": paths.subset_files(study, subset)["subset"]}


def weights_input(wildcards):
    """A file of the user that a run takes instead of a training."""
    weights = study.runs[wildcards.run].weights
    return {} if weights is None else {"weights": weights}


def evaluated_files(kind):
    """What a kind of metric reads of every evaluated run: "latents", "descriptions", ..., or the "subsets" of them."""

    def files(wildcards):
        spec = study.evaluations[wildcards.dataset]
        if kind == "subsets":
            return [paths.subset_files(study, name)["subset"] for name in study.evaluated_subsets(wildcards.dataset)]
        if kind == "runs":
            return [paths.run_files(study, run)["description"] for run in spec.runs]
        return [paths.samples_files(study, *sampled)[kind] for sampled in study.evaluated_samples(wildcards.dataset)]

    return files


def features_of(dataset, encoders, sampled):
    """What encoders make of some samples, each a (run, sampling), and of the dataset's own images."""
    embeddings = [paths.embeddings_file(study, dataset, encoder) for encoder in encoders]
    return {
        "features": [paths.features_file(study, encoder, *each) for encoder in encoders for each in sampled],
        "embeddings": [*embeddings, *map(paths.sidecar, embeddings)],
    }


def measured_files(wildcards):
    """What the quality of a run, or of a mixture of runs, is measured from."""
    spec, runs = study.evaluations[wildcards.dataset], study.measured(wildcards.dataset)[wildcards.measured]
    # Of memorisation, by which a run of another dataset is not measured.
    subsets = dict.fromkeys(study.runs[run].subset for run in runs if study.runs[run].dataset == wildcards.dataset)
    features = features_of(wildcards.dataset, spec.encoders, [(run, spec.sampling) for run in runs])
    return features | {"subsets": [paths.subset_files(study, name)["subset"] for name in subsets if name is not None]}


def measured_identity(wildcards):
    """What defines it; other runs do not."""
    spec, runs = study.evaluations[wildcards.dataset], study.measured(wildcards.dataset)[wildcards.measured]
    sampled = {run: study.sampling_identity(run, spec.sampling) for run in runs}
    return [spec.model_dump(mode="json", include={"encoders", "seed"}), sampled]


def compared_features(wildcards):
    """What pairs of samples are compared in."""
    spec, sampled = study.evaluations[wildcards.dataset], study.evaluated_samples(wildcards.dataset)
    return features_of(wildcards.dataset, spec.similarity_encoders, sampled)


def traced_files(file):
    """One of the files of every run whose paths are compared."""
    return lambda wildcards: [
        paths.trace_files(study, run, study.evaluations[wildcards.dataset].sampling)[file]
        for run in study.traced_runs(wildcards.dataset)
    ]


def told_of_reference(wildcards):
    """What the evaluation's classifiers tell of the reference's samples, each with the JSON beside it."""
    spec = study.evaluations[wildcards.dataset]
    if spec.reference is None:
        return []
    told = [paths.sampled_attributes_file(study, name, spec.reference, spec.sampling) for name in spec.classifiers]
    return [*told, *map(paths.sidecar, told)]


def evaluated_attributes(wildcards):
    """What the evaluation's classifiers tell of the dataset and of every evaluated run, each with the JSON beside it."""
    dataset, spec = wildcards.dataset, study.evaluations[wildcards.dataset]
    if not spec.classifiers:
        raise WorkflowError(f"evaluations.{dataset}.classifiers: there are none, so nothing tells attributes")
    told = [paths.attributes_file(study, dataset, name) for name in spec.classifiers]
    told += [
        paths.sampled_attributes_file(study, name, run, spec.sampling) for name in spec.classifiers for run in spec.runs
    ]
    return [*told, *map(paths.sidecar, told)]


def evaluated_tokenizers(file):
    """One of the files of every evaluated tokenizer."""
    return lambda wildcards: [
        paths.tokenizer_files(study, name)[file] for name in study.evaluations[wildcards.dataset].tokenizers
    ]


def similarity_identity(wildcards):
    """What pairs are compared, in what, and by which classifier's classes."""
    dataset, spec = wildcards.dataset, study.evaluations[wildcards.dataset]
    asked = {"reference", "runs", "inverse_pairs", "similarity_encoders", "sampling", "ceiling", "classifiers"}
    sampled = {" ".join(each): study.sampling_identity(*each) for each in study.evaluated_samples(dataset)}
    return [spec.model_dump(mode="json", include=asked), study.modes(dataset), sampled]


def evaluation_identity(wildcards):
    """The evaluation of runs, without what tables and figures alone read."""
    spec = study.evaluations[wildcards.dataset]
    return [
        spec.model_dump(mode="json", exclude={"classifiers", "paper_attributes", "paths", "show", "tokenizers"}),
        {" ".join(each): study.sampling_identity(*each) for each in study.evaluated_samples(wildcards.dataset)},
    ]


def paths_identity(wildcards):
    """The comparison of paths: an edit of it leaves samples and other metrics as they are."""
    spec = study.evaluations[wildcards.dataset]
    return [
        spec.paths,
        study.path_pairs(wildcards.dataset),
        {run: study.path_identity(run, spec.sampling) for run in study.traced_runs(wildcards.dataset)},
    ]


def fairness_identity(wildcards):
    """What fairness is measured of: neither an encoder nor a reference enters it."""
    spec = study.evaluations[wildcards.dataset]
    return [
        spec.model_dump(mode="json", include={"classifiers", "runs", "sampling", "seed"}),
        {name: mixture.runs for name, mixture in spec.mixtures.items()},
        {run: study.sampling_identity(run, spec.sampling) for run in spec.runs},
    ]
