rule classify_images:
    input:
        unpack(lambda wildcards: paths.dataset_files(study, wildcards.dataset)),
        features=classified_features,
        classifier=lambda wildcards: classifier_input(wildcards.classifier),
    output:
        attributes="<results>/{dataset}/attributes/{classifier}/dataset.parquet",
        sidecar="<results>/{dataset}/attributes/{classifier}/dataset.json",
    log:
        "<results>/logs/{dataset}/attributes/{classifier}/dataset.log",
    benchmark:
        "<results>/benchmarks/{dataset}/attributes/{classifier}/dataset.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        dataset=subpath(input.manifest, parent=True),
        spec=lambda wildcards: classifier_identity(wildcards.classifier),
        features=features_flags,
        state=f"{study.results}/state/attributes",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} classify_images.py --dataset {params.dataset} '
        "{params.features} {input.features} "
        '--study "$STUDY" --classifier {wildcards.classifier} --classifier-files {input.classifier} '
        '--weights-lock "$WEIGHTS_LOCK" --state {params.state} --output {output.attributes} '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule classify_samples:
    input:
        images="<results>/{dataset}/samples/{run}/{sampling}/images.npy",
        features=classified_features,
        classifier=lambda wildcards: classifier_input(wildcards.classifier),
    output:
        attributes="<results>/{dataset}/attributes/{classifier}/{run}/{sampling}.parquet",
        sidecar="<results>/{dataset}/attributes/{classifier}/{run}/{sampling}.json",
    log:
        "<results>/logs/{dataset}/attributes/{classifier}/{run}/{sampling}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/attributes/{classifier}/{run}/{sampling}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        spec=lambda wildcards: classifier_identity(wildcards.classifier),
        features=features_flags,
        state=f"{study.results}/state/attributes",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} classify_images.py --images {input.images} '
        "{params.features} {input.features} "
        '--study "$STUDY" --classifier {wildcards.classifier} --classifier-files {input.classifier} '
        '--weights-lock "$WEIGHTS_LOCK" --state {params.state} --output {output.attributes} '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
