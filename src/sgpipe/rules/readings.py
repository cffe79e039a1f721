"""Rules `<experiment>_readings`: an experiment's claims over all readings of what its paper leaves open."""

from sgpipe.base.errors import SgpipeError
from sgpipe.base.files import atomic
from sgpipe.plan.plan import Plan
from sgpipe.rules.pictures import without_a_screen
from sgpipe.spec.readings import FOLDER


def judge_readings(plan: Plan, name: str) -> str:
    """Judge the claims about an experiment in each of its readings; write `readings/<name>.md`, `.csv` and `.png`.

    Returns how many claims have which verdict over all readings, in words. Raises SgpipeError if no claim is about it.
    """
    without_a_screen()
    from sgpipe.claims.declare import about, claim_files, load_claims, own_id
    from sgpipe.claims.judge import WHOLE
    from sgpipe.claims.over_readings import judged_in, over_readings, readings_table
    from sgpipe.claims.picture import save
    from sgpipe.claims.scoreboard import declared_in, readings_markdown
    from sgpipe.claims.specification import draw_specification
    from sgpipe.claims.words import summary_words

    experiment, folder = plan.experiment(name), plan.config.folder
    claims = [claim for claim in about(load_claims(claim_files()), plan.experiments) if name in claim.experiments]
    if not claims:
        raise SgpipeError(f"{name}: no claim is about it (workflow/claims), so that its readings have nothing to say")
    of = experiment.stands_for.partition("_")[0]
    _, settings = declared_in(plan.config.experiments)
    places = [folder, *((folder / f"{key}.parquet").parent for key in experiment.readings)]
    judged = judged_in(places, claims, plan.experiments, {of: settings[experiment.paper]})
    entries = [over_readings(claim, judged.get(own_id(claim, of), []), plan.experiments) for claim in claims]
    stem = folder / FOLDER / name
    with atomic(stem.with_suffix(".md")) as temporary:
        temporary.write_text(readings_markdown(entries, name), encoding="utf-8")
    table = readings_table(entries, stem.parent)
    with atomic(stem.with_suffix(".csv")) as temporary:
        table.to_csv(temporary, index=False)
    words = {claim.id: claim.words for claim in claims}
    save(draw_specification(table, words), stem, ["png"])
    return summary_words([entry.judgement for entry in entries], WHOLE)
