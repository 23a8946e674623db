def source_files(wildcards):
    """Files outside the results that a dataset is made from."""
    spec = study.datasets[wildcards.dataset]
    if spec.source == "folder":
        return [path for path in (spec.path, spec.labels_csv) if path]
    return []


rule prepare_dataset:
    input:
        source_files,
    output:
        manifest=RESULTS + "/{dataset}/manifest.parquet",
        info=RESULTS + "/{dataset}/dataset.json",
        images=directory(RESULTS + "/{dataset}/images"),
    log:
        RESULTS + "/logs/{dataset}/dataset.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/dataset.tsv"
    params:
        spec=identity("dataset"),
        root=RESULTS + "/{dataset}",
    shell:
        "{PYTHON} {SCRIPTS}/prepare_dataset.py --study {STUDY_FILE} --dataset {wildcards.dataset} "
        "--output {params.root} > {log} 2>&1"
