rule train_probe:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
    output:
        weights=RESULTS + "/{dataset}/encoders/{encoder}/weights.safetensors",
        config=RESULTS + "/{dataset}/encoders/{encoder}/config.json",
        curve=RESULTS + "/{dataset}/encoders/{encoder}/curve.parquet",
    log:
        RESULTS + "/logs/{dataset}/encoders/{encoder}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/encoders/{encoder}.tsv"
    params:
        spec=identity("encoder"),
        state=lambda wildcards: paths.state_file(study, "encoders", wildcards.encoder),
        root=subpath(output.weights, parent=True),
    shell:
        "{PYTHON} {SCRIPTS}/train_probe.py --study {STUDY_FILE} --encoder {wildcards.encoder} "
        "--dataset {RESULTS}/{wildcards.dataset} --state {params.state} --output {params.root} "
        "--device {DEVICE} --threads {threads} > {log} 2>&1"


rule embed_images:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
        weights=lambda wildcards: paths.encoder_files(study, wildcards.encoder)["weights"],
        config=lambda wildcards: paths.encoder_files(study, wildcards.encoder)["config"],
    output:
        embeddings=RESULTS + "/{dataset}/embeddings/{encoder}.npy",
        sidecar=RESULTS + "/{dataset}/embeddings/{encoder}.json",
    log:
        RESULTS + "/logs/{dataset}/embeddings/{encoder}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/embeddings/{encoder}.tsv"
    params:
        encoder=subpath(input.weights, parent=True),
    shell:
        "{PYTHON} {SCRIPTS}/embed_images.py --dataset {RESULTS}/{wildcards.dataset} --encoder {params.encoder} "
        "--output {output.embeddings} --device {DEVICE} --threads {threads} > {log} 2>&1"


rule embed_samples:
    input:
        images=RESULTS + "/{dataset}/samples/{run}/{sampling}/images.npy",
        weights=lambda wildcards: paths.encoder_files(study, wildcards.encoder)["weights"],
        config=lambda wildcards: paths.encoder_files(study, wildcards.encoder)["config"],
    output:
        features=RESULTS + "/{dataset}/features/{encoder}/{run}/{sampling}.npy",
        sidecar=RESULTS + "/{dataset}/features/{encoder}/{run}/{sampling}.json",
    log:
        RESULTS + "/logs/{dataset}/features/{encoder}/{run}/{sampling}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/features/{encoder}/{run}/{sampling}.tsv"
    params:
        encoder=subpath(input.weights, parent=True),
    shell:
        "{PYTHON} {SCRIPTS}/embed_images.py --images {input.images} --encoder {params.encoder} "
        "--output {output.features} --device {DEVICE} --threads {threads} > {log} 2>&1"
