# Once for each encoder, not in every run's job: in 2048 dimensions that takes longer than the rest.
rule prepare_reference:
    input:
        stage.inputs("prepare_reference"),
    output:
        **stage.outputs("prepare_reference"),
    log:
        stage.log("prepare_reference"),
    benchmark:
        stage.benchmark("prepare_reference")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("prepare_reference"),
    shell:
        'python "$SCRIPTS/prepare_reference.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--encoder {wildcards.encoder} > {log} 2>&1"


# A job for each run: one more run measures none of the others again, and a kill loses one.
rule measure_quality:
    input:
        stage.inputs("measure_quality"),
    output:
        **stage.outputs("measure_quality"),
    log:
        stage.log("measure_quality"),
    benchmark:
        stage.benchmark("measure_quality")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("measure_quality"),
    shell:
        'python "$SCRIPTS/measure_quality.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--measured {wildcards.measured} > {log} 2>&1"


rule measure_loss:
    input:
        stage.inputs("measure_loss"),
    output:
        **stage.outputs("measure_loss"),
    log:
        stage.log("measure_loss"),
    benchmark:
        stage.benchmark("measure_loss")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("measure_loss"),
    shell:
        'python "$SCRIPTS/measure_loss.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--run {wildcards.run} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule measure_similarity:
    input:
        stage.inputs("measure_similarity"),
    output:
        **stage.outputs("measure_similarity"),
    log:
        stage.log("measure_similarity"),
    benchmark:
        stage.benchmark("measure_similarity")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("measure_similarity"),
    shell:
        'python "$SCRIPTS/measure_similarity.py" --study "$STUDY" --dataset {wildcards.dataset} > {log} 2>&1'


rule measure_paths:
    input:
        stage.inputs("measure_paths"),
    output:
        **stage.outputs("measure_paths"),
    log:
        stage.log("measure_paths"),
    benchmark:
        stage.benchmark("measure_paths")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("measure_paths"),
    shell:
        'python "$SCRIPTS/measure_paths.py" --study "$STUDY" --dataset {wildcards.dataset} > {log} 2>&1'


rule measure_fairness:
    input:
        stage.inputs("measure_fairness"),
    output:
        **stage.outputs("measure_fairness"),
    log:
        stage.log("measure_fairness"),
    benchmark:
        stage.benchmark("measure_fairness")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("measure_fairness"),
    shell:
        'python "$SCRIPTS/measure_fairness.py" --study "$STUDY" --dataset {wildcards.dataset} > {log} 2>&1'


rule measure_tokenizers:
    input:
        stage.inputs("measure_tokenizers"),
    output:
        **stage.outputs("measure_tokenizers"),
    log:
        stage.log("measure_tokenizers"),
    benchmark:
        stage.benchmark("measure_tokenizers")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("measure_tokenizers"),
    shell:
        'python "$SCRIPTS/measure_tokenizers.py" --study "$STUDY" --dataset {wildcards.dataset} '
        '--weights-lock "$WEIGHTS_LOCK" '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
