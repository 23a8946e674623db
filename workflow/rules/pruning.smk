rule cluster_embeddings:
    input:
        manifest=RESULTS + "/{dataset}/manifest.parquet",
        embeddings=lambda wildcards: paths.embeddings_file(
            study, wildcards.dataset, study.clusterings[wildcards.clustering].encoder
        ),
    output:
        clusters=RESULTS + "/{dataset}/clusters/{clustering}.parquet",
        sidecar=RESULTS + "/{dataset}/clusters/{clustering}.json",
    log:
        RESULTS + "/logs/{dataset}/clusters/{clustering}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/clusters/{clustering}.tsv"
    params:
        spec=identity("clustering"),
    shell:
        "{PYTHON} {SCRIPTS}/cluster_embeddings.py --study {STUDY_FILE} --clustering {wildcards.clustering} "
        "--manifest {input.manifest} --embeddings {input.embeddings} --output {output.clusters} > {log} 2>&1"


rule score_samples:
    input:
        unpack(lambda wildcards: paths.run_files(study, wildcards.run)),
        unpack(lambda wildcards: paths.latents_files(study, wildcards.dataset, study.runs[wildcards.run].tokenizer)),
        manifest=RESULTS + "/{dataset}/manifest.parquet",
    output:
        scores=RESULTS + "/{dataset}/scores/{run}.parquet",
        sidecar=RESULTS + "/{dataset}/scores/{run}.json",
    log:
        RESULTS + "/logs/{dataset}/scores/{run}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/scores/{run}.tsv"
    params:
        spec=lambda wildcards: study.scorings[wildcards.run].identity(),
        run=subpath(input.weights, parent=True),
    shell:
        "{PYTHON} {SCRIPTS}/score_samples.py --study {STUDY_FILE} --scoring {wildcards.run} "
        "--manifest {input.manifest} --latents {input.latents} --run {params.run} --output {output.scores} "
        "--device {DEVICE} --threads {threads} > {log} 2>&1"


def ranking_files(wildcards):
    """The clusters or scores that a subset is chosen by."""
    subset = study.subsets[wildcards.subset]
    if hasattr(subset, "clusters"):
        return {"clusters": paths.clusters_files(study, subset.clusters)["clusters"]}
    if hasattr(subset, "scores"):
        return {"scores": paths.scores_file(study, subset.scores)}
    return {}


rule select_subset:
    input:
        unpack(ranking_files),
        manifest=RESULTS + "/{dataset}/manifest.parquet",
        info=RESULTS + "/{dataset}/dataset.json",
    output:
        subset=RESULTS + "/{dataset}/subsets/{subset}.parquet",
        rule=RESULTS + "/{dataset}/subsets/{subset}.json",
        kept=RESULTS + "/{dataset}/subsets/{subset}.txt",
    log:
        RESULTS + "/logs/{dataset}/subsets/{subset}.log",
    params:
        spec=identity("subset"),
        ranking=lambda wildcards, input: [f"--{key}={input[key]}" for key in ("clusters", "scores") if key in input.keys()],
    shell:
        "{PYTHON} {SCRIPTS}/select_subset.py --study {STUDY_FILE} --subset {wildcards.subset} "
        "--manifest {input.manifest} --info {input.info} {params.ranking} --output {output.subset} > {log} 2>&1"


rule prune:
    input:
        [paths.subset_files(study, name)[key] for name in study.subsets for key in ("subset", "kept")],
