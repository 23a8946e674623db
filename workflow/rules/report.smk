# Tables and figures are data: each is a file of src/steadyflow/report/tables or figures, and has its rules from here.
for name, exhibit in exhibits.TABLES.items():

    rule:
        name:
            f"write_{name}"
        input:
            lambda wildcards, exhibit=exhibit: exhibits.inputs(exhibit, study, wildcards.dataset),
        output:
            csv=f"<results>/{{dataset}}/tables/{name}.csv",
            md=f"<results>/{{dataset}}/tables/{name}.md",
            tex=f"<results>/{{dataset}}/tables/{name}.tex",
            html=report(
                f"<results>/{{dataset}}/tables/{name}.html",
                caption="../report/exhibit.rst",
                category=exhibit.category,
                labels={"dataset": "{dataset}", "shows": exhibit.title, "as": "table"},
            ),
        log:
            f"<results>/logs/{{dataset}}/tables/{name}.log",
        localrule: True
        conda:
            "../../envs/steadyflow.yaml"
        envmodules:
            "steadyflow",
        params:
            spec=evaluation_identity,
            display=lambda wildcards: exhibits.display_identity(study, wildcards.dataset),
            resources=exhibits.resources(exhibit),
            table=name,
            caption=exhibit.caption,
            stem=subpath(output.csv, strip_suffix=".csv"),
        shell:
            'python "$SCRIPTS/write_table.py" --study "$STUDY" --dataset {wildcards.dataset} '
            "--table {params.table} --stem {params.stem} > {log} 2>&1"

    rule:
        name:
            f"table_{name}"
        input:
            exhibits.all_files({name: exhibit}, study, paths.table_files),
        localrule: True


for name, exhibit in exhibits.FIGURES.items():

    rule:
        name:
            f"draw_{name}"
        input:
            lambda wildcards, exhibit=exhibit: exhibits.inputs(exhibit, study, wildcards.dataset),
        output:
            pdf=f"<results>/{{dataset}}/figures/{name}.pdf",
            png=report(
                f"<results>/{{dataset}}/figures/{name}.png",
                caption="../report/exhibit.rst",
                category=exhibit.category,
                labels={"dataset": "{dataset}", "shows": exhibit.title, "as": "figure"},
            ),
        log:
            f"<results>/logs/{{dataset}}/figures/{name}.log",
        localrule: True
        conda:
            "../../envs/steadyflow.yaml"
        envmodules:
            "steadyflow",
        params:
            spec=evaluation_identity,
            display=lambda wildcards: exhibits.display_identity(study, wildcards.dataset),
            figure=name,
            caption=exhibit.caption,
            stem=subpath(output.pdf, strip_suffix=".pdf"),
        shell:
            'python "$SCRIPTS/draw_figure.py" --study "$STUDY" --dataset {wildcards.dataset} '
            "--figure {params.figure} --stem {params.stem} > {log} 2>&1"

    rule:
        name:
            f"figure_{name}"
        input:
            exhibits.all_files({name: exhibit}, study, paths.figure_files),
        localrule: True


rule all_tables:
    input:
        exhibits.all_files(exhibits.TABLES, study, paths.table_files),


rule all_figures:
    input:
        exhibits.all_files(exhibits.FIGURES, study, paths.figure_files),


# Snakemake's own report of the finished files: one self-contained page. --nolock, since this very run holds the lock.
rule report:
    input:
        rules.all_tables.input,
        rules.all_figures.input,
    output:
        f"<results>/reports/{study.name}.html",
    log:
        f"<results>/logs/reports/{study.name}.log",
    conda:
        "../../envs/steadyflow.yaml"
    envmodules:
        "steadyflow",
    shell:
        'python -m snakemake --snakefile "$SNAKEFILE" --directory . --configfile "$STUDY" --nolock '
        "--report {output} all_tables all_figures > {log} 2>&1"
