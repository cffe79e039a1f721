"""Report, explorer, claims and provenance in a browser: all is there, nothing is wrong, and a telephone shows it.

They are those that `.ci/run` makes at scale smoke.
"""

import json

import pytest

from sgpipe.explorer.networks import tables_in
from sgpipe.plan.outputs import kind_of
from sgpipe.spec.experiments import load_experiments
from tests.conftest import ROOT
from tests.pages.conftest import NARROW, WIDE, dead_links, fits

pytestmark = pytest.mark.long
SMOKE = "results/smoke"


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
@pytest.mark.parametrize("name", ["claims", "explorer", "provenance"])
def test_a_page_has_no_error_fits_and_leads_somewhere(opened, made, name, size):
    path = made(f"{SMOKE}/{name}.html")
    with opened(path, size) as page:
        if name == "explorer":
            page.wait_for_selector("body.drawn")
        assert fits(page) and dead_links(page, path) == []
        assert len(page.inner_text("body")) > 300


def test_the_claims_can_be_filtered(opened, made):
    with opened(made(f"{SMOKE}/claims.html")) as page:
        all_of_them, shown = page.locator(".claim"), page.locator(".claim:visible")
        assert shown.count() == all_of_them.count() > 10
        page.locator("summary:visible").first.click()
        assert page.locator("details[open]").count() == 1
        page.get_by_text("those of the abstracts alone").click()
        assert 0 < shown.count() < all_of_them.count()


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_every_figure_can_be_explored(opened, made, size):
    path = made(f"{SMOKE}/explorer.html")
    with opened(path, size) as page:
        page.wait_for_selector("body.drawn")
        figures = page.locator("#figure option").count()
        assert figures == len(tables_in(path.parent)) > 1
        for number in range(figures):
            page.select_option("#figure", str(number))
            page.wait_for_function("queue.then(() => true)")
            assert page.locator("#scatter svg .mark-symbol.role-mark path").count() > 0
        page.locator("#scatter svg .mark-symbol.role-mark path").first.hover(force=True)
        page.wait_for_selector("#vg-tooltip-element.visible")
        page.locator("#scatter svg .mark-symbol.role-mark path").first.click(force=True)
        page.wait_for_selector("#curve-accuracy svg .mark-line path", state="attached")  # of one epoch it has no length
        network = page.inner_text("#network h3").split()[-1]
        assert page.inner_text("#command").startswith(f"sgpipe train {network} --config scale=smoke")
        assert network in page.inner_text("#vg-tooltip-element")
        assert fits(page)


def test_filters_of_the_explorer_leave_out_networks_and_claims(opened, made):
    with opened(made(f"{SMOKE}/explorer.html")) as page:
        page.wait_for_selector("body.drawn")
        titles = page.locator("#figure option").all_inner_texts()
        page.select_option("#figure", label=next(title for title in titles if "_fig3" in title))
        before = page.inner_text("#count")
        page.select_option("#filter-surrogate_shape", label="esser")
        assert (
            page.inner_text("#count") != before
            and page.text_content("#filter-surrogate_shape option:checked") == "esser"
        )
        page.wait_for_function("queue.then(() => true)")
        claims = page.inner_text("#claimcount")
        page.fill("#words", "random manifolds")
        page.wait_for_function("queue.then(() => true)")
        assert page.inner_text("#claimcount") != claims
        page.locator("#grid svg .mark-rect.role-mark path").first.click(force=True)
        page.wait_for_selector("#curve svg .mark-square path, #curve svg .mark-symbol path", state="attached")
        assert "random manifolds" in page.inner_text("#claim h3") and fits(page)


def test_the_report_has_every_figure_and_page(opened, made):
    experiments = load_experiments(
        [ROOT / f"workflow/experiments/{name}.yaml" for name in ("zenke2021", "herranz2022")], "smoke"
    )
    path = made("report.html")
    with opened(path) as page:
        page.wait_for_selector("nav, #app div")
        results = json.loads(page.evaluate("JSON.stringify(results)"))
        for experiment in experiments.values():
            suffix = {"figures": "png", "tables": "html"}[kind_of(experiment)]
            stem = f"{kind_of(experiment)}/{experiment.paper}/{experiment.id.removeprefix(f'{experiment.paper}_')}"
            assert f"{SMOKE}/{stem}.{suffix}" in results, experiment.id
        assert {f"{SMOKE}/{name}.html" for name in ("explorer", "provenance", "claims")} <= set(results)
        broken = page.evaluate("""async () => {
            const pictures = Object.entries(results).filter(([, result]) => result.mime_type.startsWith("image/"));
            const wrong = await Promise.all(pictures.map(([name, result]) => new Promise(done => {
                const picture = new Image();
                picture.onload = () => done(picture.naturalWidth > 100 ? null : name);
                picture.onerror = () => done(name);
                picture.src = result.data_uri;
            })));
            return wrong.filter(name => name);
        }""")
        assert broken == []
        for category in ("zenke2021", "herranz2022"):
            page.get_by_text(category, exact=True).first.dispatch_event("click")
            page.get_by_text("figures", exact=True).first.dispatch_event("click")
            assert page.get_by_text("fig3", exact=False).count() > 0
            page.get_by_text("Report", exact=True).first.dispatch_event("click")


def test_the_report_can_be_read_on_a_telephone(opened, made):
    """Snakemake's page does not scroll sideways; its menu covers the text until it is closed, which is not ours.

    Looked at besides: the introduction without the menu, each caption, and each page and table within the report.
    """
    with opened(made("report.html"), NARROW) as page:
        page.wait_for_selector("nav, #app div")
        assert fits(page)
        for name in ("zenke2021", "figures"):
            page.get_by_text(name, exact=True).first.dispatch_event("click")
            assert fits(page)
        page.evaluate("app.setView({hideNavbar: true, content: 'metadata'})")
        page.evaluate("document.querySelector('nav').remove()")
        assert fits(page) and page.evaluate("""() => {
            const introduction = document.querySelector('#app > div > :last-child');
            return introduction.innerText.length > 300 && introduction.scrollWidth <= introduction.clientWidth;
        }""")
        wide = page.evaluate("""() => {
            const place = document.createElement("div");
            place.style = "width: 360px; overflow: auto";
            document.body.append(place);
            return Object.entries(results).filter(([name, result]) => {
                place.innerHTML = result.caption || "";
                return !place.innerText || place.scrollWidth > place.clientWidth;
            }).map(([name]) => name);
        }""")
        assert wide == []
        documents = page.evaluate(
            "Object.entries(results).filter(([, one]) => one.mime_type === 'text/html').map(([name]) => name)"
        )
    assert documents
    for name in documents:
        path = made(name)
        with opened(path, NARROW) as page:
            assert fits(page), path
