# Wiring only. The study defines what is computed, the profile where and how.
#   snakemake --profile profiles/laptop all                                          the demo, config.yaml
#   snakemake report --profile profiles/laptop --configfile studies/digits.yaml      another study
from snakemake.utils import min_version

min_version("9.27")


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/downloads.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/tokenizer.smk"
include: "workflow/rules/encoders.smk"
include: "workflow/rules/pruning.smk"
include: "workflow/rules/runs.smk"
include: "workflow/rules/samples.smk"
include: "workflow/rules/attributes.smk"
include: "workflow/rules/metrics.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/estimate.smk"


# One Snakemake at a time for a folder of results. Jobs run no hooks.
onstart:
    lock_results()


onsuccess:
    results_lock.release()


onerror:
    results_lock.release()


# Seconds each, or the network: on a cluster they run where Snakemake runs. So do tables and figures.
localrules:
    all,
    all_tables,
    all_figures,
    prune,
    report,
    list_dropped,
    compare_subsets,
    write_prune_page,
    download_weights,
    download_dataset,
    fetch,
    estimate,


rule all:
    default_target: True
    input:
        plan.files_of(study, "all"),
