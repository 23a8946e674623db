def subset_input(wildcards):
    subset = study.runs[wildcards.run].subset
    return {} if subset is None else {"subset": paths.subset_files(study, subset)["subset"]}


rule train_run:
    input:
        unpack(lambda wildcards: paths.latents_files(study, wildcards.dataset, study.runs[wildcards.run].tokenizer)),
        unpack(subset_input),
        manifest=RESULTS + "/{dataset}/manifest.parquet",
        info=RESULTS + "/{dataset}/dataset.json",
    output:
        weights=RESULTS + "/{dataset}/runs/{run}/weights.safetensors",
        description=RESULTS + "/{dataset}/runs/{run}/run.json",
        curve=RESULTS + "/{dataset}/runs/{run}/curve.parquet",
    log:
        RESULTS + "/logs/{dataset}/runs/{run}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/runs/{run}.tsv"
    params:
        spec=identity("run"),
        state=lambda wildcards: paths.state_file(study, "runs", wildcards.run),
        subset=lambda wildcards, input: f"--subset {input.subset}" if "subset" in input.keys() else "",
        root=subpath(output.weights, parent=True),
    shell:
        "{PYTHON} {SCRIPTS}/train_run.py --study {STUDY_FILE} --run {wildcards.run} "
        "--dataset {RESULTS}/{wildcards.dataset} --latents {input.latents} {params.subset} "
        "--state {params.state} --output {params.root} --device {DEVICE} --threads {threads} > {log} 2>&1"
