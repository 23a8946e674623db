rule sample_run:
    input:
        stage.inputs("sample_run"),
    output:
        **stage.outputs("sample_run"),
    log:
        stage.log("sample_run"),
    benchmark:
        stage.benchmark("sample_run")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("sample_run"),
        processes="auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} sample_run.py --study "$STUDY" --dataset {wildcards.dataset} '
        "--run {wildcards.run} --sampling {wildcards.sampling} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule embed_samples:
    input:
        stage.inputs("embed_samples"),
    output:
        **stage.outputs("embed_samples"),
    log:
        stage.log("embed_samples"),
    benchmark:
        stage.benchmark("embed_samples")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("embed_samples"),
        processes="auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} embed_samples.py --study "$STUDY" --dataset {wildcards.dataset} '
        '--encoder {wildcards.encoder} --run {wildcards.run} --sampling {wildcards.sampling} --weights-lock "$WEIGHTS_LOCK" '
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


# Beside the sampling, not in it: more paths sample nothing again.
rule trace_paths:
    input:
        stage.inputs("trace_paths"),
    output:
        **stage.outputs("trace_paths"),
    log:
        stage.log("trace_paths"),
    benchmark:
        stage.benchmark("trace_paths")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("trace_paths"),
    shell:
        'python "$SCRIPTS/trace_run.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--run {wildcards.run} --sampling {wildcards.sampling} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
