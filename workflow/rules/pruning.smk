rule cluster_embeddings:
    input:
        unpack(clustered_files),
    output:
        clusters="<results>/{dataset}/clusters/{clustering}.parquet",
        sidecar="<results>/{dataset}/clusters/{clustering}.json",
    log:
        "<results>/logs/{dataset}/clusters/{clustering}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/clusters/{clustering}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=identity("clustering"),
    shell:
        'python "$SCRIPTS/cluster_embeddings.py" --study "$STUDY" --clustering {wildcards.clustering} '
        "--manifest {input.manifest} --embeddings {input.embeddings} --output {output.clusters} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


# Beside the clustering, not in it: more numbers to compare change no subset, and whoever prunes need not wait for them.
rule compare_cluster_numbers:
    input:
        unpack(clustered_files),
        clustering="<results>/{dataset}/clusters/{clustering}.json",
    output:
        "<results>/{dataset}/clusters/by_k/{clustering}.json",
    log:
        "<results>/logs/{dataset}/clusters/by_k/{clustering}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/clusters/by_k/{clustering}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=lambda wildcards: study.clusterings[wildcards.clustering].model_dump(mode="json"),
    shell:
        'python "$SCRIPTS/compare_cluster_numbers.py" --study "$STUDY" --clustering {wildcards.clustering} '
        "--manifest {input.manifest} --embeddings {input.embeddings} --found {input.clustering} --output {output} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule score_samples:
    input:
        unpack(lambda wildcards: paths.run_files(study, wildcards.run)),
        unpack(lambda wildcards: paths.latents_files(study, wildcards.dataset, study.runs[wildcards.run].tokenizer)),
        manifest="<results>/{dataset}/manifest.parquet",
    output:
        scores="<results>/{dataset}/scores/{run}.parquet",
        sidecar="<results>/{dataset}/scores/{run}.json",
    log:
        "<results>/logs/{dataset}/scores/{run}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/scores/{run}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        spec=lambda wildcards: study.scorings[wildcards.run].identity(),
        state=lambda wildcards: paths.state_file(study, "scorings", wildcards.run),
        run=subpath(input.weights, parent=True),
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} score_samples.py --study "$STUDY" --scoring {wildcards.run} '
        "--manifest {input.manifest} --latents {input.latents} --run {params.run} "
        "--state {params.state} --output {output.scores} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule select_subset:
    input:
        chosen_by,
        manifest="<results>/{dataset}/manifest.parquet",
        info="<results>/{dataset}/dataset.json",
    output:
        subset="<results>/{dataset}/subsets/{subset}.parquet",
        rule="<results>/{dataset}/subsets/{subset}.json",
        kept="<results>/{dataset}/subsets/{subset}.txt",
    log:
        "<results>/logs/{dataset}/subsets/{subset}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/subsets/{subset}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=identity("subset"),
    shell:
        'python "$SCRIPTS/select_subset.py" --study "$STUDY" --subset {wildcards.subset} '
        "--output {output.subset} > {log} 2>&1"


# Apart from select_subset: a new subset is compared with the others, and chooses none of them anew.
rule compare_subsets:
    input:
        lambda wildcards: [
            paths.subset_files(study, name)[file]
            for name in study.subsets_of(wildcards.dataset)
            for file in ("subset", "rule")
        ],
    output:
        "<results>/{dataset}/subsets.json",
    log:
        "<results>/logs/{dataset}/subsets.log",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/compare_subsets.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--output {output} > {log} 2>&1"


# Apart from select_subset: a list that only people read must not, when it is missing, choose anew what runs trained on.
rule list_dropped:
    input:
        manifest="<results>/{dataset}/manifest.parquet",
        subset="<results>/{dataset}/subsets/{subset}.parquet",
    output:
        "<results>/{dataset}/subsets/dropped/{subset}.txt",
    log:
        "<results>/logs/{dataset}/subsets/dropped/{subset}.log",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/list_dropped.py" --manifest {input.manifest} --subset {input.subset} '
        "--output {output} > {log} 2>&1"


rule write_prune_page:
    input:
        [file for name in study.pruned_datasets for file in paths.dataset_files(study, name).values()],
        [paths.subset_files(study, name)["subset"] for name in study.subsets],
        [file for name in study.subsets for file in paths.chosen_by(study, name).values()],
        [paths.overlaps_file(study, name) for name in study.pruned_datasets],
    output:
        f"<results>/reports/prune/{study.name}.html",
    log:
        f"<results>/logs/reports/prune/{study.name}.log",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    params:
        spec={name: [subset.label, subset.identity()] for name, subset in study.subsets.items()},
    shell:
        'python "$SCRIPTS/write_prune_page.py" --study "$STUDY" --output {output} > {log} 2>&1'


rule prune:
    input:
        [paths.subset_files(study, name)[key] for name in study.subsets for key in ("subset", "kept", "dropped")],
        [paths.prune_page(study)] if study.subsets else [],
        [paths.overlaps_file(study, dataset) for dataset in study.pruned_datasets],
