def evaluated_files(kind):
    """What a kind of metric reads of every evaluated run: "features", "latents", "subsets" or "descriptions"."""

    def files(wildcards):
        spec = study.evaluations[wildcards.dataset]
        per_run = {
            "features": lambda run: paths.features_file(study, spec.encoder, run, spec.sampling),
            "latents": lambda run: paths.samples_files(study, run, spec.sampling)["latents"],
            "descriptions": lambda run: paths.run_files(study, run)["description"],
        }
        if kind == "subsets":
            subsets = dict.fromkeys(study.runs[run].subset for run in spec.runs)
            return [paths.subset_files(study, subset)["subset"] for subset in subsets if subset is not None]
        return [per_run[kind](run) for run in spec.runs]

    return files


def evaluation_identity(wildcards):
    """The evaluation without what tables and figures alone read."""
    spec = study.evaluations[wildcards.dataset]
    return [spec.model_dump(mode="json", exclude={"paper_attributes"}), study.samplings[spec.sampling].identity()]


rule measure_quality:
    input:
        features=evaluated_files("features"),
        subsets=evaluated_files("subsets"),
        manifest=RESULTS + "/{dataset}/manifest.parquet",
        embeddings=lambda wildcards: paths.embeddings_file(
            study, wildcards.dataset, study.evaluations[wildcards.dataset].encoder
        ),
    output:
        RESULTS + "/{dataset}/metrics/quality.parquet",
    log:
        RESULTS + "/logs/{dataset}/metrics/quality.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/metrics/quality.tsv"
    params:
        spec=evaluation_identity,
    shell:
        "{PYTHON} {SCRIPTS}/measure_quality.py --study {STUDY_FILE} --dataset {wildcards.dataset} "
        "--output {output} > {log} 2>&1"


rule measure_similarity:
    input:
        features=evaluated_files("features"),
        latents=evaluated_files("latents"),
        subsets=evaluated_files("subsets"),
        runs=evaluated_files("descriptions"),
        manifest=RESULTS + "/{dataset}/manifest.parquet",
    output:
        metrics=RESULTS + "/{dataset}/metrics/similarity.parquet",
        histograms=RESULTS + "/{dataset}/metrics/similarity_histograms.parquet",
    log:
        RESULTS + "/logs/{dataset}/metrics/similarity.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/metrics/similarity.tsv"
    params:
        spec=evaluation_identity,
    shell:
        "{PYTHON} {SCRIPTS}/measure_similarity.py --study {STUDY_FILE} --dataset {wildcards.dataset} "
        "--output {output.metrics} --histograms {output.histograms} > {log} 2>&1"


rule measure_fairness:
    input:
        unpack(lambda wildcards: paths.encoder_files(study, study.evaluations[wildcards.dataset].encoder)),
        features=evaluated_files("features"),
        manifest=RESULTS + "/{dataset}/manifest.parquet",
        info=RESULTS + "/{dataset}/dataset.json",
    output:
        RESULTS + "/{dataset}/metrics/fairness.parquet",
    log:
        RESULTS + "/logs/{dataset}/metrics/fairness.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/metrics/fairness.tsv"
    params:
        spec=evaluation_identity,
    shell:
        "{PYTHON} {SCRIPTS}/measure_fairness.py --study {STUDY_FILE} --dataset {wildcards.dataset} "
        "--output {output} > {log} 2>&1"
