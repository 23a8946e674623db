from steadyflow.stages.data import downloaded_files
from steadyflow.stages.weights import archive_of, needed_weights


# Files that are not declared outputs (those of a dataset, incomplete .part files) stay after a failed job, and the next
# one resumes from them. The rules have no retries: the scripts retry requests that may succeed later.
rule download_weights:
    input:
        lambda wildcards: archive_of(study, WEIGHTS, wildcards.weights),
    output:
        ensure("<downloads>/weights/{weights}", sha256=lambda wildcards: WEIGHTS[wildcards.weights].sha256),
    log:
        "<results>/logs/downloads/weights/{weights}.log",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    params:
        sha256=lambda wildcards: WEIGHTS[wildcards.weights].sha256,
        folder=subpath(output[0], parent=True),
    shell:
        'python "$SCRIPTS/download_weights.py" --lock "$WEIGHTS_LOCK" --file {wildcards.weights} '
        "--folder {params.folder} 2>&1 | tee {log}"


rule download_dataset:
    output:
        "<downloads>/datasets/{dataset}/files.json",
    log:
        "<results>/logs/downloads/datasets/{dataset}.log",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/download_dataset.py" --study "$STUDY" --dataset {wildcards.dataset} '
        '--lock "$DATASETS_LOCK" --output {output} 2>&1 | tee {log}'


# Everything that the study needs from the network, for a machine that has one.
rule fetch:
    input:
        weights=needed_weights(study),
        datasets=[downloaded_files(study, name) for name, spec in study.datasets.items() if spec.downloaded],
    log:
        "<results>/logs/downloads/fetch.log",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/print_licences.py" --lock "$WEIGHTS_LOCK" --weights {input.weights} '
        "--datasets {input.datasets} 2>&1 | tee {log}"
