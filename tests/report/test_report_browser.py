"""The page in a real browser: what is seen, what the filter does, and that no hostile name runs."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from orchestrator.report import RunView, render
from tests.report.browser import NAMES, Page, browser, executable
from tests.report.sample import finding, realistic, view
from tests.report.test_report_html import hostile_run

pytestmark = [
    pytest.mark.skipif(
        executable() is None, reason=f"no browser here: none of {', '.join(NAMES)} is on PATH"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]

_ROWS = "[...document.querySelectorAll('.level .row')].filter((row) => row.offsetParent).length"


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def tab() -> AsyncIterator[Page]:
    """One browser for all tests of this module: starting it takes most of the time."""
    async with browser() as page:
        yield page


def written(folder: Path, run: RunView) -> Path:
    """The page as a file."""
    path = folder / "report.html"
    with path.open("w", encoding="utf-8", newline="") as file:
        render(run, "html", file)
    return path


def said(tab: Page, *methods: str) -> list[dict[str, Any]]:
    """The events of these kinds since the page was opened."""
    return [event for event in tab.events if event["method"] in methods]


async def typed(tab: Page, words: str) -> None:
    """Type into the filter as a user does."""
    await tab.ask("document.getElementById('words').focus(); document.getElementById('words').select()")
    await tab.do("Input.insertText", text=words)


async def test_no_hostile_name_runs(tab: Page, tmp_path: Path) -> None:
    """Names that are scripts are text: the title is ours, and neither error nor request nor violation happened."""
    await tab.open(written(tmp_path, hostile_run()))
    assert (await tab.ask("document.title")).startswith("sgsweep: ")
    assert await tab.ask("document.querySelectorAll('script').length") == 1
    assert await tab.ask("document.querySelectorAll('img, iframe, object, svg[onload]').length") == 0
    assert "<script>document.title='owned'</script>" in await tab.ask("document.body.innerText")
    assert not said(tab, "Runtime.exceptionThrown", "Log.entryAdded", "Page.javascriptDialogOpening")
    assert len(said(tab, "Network.requestWillBeSent")) == 1


async def test_the_pages_policy_stops_a_script_that_got_in(tab: Page, tmp_path: Path) -> None:
    """Should escaping fail one day, the browser refuses the script: its hash is not the page's."""
    path = written(tmp_path, view([finding()]))
    text = path.read_text(encoding="utf-8")
    path.write_text(
        text.replace("</main>", "<script>document.title='owned'</script></main>"), encoding="utf-8"
    )
    await tab.open(path)
    assert (await tab.ask("document.title")).startswith("sgsweep: ")
    assert said(tab, "Log.entryAdded")


async def test_the_filter_narrows_the_open_findings(tab: Page, tmp_path: Path) -> None:
    """Words narrow, all of them must match, and a severity can be put away."""
    await tab.open(written(tmp_path, realistic()))
    assert await tab.ask(_ROWS) == 119
    await typed(tab, "ssh cn-shanghai")
    narrowed = await tab.ask(_ROWS)
    assert 0 < narrowed < 17
    assert await tab.ask("document.getElementById('shown').textContent") == f"{narrowed} of 119 rows"
    await typed(tab, "no such thing")
    assert await tab.ask(_ROWS) == 0
    await typed(tab, " ")
    await tab.ask("document.querySelector('#filter input[value=critical]').click()")
    assert await tab.ask(_ROWS) == 119 - 34


async def test_without_scripts_everything_is_shown(tab: Page, tmp_path: Path) -> None:
    """The filter is the only thing that needs a script, and it is not shown without."""
    await tab.do("Emulation.setScriptExecutionDisabled", value=True)
    try:
        await tab.open(written(tmp_path, realistic()))
        assert await tab.ask(_ROWS) == 119
        assert await tab.ask("document.getElementById('filter').offsetParent === null") is True
    finally:
        await tab.do("Emulation.setScriptExecutionDisabled", value=False)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_it_fits_the_window_and_the_scheme(tab: Page, tmp_path: Path, width: int, scheme: str) -> None:
    """Nothing sticks out sideways, hostile names included, and dark means dark."""
    await tab.size(width, 900)
    await tab.scheme(scheme)
    for run in (realistic(), hostile_run(), view(), view([finding(security_group_name="W" * 128)])):
        await tab.open(written(tmp_path, run))
        assert await tab.ask("document.documentElement.scrollWidth") <= width
        paper = await tab.ask("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
        assert (paper < 60) == (scheme == "dark")


async def test_twenty_thousand_findings_open_quickly(tab: Page, tmp_path: Path) -> None:
    """The page of a very large run is laid out, and its filter answers, within seconds."""
    await tab.open(written(tmp_path, view([finding(n) for n in range(20_000)])))
    assert await tab.ask(_ROWS) == 2_000
    spent = await tab.ask(
        "(() => { const begin = performance.now(); document.getElementById('words').value = 'ssh';"
        "document.getElementById('filter').dispatchEvent(new Event('input')); return performance.now() - begin; })()"
    )
    assert spent < 2_000
    assert 0 < await tab.ask(_ROWS) < 500
