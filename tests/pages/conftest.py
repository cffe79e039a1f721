"""Headless Chromium, and what every page must be."""

import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT

OPTIONS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
           "--disable-background-networking", "--disable-component-update", "--disable-sync"]  # fmt: skip
WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 400, "height": 800}


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """Chromium without a screen, with a profile of its own; the test is skipped where there is none."""
    api = pytest.importorskip("playwright.sync_api", reason="no playwright; install sgpipe[browser]")
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    with api.sync_playwright() as play:
        profile = tmp_path_factory.mktemp("profile")
        context = play.chromium.launch_persistent_context(
            profile, executable_path=program, args=OPTIONS, viewport=WIDE, offline=True
        )
        context.set_default_timeout(180_000)
        yield context
        context.close()


@pytest.fixture
def opened(browser):
    """Return an opener of pages, which fails if the page reports an error or asks for anything that is not there."""

    @contextmanager
    def open_page(path: Path, size=WIDE) -> Iterator:
        page, wrong = browser.new_page(), []
        page.set_viewport_size(size)
        page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("requestfailed", lambda request: wrong.append(f"{request.url[:200]} failed"))
        page.goto(path.resolve().as_uri())
        yield page
        page.close()
        assert not wrong

    return open_page


def fits(page) -> bool:
    """Tell whether a page is no wider than its window."""
    return page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def dead_links(page, path: Path) -> list[str]:
    """Return the links of a page that lead to no file and to no place in the page."""
    links = page.eval_on_selector_all("a[href]", "all => all.map(link => link.getAttribute('href'))")
    places = set(page.eval_on_selector_all("[id]", "all => all.map(one => one.id)"))
    dead = []
    for link in links:
        file, _, anchor = link.partition("#")
        if re.match(r"(https?|mailto|data|javascript):", link):
            continue
        target = path.parent / file if file else path
        if not target.exists() or (not file and anchor and anchor not in places):
            dead.append(link)
    return dead


@pytest.fixture(scope="session")
def made():
    """Return a finder of what the workflow made at scale smoke; the test is skipped where it has not been run."""

    def find(name: str) -> Path:
        path = Path(os.environ.get("SGPIPE_PAGES", ROOT)) / name
        if not path.is_file():
            pytest.skip(f"no {name}; .ci/run makes it before the tests")
        return path

    return find
