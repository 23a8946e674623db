# A job for each run: one more run measures none of the others anew, and a kill loses one.
rule measure_quality:
    input:
        unpack(measured_files),
        manifest="<results>/{dataset}/manifest.parquet",
    output:
        "<results>/{dataset}/metrics/quality/{measured}.parquet",
    log:
        "<results>/logs/{dataset}/metrics/quality/{measured}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/metrics/quality/{measured}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=measured_identity,
    shell:
        'python "$SCRIPTS/measure_quality.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--measured {wildcards.measured} --output {output} > {log} 2>&1"


rule measure_similarity:
    input:
        unpack(compared_features),
        attributes=told_of_reference,
        latents=evaluated_files("latents"),
        samplings=evaluated_files("description"),
        subsets=evaluated_files("subsets"),
        runs=evaluated_files("runs"),
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
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=evaluation_identity,
    shell:
        'python "$SCRIPTS/measure_similarity.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--output {output.metrics} --histograms {output.histograms} > {log} 2>&1"


rule measure_paths:
    input:
        paths=traced_files("paths"),
        descriptions=traced_files("description"),
    output:
        metrics="<results>/{dataset}/metrics/paths.parquet",
        distances="<results>/{dataset}/metrics/path_distances.parquet",
    log:
        "<results>/logs/{dataset}/metrics/paths.log",
    benchmark:
        "<results>/benchmarks/{dataset}/metrics/paths.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=paths_identity,
    shell:
        'python "$SCRIPTS/measure_paths.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--output {output.metrics} --distances {output.distances} > {log} 2>&1"


rule measure_fairness:
    input:
        attributes=evaluated_attributes,
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
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=fairness_identity,
    shell:
        'python "$SCRIPTS/measure_fairness.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--output {output} > {log} 2>&1"


rule measure_tokenizers:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
        encoder=lambda wildcards: encoder_input(study.evaluations[wildcards.dataset].encoders[0]),
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
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=lambda wildcards: study.evaluations[wildcards.dataset].model_dump(
            mode="json", include={"encoders", "tokenizers"}
        ),
        encoder=lambda wildcards: encoder_identity(study.evaluations[wildcards.dataset].encoders[0]),
        lpips=lpips_flags,
    shell:
        'python "$SCRIPTS/measure_tokenizers.py" --study "$STUDY" --dataset {wildcards.dataset} '
        '--encoder-files {input.encoder} --weights-lock "$WEIGHTS_LOCK" {params.lpips} {input.vgg16} '
        "--output {output.metrics} --reconstructions {output.reconstructions} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
