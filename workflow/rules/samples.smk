rule sample_run:
    input:
        unpack(lambda wildcards: paths.run_files(study, wildcards.run)),
        scale=lambda wildcards: paths.latents_files(study, wildcards.dataset, study.runs[wildcards.run].tokenizer)["scale"],
        tokenizer=lambda wildcards: paths.tokenizer_files(study, study.runs[wildcards.run].tokenizer)["weights"],
    output:
        images=RESULTS + "/{dataset}/samples/{run}/{sampling}/images.npy",
        latents=RESULTS + "/{dataset}/samples/{run}/{sampling}/latents.npy",
        description=RESULTS + "/{dataset}/samples/{run}/{sampling}/sampling.json",
    log:
        RESULTS + "/logs/{dataset}/samples/{run}/{sampling}.log",
    benchmark:
        RESULTS + "/benchmarks/{dataset}/samples/{run}/{sampling}.tsv"
    params:
        spec=identity("sampling"),
        run=subpath(input.weights, parent=True),
        tokenizer=subpath(input.tokenizer, parent=True),
        root=subpath(output.images, parent=True),
    shell:
        "{PYTHON} {SCRIPTS}/sample_run.py --study {STUDY_FILE} --sampling {wildcards.sampling} "
        "--run {params.run} --tokenizer {params.tokenizer} --latents {input.scale} --output {params.root} "
        "--device {DEVICE} --threads {threads} > {log} 2>&1"
