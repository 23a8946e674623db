# Tables and figures are data: each is a file of src/steadyflow/report/tables or figures, and has its rules from here.
from steadyflow.stages.exhibits import FIGURES, TABLES

for name, exhibit in TABLES.items():

    rule:
        name:
            f"write_{name}"
        input:
            stage.inputs("write_table", table=name),
        output:
            **stage.shown_outputs(exhibit, "html", caption="../report/exhibit.rst"),
        log:
            stage.log("write_table", table=name),
        localrule: True
        conda:
            "../../envs/steadyflow.yaml"
        envmodules:
            "steadyflow",
        params:
            table=name,
            caption=exhibit.caption,
        shell:
            'python "$SCRIPTS/write_table.py" --study "$STUDY" --dataset {wildcards.dataset} '
            "--table {params.table} > {log} 2>&1"

    rule:
        name:
            f"table_{name}"
        input:
            plan.files_of(study, f"table_{name}"),
        localrule: True


for name, exhibit in FIGURES.items():

    rule:
        name:
            f"draw_{name}"
        input:
            stage.inputs("draw_figure", figure=name),
        output:
            **stage.shown_outputs(exhibit, "png", caption="../report/exhibit.rst"),
        log:
            stage.log("draw_figure", figure=name),
        localrule: True
        conda:
            "../../envs/steadyflow.yaml"
        envmodules:
            "steadyflow",
        params:
            figure=name,
            caption=exhibit.caption,
        shell:
            'python "$SCRIPTS/draw_figure.py" --study "$STUDY" --dataset {wildcards.dataset} '
            "--figure {params.figure} > {log} 2>&1"

    rule:
        name:
            f"figure_{name}"
        input:
            plan.files_of(study, f"figure_{name}"),
        localrule: True


rule all_tables:
    input:
        plan.files_of(study, "all_tables"),


rule all_figures:
    input:
        plan.files_of(study, "all_figures"),


# Snakemake's own report of the finished files: one self-contained page.
rule report:
    input:
        stage.inputs("report", study=study.name),
    output:
        **stage.outputs("report", study=study.name),
    log:
        stage.log("report", study=study.name),
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python "$SCRIPTS/write_report.py" --study "$STUDY" --snakefile "$SNAKEFILE" > {log} 2>&1'
