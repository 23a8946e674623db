rule train_tokenizer:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
        vgg16=lambda wildcards: lpips_weights(study.tokenizers[wildcards.tokenizer].perceptual != "none"),
    output:
        weights="<results>/{dataset}/tokenizers/{tokenizer}/weights.safetensors",
        config="<results>/{dataset}/tokenizers/{tokenizer}/config.json",
        curve="<results>/{dataset}/tokenizers/{tokenizer}/curve.parquet",
    log:
        "<results>/logs/{dataset}/tokenizers/{tokenizer}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/tokenizers/{tokenizer}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        dataset=subpath(input.manifest, parent=True),
        spec=identity("tokenizer"),
        # Through params, so that Snakemake does not delete it before a retry.
        state=lambda wildcards: paths.state_file(study, "tokenizers", wildcards.tokenizer),
        lpips=lpips_flags,
        root=subpath(output.weights, parent=True),
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} train_tokenizer.py --study "$STUDY" '
        "--tokenizer {wildcards.tokenizer} --dataset {params.dataset} "
        '--weights-lock "$WEIGHTS_LOCK" {params.lpips} {input.vgg16} '
        "--state {params.state} --output {params.root} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule encode_latents:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
        weights=lambda wildcards: paths.tokenizer_files(study, wildcards.tokenizer)["weights"],
        config=lambda wildcards: paths.tokenizer_files(study, wildcards.tokenizer)["config"],
    output:
        latents="<results>/{dataset}/latents/{tokenizer}.npy",
        scale="<results>/{dataset}/latents/{tokenizer}.json",
    log:
        "<results>/logs/{dataset}/latents/{tokenizer}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/latents/{tokenizer}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        dataset=subpath(input.manifest, parent=True),
        tokenizer=subpath(input.weights, parent=True),
        state=lambda wildcards: paths.state_file(study, "latents", wildcards.dataset, wildcards.tokenizer),
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} encode_latents.py --dataset {params.dataset} '
        "--tokenizer {params.tokenizer} --state {params.state} --output {output.latents} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
