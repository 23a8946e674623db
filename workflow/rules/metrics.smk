rule measure_quality:
    input:
        features=evaluated_files("features"),
        subsets=evaluated_files("subsets"),
        manifest="<results>/{dataset}/manifest.parquet",
        embeddings=lambda wildcards: paths.embeddings_file(
            study, wildcards.dataset, study.evaluations[wildcards.dataset].encoder
        ),
    output:
        "<results>/{dataset}/metrics/quality.parquet",
    log:
        "<results>/logs/{dataset}/metrics/quality.log",
    benchmark:
        "<results>/benchmarks/{dataset}/metrics/quality.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    resources:
        **ASKED,
    params:
        spec=evaluation_identity,
    shell:
        'python "$SCRIPTS/measure_quality.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--output {output} > {log} 2>&1"


rule measure_similarity:
    input:
        features=evaluated_files("features"),
        latents=evaluated_files("latents"),
        subsets=evaluated_files("subsets"),
        runs=evaluated_files("descriptions"),
        manifest="<results>/{dataset}/manifest.parquet",
    output:
        metrics="<results>/{dataset}/metrics/similarity.parquet",
        histograms="<results>/{dataset}/metrics/similarity_histograms.parquet",
    log:
        "<results>/logs/{dataset}/metrics/similarity.log",
    benchmark:
        "<results>/benchmarks/{dataset}/metrics/similarity.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    resources:
        **ASKED,
    params:
        spec=evaluation_identity,
    shell:
        'python "$SCRIPTS/measure_similarity.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--output {output.metrics} --histograms {output.histograms} > {log} 2>&1"


rule measure_fairness:
    input:
        unpack(lambda wildcards: paths.probe_files(study, study.evaluations[wildcards.dataset].encoder)),
        features=evaluated_files("features"),
        manifest="<results>/{dataset}/manifest.parquet",
        info="<results>/{dataset}/dataset.json",
    output:
        "<results>/{dataset}/metrics/fairness.parquet",
    log:
        "<results>/logs/{dataset}/metrics/fairness.log",
    benchmark:
        "<results>/benchmarks/{dataset}/metrics/fairness.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    resources:
        **ASKED,
    params:
        spec=evaluation_identity,
    shell:
        'python "$SCRIPTS/measure_fairness.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--output {output} > {log} 2>&1"


rule measure_tokenizers:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
        encoder=lambda wildcards: encoder_input(study.evaluations[wildcards.dataset].encoder),
        vgg16=lpips_weights(study.uses_lpips),
        tokenizers=evaluated_tokenizers("weights"),
        configs=evaluated_tokenizers("config"),
    output:
        metrics="<results>/{dataset}/metrics/tokenizers.parquet",
        reconstructions="<results>/{dataset}/metrics/reconstructions.npy",
    log:
        "<results>/logs/{dataset}/metrics/tokenizers.log",
    benchmark:
        "<results>/benchmarks/{dataset}/metrics/tokenizers.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    resources:
        **ASKED,
    params:
        spec=lambda wildcards: study.evaluations[wildcards.dataset].model_dump(
            mode="json", include={"encoder", "tokenizers"}
        ),
        encoder=lambda wildcards: encoder_identity(study.evaluations[wildcards.dataset].encoder),
        lpips=lpips_flags,
    shell:
        'python "$SCRIPTS/measure_tokenizers.py" --study "$STUDY" --dataset {wildcards.dataset} '
        '--encoder-files {input.encoder} --weights-lock "$WEIGHTS_LOCK" {params.lpips} {input.vgg16} '
        "--output {output.metrics} --reconstructions {output.reconstructions} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
