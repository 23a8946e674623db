rule train_tokenizer:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
    output:
        weights=RESULTS + "/{dataset}/tokenizers/{tokenizer}/weights.safetensors",
        config=RESULTS + "/{dataset}/tokenizers/{tokenizer}/config.json",
        curve=RESULTS + "/{dataset}/tokenizers/{tokenizer}/curve.parquet",
        reconstructions=RESULTS + "/{dataset}/tokenizers/{tokenizer}/reconstructions.npy",
    log:
        RESULTS + "/logs/{dataset}/tokenizers/{tokenizer}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/tokenizers/{tokenizer}.tsv"
    params:
        spec=identity("tokenizer"),
        # Through params, so that Snakemake does not delete it before a retry.
        state=lambda wildcards: paths.state_file(study, "tokenizers", wildcards.tokenizer),
        root=subpath(output.weights, parent=True),
    shell:
        "{PYTHON} {SCRIPTS}/train_tokenizer.py --study {STUDY_FILE} --tokenizer {wildcards.tokenizer} "
        "--dataset {RESULTS}/{wildcards.dataset} --state {params.state} --output {params.root} "
        "--device {DEVICE} --threads {threads} > {log} 2>&1"


rule encode_latents:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
        weights=lambda wildcards: paths.tokenizer_files(study, wildcards.tokenizer)["weights"],
        config=lambda wildcards: paths.tokenizer_files(study, wildcards.tokenizer)["config"],
    output:
        latents=RESULTS + "/{dataset}/latents/{tokenizer}.npy",
        scale=RESULTS + "/{dataset}/latents/{tokenizer}.json",
    log:
        RESULTS + "/logs/{dataset}/latents/{tokenizer}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/latents/{tokenizer}.tsv"
    params:
        tokenizer=subpath(input.weights, parent=True),
    shell:
        "{PYTHON} {SCRIPTS}/encode_latents.py --dataset {RESULTS}/{wildcards.dataset} "
        "--tokenizer {params.tokenizer} --output {output.latents} "
        "--device {DEVICE} --threads {threads} > {log} 2>&1"
