rule train_probe:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
    output:
        weights="<results>/{dataset}/encoders/{encoder}/weights.safetensors",
        config="<results>/{dataset}/encoders/{encoder}/config.json",
        curve="<results>/{dataset}/encoders/{encoder}/curve.parquet",
    log:
        "<results>/logs/{dataset}/encoders/{encoder}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/encoders/{encoder}.tsv"
    wildcard_constraints:
        encoder="|".join(re.escape(name) for name, spec in study.encoders.items() if spec.kind == "probe") or "^$",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        dataset=subpath(input.manifest, parent=True),
        spec=identity("encoder"),
        state=lambda wildcards: paths.state_file(study, "encoders", wildcards.encoder),
        root=subpath(output.weights, parent=True),
    shell:
        'python "$SCRIPTS/train_probe.py" --study "$STUDY" --encoder {wildcards.encoder} '
        "--dataset {params.dataset} --state {params.state} --output {params.root} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule embed_images:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
        encoder=lambda wildcards: encoder_input(wildcards.encoder),
    output:
        embeddings="<results>/{dataset}/embeddings/{encoder}.npy",
        sidecar="<results>/{dataset}/embeddings/{encoder}.json",
    log:
        "<results>/logs/{dataset}/embeddings/{encoder}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/embeddings/{encoder}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        dataset=subpath(input.manifest, parent=True),
        spec=lambda wildcards: encoder_identity(wildcards.encoder),
        state=lambda wildcards: paths.state_file(study, "embeddings", wildcards.dataset, wildcards.encoder),
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} embed_images.py --dataset {params.dataset} '
        '--study "$STUDY" --encoder {wildcards.encoder} --encoder-files {input.encoder} '
        '--weights-lock "$WEIGHTS_LOCK" --state {params.state} --output {output.embeddings} '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule embed_samples:
    input:
        images="<results>/{dataset}/samples/{run}/{sampling}/images.npy",
        encoder=lambda wildcards: encoder_input(wildcards.encoder),
    output:
        features="<results>/{dataset}/features/{encoder}/{run}/{sampling}.npy",
        sidecar="<results>/{dataset}/features/{encoder}/{run}/{sampling}.json",
    log:
        "<results>/logs/{dataset}/features/{encoder}/{run}/{sampling}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/features/{encoder}/{run}/{sampling}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        spec=lambda wildcards: encoder_identity(wildcards.encoder),
        state=lambda wildcards: paths.state_file(
            study, "features", wildcards.encoder, wildcards.run, wildcards.sampling
        ),
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} embed_images.py --images {input.images} '
        '--study "$STUDY" --encoder {wildcards.encoder} --encoder-files {input.encoder} '
        '--weights-lock "$WEIGHTS_LOCK" --state {params.state} --output {output.features} '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
