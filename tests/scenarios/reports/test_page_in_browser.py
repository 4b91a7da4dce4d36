"""The page of a run in a real browser: no complaint, no request, a slider that works, dark and narrow screens."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.browser import Tab, tab
from fakes.runs import leave, probes

from gazeworld.agents.run_folder import read_config
from gazeworld.agents.runs.records import record_of
from gazeworld.agents.runs.scenario import open_run
from gazeworld.agents.runs.watching import WatchChoices, watch_run
from gazeworld.scenarios.commands import _catalogue
from gazeworld.scenarios.reports import html_page

SHOWN = "[...document.querySelectorAll('svg')].map(s => s.querySelectorAll('g:not(.thumb):not(.later)').length)"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    with tab(tmp_path_factory.mktemp("browser")) as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a long name, wide tables and figures, and two scan paths of five views."""
    folder = tmp_path_factory.mktemp("runs") / ("a-run-with-a-long-name-" * 4)
    found = probes((0.4, 0.5, 0.6, 0.7, 0.8, 0.9), {"relative position": 0.5, "absolute position": 0.25})
    leave(folder, "saccade-digits", _catalogue.load("saccade-digits"), found)
    watched = watch_run(open_run(folder), choices=WatchChoices(scenes=2))
    subject = html_page.Subject(folder, read_config(folder), record_of(folder), watched=watched)
    file = folder / "report.html"
    file.write_text(html_page.single(subject))
    return file


def test_it_opens_without_a_complaint_and_asks_for_nothing(browser: Tab, page: Path) -> None:
    for width, dark in ((1400, False), (500, False), (1400, True)):
        browser.open(page, width, dark=dark)
        assert browser.ask("document.querySelectorAll('img, svg').length") > 3
        assert browser.ask("[...document.images].every(i => i.complete && i.naturalWidth > 0)")
        assert browser.complaints() == []
        assert browser.requests() == [page.as_uri()]


def test_the_slider_lays_bare_one_fixation_after_the_other(browser: Tab, page: Path) -> None:
    browser.open(page)
    assert browser.ask(SHOWN) == [5, 5]
    assert browser.ask("document.querySelector('.controls').hidden") is False
    before = browser.picture()
    browser.ask("document.querySelector('input').focus()")
    for left in (4, 3):
        browser.press("ArrowLeft", 37)
        assert browser.ask(SHOWN) == [left, left]
        assert browser.ask("document.querySelector('output').textContent") == f"view {left} of 5"
    assert browser.picture() != before
    browser.press("Home", 36)
    assert browser.ask(SHOWN) == [1, 1]
    browser.press("End", 35)
    assert browser.ask(SHOWN) == [5, 5]
    # Playing begins anew after the last one.
    browser.ask("document.querySelector('button').click()")
    assert browser.ask(SHOWN) == [1, 1]
    assert browser.ask("document.querySelector('button').textContent") == "Pause"
    browser.ask("document.querySelector('button').click()")
    assert browser.complaints() == []


def test_without_scripts_the_whole_path_stands_there(browser: Tab, page: Path) -> None:
    browser.call("Emulation.setScriptExecutionDisabled", value=True)
    try:
        browser.open(page)
        assert browser.ask(SHOWN) == [5, 5]
        assert browser.ask("document.querySelector('.controls').getBoundingClientRect().height") == 0
    finally:
        browser.call("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("width", [320, 500, 1400])
def test_nothing_but_tables_and_figures_themselves_scrolls_sideways(browser: Tab, page: Path, width: int) -> None:
    browser.open(page, width)
    browser.ask("document.querySelectorAll('details').forEach(d => { d.open = true; })")
    assert browser.ask("document.documentElement.scrollWidth") <= width
    wide = browser.ask("[...document.querySelectorAll('.wide')].some(w => w.scrollWidth > w.clientWidth)")
    assert wide == (width < 1400)


def test_dark_pages_have_their_own_figures(browser: Tab, page: Path) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    sources = "document.querySelector('picture img').currentSrc.length"
    browser.open(page)
    light = (browser.ask(ground), browser.ask(sources))
    browser.open(page, dark=True)
    dark = (browser.ask(ground), browser.ask(sources))
    assert light[0] == "rgb(255, 255, 255)"
    assert dark[0] == "rgb(23, 23, 27)"
    assert light[1] != dark[1]
