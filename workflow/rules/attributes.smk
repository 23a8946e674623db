# Classifiers that read features do so in one process.
rule classify_images:
    input:
        stage.inputs("classify_images"),
    output:
        **stage.outputs("classify_images"),
    log:
        stage.log("classify_images"),
    benchmark:
        stage.benchmark("classify_images")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("classify_images"),
        processes=lambda wildcards: 1 if study.classified_features(wildcards.classifier) else "auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} classify_images.py --study "$STUDY" --dataset {wildcards.dataset} '
        '--classifier {wildcards.classifier} --weights-lock "$WEIGHTS_LOCK" '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule classify_samples:
    input:
        stage.inputs("classify_samples"),
    output:
        **stage.outputs("classify_samples"),
    log:
        stage.log("classify_samples"),
    benchmark:
        stage.benchmark("classify_samples")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("classify_samples"),
        processes=lambda wildcards: 1 if study.classified_features(wildcards.classifier) else "auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} classify_samples.py --study "$STUDY" --dataset {wildcards.dataset} '
        '--classifier {wildcards.classifier} --run {wildcards.run} --sampling {wildcards.sampling} --weights-lock "$WEIGHTS_LOCK" '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
