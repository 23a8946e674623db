rule train_probe:
    input:
        stage.inputs("train_probe"),
    output:
        **stage.outputs("train_probe"),
    log:
        stage.log("train_probe"),
    benchmark:
        stage.benchmark("train_probe")
    wildcard_constraints:
        encoder="|".join(map(re.escape, study.probes)) or "^$",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("train_probe"),
    shell:
        'python "$SCRIPTS/train_probe.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--encoder {wildcards.encoder} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule embed_images:
    input:
        stage.inputs("embed_images"),
    output:
        **stage.outputs("embed_images"),
    log:
        stage.log("embed_images"),
    benchmark:
        stage.benchmark("embed_images")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("embed_images"),
        processes="auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} embed_images.py --study "$STUDY" --dataset {wildcards.dataset} '
        '--encoder {wildcards.encoder} --weights-lock "$WEIGHTS_LOCK" '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
