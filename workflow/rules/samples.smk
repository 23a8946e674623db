rule sample_run:
    input:
        unpack(lambda wildcards: paths.run_files(study, wildcards.run)),
        scale=lambda wildcards: paths.latents_files(study, wildcards.dataset, study.runs[wildcards.run].tokenizer)[
            "scale"
        ],
        tokenizer=lambda wildcards: paths.tokenizer_files(study, study.runs[wildcards.run].tokenizer)["weights"],
    output:
        images="<results>/{dataset}/samples/{run}/{sampling}/images.npy",
        latents="<results>/{dataset}/samples/{run}/{sampling}/latents.npy",
        description="<results>/{dataset}/samples/{run}/{sampling}/sampling.json",
    log:
        "<results>/logs/{dataset}/samples/{run}/{sampling}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/samples/{run}/{sampling}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
        processes="auto",
    params:
        spec=lambda wildcards: study.sampling_identity(wildcards.run, wildcards.sampling),
        run=subpath(input.weights, parent=True),
        tokenizer=subpath(input.tokenizer, parent=True),
        root=subpath(output.images, parent=True),
    shell:
        '"$SCRIPTS/launch.sh" {resources.processes} sample_run.py --study "$STUDY" --sampling {wildcards.sampling} '
        "--run {params.run} --tokenizer {params.tokenizer} --latents {input.scale} --output {params.root} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'


# Beside the sampling, not in it: more paths resample nothing.
rule trace_paths:
    input:
        unpack(lambda wildcards: paths.run_files(study, wildcards.run)),
    output:
        paths="<results>/{dataset}/samples/{run}/{sampling}/paths.npy",
        description="<results>/{dataset}/samples/{run}/{sampling}/paths.json",
    log:
        "<results>/logs/{dataset}/paths/{run}/{sampling}.log",
    benchmark:
        "<results>/benchmarks/{dataset}/paths/{run}/{sampling}.tsv"
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    resources:
        **ASKED,
    params:
        spec=lambda wildcards: study.path_identity(wildcards.run, wildcards.sampling),
        noises=lambda wildcards: study.traced_noises(wildcards.run, wildcards.sampling),
        run=subpath(input.weights, parent=True),
    shell:
        'python "$SCRIPTS/trace_run.py" --study "$STUDY" --sampling {wildcards.sampling} '
        "--run {params.run} --count {params.noises} --output {output.paths} "
        '--device "$DEVICE" --threads {threads} > {log} 2>&1'
