# Asked for by the rule alone: reading the claims must not slow down every job that parses the workflow.
def claimed_tables(wildcards):
    """The tables of the experiments that a claim is about, and their spike counts."""
    names = claimed({name: PLAN.experiments[name] for name in TRAINED})
    counted = [name for name in names if name in COUNTED]
    return [f"{SCALE}/{name}.parquet" for name in names] + [
        f"{SCALE}/{name}.activity.parquet" for name in counted
    ]


rule claims:
    """A verdict on every claim of the papers, from the tables of the experiments: table, page and picture."""
    input:
        tables=claimed_tables,
        claims=[str(path) for path in claim_files()],
        modules=CLAIM_MODULES,
        # Whose verdicts stand beside these.
        scoreboard=[
            file for file in ["docs/claims/scoreboard.parquet"] if os.path.exists(file)
        ],
    output:
        multiext(f"{SCALE}/claims", ".parquet", ".md"),
        html=report(
            f"{SCALE}/claims.html",
            caption="../report/claims.rst",
            category="claims",
            labels={"name": "claims: a page with numbers, filters and links"},
        ),
        pdf=f"{SCALE}/figures/claims.pdf",
        svg=f"{SCALE}/figures/claims.svg",
        png=report(
            f"{SCALE}/figures/claims.png",
            caption="../report/claims.rst",
            category="claims",
            labels={"name": "claims: a picture of those that have a verdict"},
        ),
    log:
        f"{RESULTS}/logs/{PLAN.config.scale}/claims.log",
    localrule: True
    params:
        declared=sorted((e.id, e.stands_for) for e in PLAN.experiments.values()),
    script:
        "../scripts/claims.py"
