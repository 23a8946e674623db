rule prepare_dataset:
    input:
        stage.inputs("prepare_dataset"),
    output:
        **stage.outputs("prepare_dataset"),
    log:
        stage.log("prepare_dataset"),
    benchmark:
        stage.benchmark("prepare_dataset")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("prepare_dataset"),
    shell:
        'python "$SCRIPTS/prepare_dataset.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--threads {threads} > {log} 2>&1"
