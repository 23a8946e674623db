rule train_run:
    input:
        stage.inputs("train_run"),
    output:
        **stage.outputs("train_run"),
    log:
        stage.log("train_run"),
    benchmark:
        stage.benchmark("train_run")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("train_run"),
        processes="auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} train_run.py --study "$STUDY" --dataset {wildcards.dataset} '
        "--run {wildcards.run} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
