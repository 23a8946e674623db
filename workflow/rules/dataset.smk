rule prepare_dataset:
    input:
        source_files,
    output:
        manifest="<results>/{dataset}/manifest.parquet",
        info="<results>/{dataset}/dataset.json",
        images=directory("<results>/{dataset}/images"),
    log:
        "<results>/logs/{dataset}/dataset.log",
    benchmark:
        "<results>/benchmarks/{dataset}/dataset.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=identity("dataset"),
        root=subpath(output.manifest, parent=True),
    shell:
        'python "$SCRIPTS/prepare_dataset.py" --study "$STUDY" --dataset {wildcards.dataset} '
        "--output {params.root} --threads {threads} > {log} 2>&1"
