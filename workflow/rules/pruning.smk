rule cluster_embeddings:
    input:
        stage.inputs("cluster_embeddings"),
    output:
        **stage.outputs("cluster_embeddings"),
    log:
        stage.log("cluster_embeddings"),
    benchmark:
        stage.benchmark("cluster_embeddings")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("cluster_embeddings"),
    shell:
        'python "$SCRIPTS/cluster_embeddings.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--clustering {wildcards.clustering} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


# Beside the clustering, not in it: more numbers to compare change no subset, and a subset need not wait for them.
rule compare_cluster_numbers:
    input:
        stage.inputs("compare_cluster_numbers"),
    output:
        **stage.outputs("compare_cluster_numbers"),
    log:
        stage.log("compare_cluster_numbers"),
    benchmark:
        stage.benchmark("compare_cluster_numbers")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("compare_cluster_numbers"),
    shell:
        'python "$SCRIPTS/compare_cluster_numbers.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--clustering {wildcards.clustering} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule score_samples:
    input:
        stage.inputs("score_samples"),
    output:
        **stage.outputs("score_samples"),
    log:
        stage.log("score_samples"),
    benchmark:
        stage.benchmark("score_samples")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("score_samples"),
        processes="auto",
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} score_samples.py --study "$STUDY" --dataset {wildcards.dataset} '
        "--run {wildcards.run} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule select_subset:
    input:
        stage.inputs("select_subset"),
    output:
        **stage.outputs("select_subset"),
    log:
        stage.log("select_subset"),
    benchmark:
        stage.benchmark("select_subset")
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **stage.resources("select_subset"),
    shell:
        'python "$SCRIPTS/select_subset.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--subset {wildcards.subset} > {log} 2>&1"


# Apart from select_subset: a new subset is compared with the others, and chooses none of them again.
rule compare_subsets:
    input:
        stage.inputs("compare_subsets"),
    output:
        **stage.outputs("compare_subsets"),
    log:
        stage.log("compare_subsets"),
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/compare_subsets.py" --study "$STUDY" --dataset {wildcards.dataset} > {log} 2>&1'


# Apart from select_subset: a missing list that only people read must not choose again what runs are trained on.
rule list_dropped:
    input:
        stage.inputs("list_dropped"),
    output:
        **stage.outputs("list_dropped"),
    log:
        stage.log("list_dropped"),
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/list_dropped.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--subset {wildcards.subset} > {log} 2>&1"


rule write_prune_page:
    input:
        stage.inputs("write_prune_page", study=study.name),
    output:
        **stage.outputs("write_prune_page", study=study.name),
    log:
        stage.log("write_prune_page", study=study.name),
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/write_prune_page.py" --study "$STUDY"  > {log} 2>&1'


rule prune:
    input:
        plan.files_of(study, "prune"),
