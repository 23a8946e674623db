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
    output:
        "<results>/{dataset}/clusters/by_k/{clustering}.json",
    log:
        "<results>/logs/{dataset}/clusters/by_k/{clustering}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/clusters/by_k/{clustering}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    params:
        spec=lambda wildcards: study.clusterings[wildcards.clustering].model_dump(mode="json"),
    shell:
        'python "$SCRIPTS/compare_cluster_numbers.py" --study "$STUDY" --clustering {wildcards.clustering} '
        "--manifest {input.manifest} --embeddings {input.embeddings} --output {output} "
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
    params:
        spec=lambda wildcards: study.scorings[wildcards.run].identity(),
        run=subpath(input.weights, parent=True),
    shell:
        'python "$SCRIPTS/score_samples.py" --study "$STUDY" --scoring {wildcards.run} '
        "--manifest {input.manifest} --latents {input.latents} --run {params.run} --output {output.scores} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


rule select_subset:
    input:
        unpack(ranking_files),
        manifest="<results>/{dataset}/manifest.parquet",
        info="<results>/{dataset}/dataset.json",
    output:
        subset="<results>/{dataset}/subsets/{subset}.parquet",
        rule="<results>/{dataset}/subsets/{subset}.json",
        kept="<results>/{dataset}/subsets/{subset}.txt",
    log:
        "<results>/logs/{dataset}/subsets/{subset}.log",
    conda:
        "../../envs/steadyflow.yaml"
    params:
        spec=identity("subset"),
        ranking=lambda wildcards, input: [
            f"--{key}={input[key]}" for key in ("clusters", "scores") if key in input.keys()
        ],
    shell:
        'python "$SCRIPTS/select_subset.py" --study "$STUDY" --subset {wildcards.subset} '
        "--manifest {input.manifest} --info {input.info} {params.ranking} --output {output.subset} > {log} 2>&1"


rule prune:
    input:
        [paths.subset_files(study, name)[key] for name in study.subsets for key in ("subset", "kept")],
