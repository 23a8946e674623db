rule train_tokenizer:
    input:
        stage.inputs("train_tokenizer"),
    output:
        **stage.outputs("train_tokenizer"),
    log:
        stage.log("train_tokenizer"),
    benchmark:
        stage.benchmark("train_tokenizer")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("train_tokenizer"),
        processes="auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} train_tokenizer.py --study "$STUDY" --dataset {wildcards.dataset} '
        '--tokenizer {wildcards.tokenizer} --weights-lock "$WEIGHTS_LOCK" '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule encode_latents:
    input:
        stage.inputs("encode_latents"),
    output:
        **stage.outputs("encode_latents"),
    log:
        stage.log("encode_latents"),
    benchmark:
        stage.benchmark("encode_latents")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("encode_latents"),
        processes="auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} encode_latents.py --study "$STUDY" --dataset {wildcards.dataset} '
        "--tokenizer {wildcards.tokenizer} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
