# Pages beside the figures. No figure needs them, so `all_figures` does not make them.
TRAINED_TABLES = [f"{SCALE}/{name}.parquet" for name in TRAINED]


rule explorer:
    """A page with every trained network and every claim, to filter and to click at; it needs no network."""
    input:
        tables=TRAINED_TABLES,
        claims=f"{SCALE}/claims.parquet",
        modules=lambda wildcards: explorer_sources(),
        kept=[
            file
            for file in [
                "docs/claims/scoreboard.parquet",
                "docs/claims/readings.parquet",
            ]
            if os.path.exists(file)
        ],
    output:
        html=report(
            f"{SCALE}/explorer.html",
            caption="../report/explorer.rst",
            category="explorer",
            labels={"name": "explorer: every network and every claim"},
        ),
    log:
        f"{RESULTS}/logs/{PLAN.config.scale}/explorer.log",
    localrule: True
    script:
        "../scripts/explorer.py"


rule provenance:
    """How many networks of each experiment finished, diverged and failed, and what trained them, where and how long."""
    input:
        tables=TRAINED_TABLES,
    output:
        html=report(
            f"{SCALE}/provenance.html",
            caption="../report/provenance.rst",
            category="provenance",
            labels={"name": "provenance: what trained the networks"},
        ),
    log:
        f"{RESULTS}/logs/{PLAN.config.scale}/provenance.log",
    localrule: True
    script:
        "../scripts/provenance.py"
