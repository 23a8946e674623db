# What `all` of the study costs, and what of it is left to do. It computes nothing.
rule estimate:
    log:
        "<results>/logs/estimate.log",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/print_estimate.py" --study "$STUDY" 2>&1 | tee {log}'
