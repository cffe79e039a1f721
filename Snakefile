# sgpipe: two studies of surrogate-gradient learning, from data to figures.
#
#     snakemake --cores 8 all_figures        every figure at the scale of config.yaml
#     snakemake --cores 8 zenke2021_fig3     one figure, training only what it needs
#     snakemake --cores 8 claims             what the papers claim, and what of it replicates
#     sgpipe plan                            what would be trained, and how long it takes

from snakemake.utils import min_version

min_version("9.0")


configfile: "config.yaml"


report: "workflow/report/landing.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/init.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/aggregate.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/readings.smk"
include: "workflow/rules/pages.smk"


wildcard_constraints:
    pack="[0-9a-f]{16}",
    data="[0-9a-f]{16}",
    init="[0-9a-f]{16}",


onstart:
    look_at_cluster()


rule all_figures:
    """Every figure of every experiment file, as PNG, PDF and SVG."""
    default_target: True
    input:
        figure_files("figures"),


rule all_tables:
    """Every table, as CSV, Markdown, LaTeX and HTML."""
    input:
        figure_files("tables"),


for paper in PAPERS:

    rule:
        name:
            paper
        input:
            figure_files("figures", paper),
            figure_files("tables", paper),

    describe("All its figures and tables.")


rule plan:
    """Print runs, store hits, packs and estimated time of every experiment; train nothing."""
    localrule: True
    script:
        "workflow/scripts/plan.py"
