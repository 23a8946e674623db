rule train_run:
    input:
        unpack(lambda wildcards: paths.latents_files(study, wildcards.dataset, study.runs[wildcards.run].tokenizer)),
        unpack(subset_input),
        unpack(weights_input),
        manifest="<results>/{dataset}/manifest.parquet",
        info="<results>/{dataset}/dataset.json",
    output:
        weights="<results>/{dataset}/runs/{run}/weights.safetensors",
        description="<results>/{dataset}/runs/{run}/run.json",
        curve="<results>/{dataset}/runs/{run}/curve.parquet",
    log:
        "<results>/logs/{dataset}/runs/{run}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/runs/{run}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        dataset=subpath(input.manifest, parent=True),
        spec=identity("run"),
        state=lambda wildcards: paths.state_file(study, "runs", wildcards.run),
        subset=lambda wildcards, input: (f"--subset {input.subset}" if "subset" in input.keys() else ""),
        weights=lambda wildcards, input: (
            f"--weights {shlex.quote(input.weights)}" if "weights" in input.keys() else ""
        ),
        root=subpath(output.weights, parent=True),
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} train_run.py --study "$STUDY" --run {wildcards.run} '
        "--dataset {params.dataset} --latents {input.latents} {params.subset} {params.weights} "
        '--state {params.state} --output {params.root} --device "$DEVICE" --threads {threads} > {log} 2>&1'
