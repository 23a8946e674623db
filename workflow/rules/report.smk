for name, entry in TABLES.items():

    rule:
        name:
            f"write_{name}"
        input:
            inputs_of(TABLE_INPUTS[name]),
        output:
            csv=f"<results>/{{dataset}}/tables/{name}.csv",
            md=f"<results>/{{dataset}}/tables/{name}.md",
            tex=f"<results>/{{dataset}}/tables/{name}.tex",
            html=report(
                f"<results>/{{dataset}}/tables/{name}.html",
                caption=f"../report/table_{name}.rst",
                category=entry.category,
                labels={"dataset": "{dataset}", "shows": entry.title, "as": "table"},
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
            display=display_identity,
            table=name,
            paper=[file_hash(PAPER / name) for name in ("scalars.csv", "claims.csv")],
            stem=subpath(output.csv, strip_suffix=".csv"),
        shell:
            'python "$SCRIPTS/write_table.py" --study "$STUDY" --dataset {wildcards.dataset} '
            '--table {params.table} --paper "$PAPER" --stem {params.stem} > {log} 2>&1'

    rule:
        name:
            f"table_{name}"
        input:
            [paths.table_files(study, dataset, name) for dataset in study.evaluations if name in shown(dataset, TABLES)],
        localrule: True


for name, entry in FIGURES.items():

    rule:
        name:
            f"draw_{name}"
        input:
            inputs_of(FIGURE_INPUTS[name]),
        output:
            pdf=f"<results>/{{dataset}}/figures/{name}.pdf",
            png=report(
                f"<results>/{{dataset}}/figures/{name}.png",
                caption=f"../report/figure_{name}.rst",
                category=entry.category,
                labels={"dataset": "{dataset}", "shows": entry.title, "as": "figure"},
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
            display=display_identity,
            figure=name,
            stem=subpath(output.pdf, strip_suffix=".pdf"),
        shell:
            'python "$SCRIPTS/draw_figure.py" --study "$STUDY" --dataset {wildcards.dataset} '
            "--figure {params.figure} --stem {params.stem} > {log} 2>&1"

    rule:
        name:
            f"figure_{name}"
        input:
            [
                paths.figure_files(study, dataset, name)
                for dataset in study.evaluations
                if name in shown(dataset, FIGURES)
            ],
        localrule: True


rule all_tables:
    input:
        all_files(TABLES, paths.table_files),


rule all_figures:
    input:
        all_files(FIGURES, paths.figure_files),


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
