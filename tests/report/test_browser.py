"""The page in a real browser: what is seen, what the filter does, and that no hostile name runs."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import pytest_asyncio
from msgspec.structs import replace

from orchestrator.policy import Finding
from orchestrator.report import Point, Record, RunView, render
from orchestrator.report.view import SEVERITIES
from tests.report.browser import NAMES, Page, axe_core, browser, executable
from tests.report.sample import finding, realistic, summary, view
from tests.report.test_html import hostile_run
from tests.report.test_record import exemption

pytestmark = [
    pytest.mark.skipif(
        executable() is None, reason=f"no browser here: none of {', '.join(NAMES)} is on PATH"
    ),
    pytest.mark.asyncio(loop_scope="module"),
]

_SEEN = "[...document.querySelectorAll('{} tbody tr')].filter((row) => !row.closest('[hidden]')).length"
_ROWS = _SEEN.format(".level[data-status=open]")
_ALL_ROWS = _SEEN.format(".level")


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
    everywhere = await tab.ask(_ALL_ROWS)
    assert await tab.ask("document.getElementById('shown').textContent") == f"{everywhere} of 172 rows"
    await typed(tab, "no such thing")
    assert await tab.ask(_ROWS) == 0
    await typed(tab, " ")
    await tab.ask("document.querySelector('#filter input[value=critical]').click()")
    assert await tab.ask(_ROWS) == 119 - 34


async def test_the_filter_works_in_every_language(tab: Page, tmp_path: Path) -> None:
    """A Chinese page is narrowed as an English one, by the same address, and says so in Chinese."""
    run = replace(realistic(), language="zh-CN")
    await tab.open(written(tmp_path, run), "severity=critical&words=ssh")
    english = written(tmp_path, realistic())
    shown = await tab.ask(_ALL_ROWS)
    assert 0 < shown < 172
    assert await tab.ask("document.getElementById('shown').textContent") == f"显示 {shown} / 172 行"
    assert (await tab.ask("document.getElementById('narrowed').textContent")).startswith("已筛选：显示 ")
    assert await tab.ask("document.documentElement.lang") == "zh-CN"
    await tab.open(english, "severity=critical&words=ssh")
    assert await tab.ask(_ALL_ROWS) == shown


async def chosen(tab: Page, key: str, value: str) -> None:
    """Choose from a list of the filter as a user does."""
    await tab.ask(
        f"((list) => {{ list.value = {value!r}; list.dispatchEvent(new Event('input', {{bubbles: true}})) }})"
        f"(document.querySelector('#filter select[name={key}]'))"
    )


CASES: tuple[tuple[str, str, Callable[[Finding], bool]], ...] = (
    ("account", finding(1).account_id, lambda one: one.account_id == finding(1).account_id),
    ("owner", "netops", lambda one: one.owner == "netops"),
    ("region", "cn-shanghai", lambda one: one.region_id == "cn-shanghai"),
    ("check", "redis", lambda one: one.check_id == "redis"),
    ("exposure", "exposed", lambda one: one.exposure == "exposed"),
    ("exposure", "latent", lambda one: one.exposure == "latent"),
    ("exposure", "unknown", lambda one: one.exposure == "unknown"),
    ("status", "exempt", lambda one: one.status.value == "exempt"),
    ("status", "open", lambda one: one.is_open),
    ("severity", "critical,low", lambda one: one.severity.value in {"critical", "low"}),
    ("words", "ssh sgr-bp1", lambda one: one.check_id == "ssh"),
)


def of_every_kind() -> list[Finding]:
    """Findings that differ in everything that the filter asks for."""
    return [
        finding(
            n,
            exposure=("exposed", "latent", "unknown")[n % 3],
            owner="netops" if n % 5 == 0 else "",
            owner_from="the tag owner of the group" if n % 5 == 0 else "",
            status=("open", "open", "open", "exempt", "managed")[n % 5],
        )
        for n in range(120)
    ]


@pytest.mark.parametrize(("key", "value", "holds"), CASES)
async def test_an_address_with_a_filter_shows_what_it_names(
    tab: Page, tmp_path: Path, key: str, value: str, holds: Callable[[Finding], bool]
) -> None:
    """Whoever is handed report.html#check=redis sees these findings, of every status, and no other."""
    findings = of_every_kind()
    await tab.open(written(tmp_path, view(findings)), urlencode({key: value}))
    wanted = {one.rule_id for one in findings if holds(one)}
    rules = "[...document.querySelectorAll('.level tbody tr')].filter((row) => !row.closest('[hidden]'))"
    assert 0 < len(wanted) < 120
    assert (
        set(await tab.ask(f"{rules}.map((row) => row.cells[1].querySelector('code').textContent)")) == wanted
    )
    assert await tab.ask("document.getElementById('shown').textContent") == f"{len(wanted)} of 120 rows"


async def test_the_filter_is_kept_in_the_address(tab: Page, tmp_path: Path) -> None:
    """What is chosen stands in the address, and the page that it opens is narrowed the same way."""
    path = written(tmp_path, view(of_every_kind()))
    await tab.open(path)
    await chosen(tab, "check", "ssh")
    await typed(tab, "cn- 22")
    narrowed = await tab.ask(_ALL_ROWS)
    await tab.ask("new Promise((done) => setTimeout(done, 400))", wait=True)
    address = await tab.ask("location.hash")
    assert address == "#check=ssh&words=cn-+22"
    await tab.open(path, address.removeprefix("#"))
    assert 0 < await tab.ask(_ALL_ROWS) == narrowed
    await tab.ask("document.querySelector('#filter button[type=reset]').click()")
    await tab.ask("new Promise((done) => setTimeout(done, 400))", wait=True)
    assert (await tab.ask(_ALL_ROWS), await tab.ask("location.hash")) == (120, "")


async def test_an_address_that_names_what_is_not_there_shows_nothing(tab: Page, tmp_path: Path) -> None:
    """An account without findings is no reason to show those of all others, and a hostile name stays text."""
    path = written(tmp_path, view(of_every_kind()))
    for value in ("9999", "<img src=x onerror=document.title='owned'>", "__proto__"):
        await tab.open(path, urlencode({"account": value, "severity": value}))
        assert await tab.ask(_ALL_ROWS) == 0
        assert await tab.ask("document.getElementById('shown').textContent") == "0 of 120 rows"
        assert (await tab.ask("document.title")).startswith("sgsweep: ")
    await tab.open(path, "open")
    assert await tab.ask(_ALL_ROWS) == 120


async def test_a_cell_of_the_picture_leads_to_its_findings(tab: Page, tmp_path: Path) -> None:
    """A click on a cell narrows to that account and region, and only its account is a stop of the keyboard."""
    await tab.size(1280, 900)
    one = finding(1)
    await tab.open(written(tmp_path, view(of_every_kind())))
    cell = f"#heat svg.wide a[href='#account={one.account_id}&region={one.region_id}']"
    told = await tab.ask(f"document.querySelector({cell!r}).textContent")
    assert await tab.ask(f"document.querySelector({cell!r}).tabIndex") == -1
    arrived = "new Promise((done) => addEventListener('hashchange', () => setTimeout(done)))"
    await tab.ask(
        f"Promise.all([{arrived}, document.querySelector({cell!r}).dispatchEvent(new MouseEvent('click', "
        "{bubbles: true, cancelable: true}))])",
        wait=True,
    )
    assert await tab.ask(_ROWS) == int(told)


async def test_the_picture_is_a_table_for_who_does_not_see_it(tab: Page, tmp_path: Path) -> None:
    """In the accessibility tree it has a name, and heads of rows and columns."""
    await tab.size(1280, 900)
    one = finding(1, account_name="shop")
    await tab.open(written(tmp_path, view([one])))
    nodes = (await tab.do("Accessibility.getFullAXTree"))["nodes"]
    named = {
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node
    }
    assert ("table", "Open findings by account and region") in named
    assert ("columnheader", one.region_id) in named
    assert ("link", "1, critical") in named
    assert [name for role, name in named if role == "rowheader" and "shop" in name]


_AXE = """
document.styleSheets[0].insertRule(".block { content-visibility: visible !important }");
for (const one of document.querySelectorAll("details")) one.open = true;
axe.run(document, {resultTypes: ["violations"]}).then(({violations}) => JSON.stringify(violations.map(
  ({id, impact, nodes}) => [id, impact, nodes.map(({target}) => target.join(" "))])))
"""


@pytest.mark.skipif(
    axe_core() is None, reason="no axe-core here: `npm install axe-core`, or AXE_CORE=axe.min.js"
)
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
async def test_axe_finds_nothing_on_the_page(tab: Page, tmp_path: Path, width: int, scheme: str) -> None:
    """Contrasts, names, roles and heads are as they must be, of what is out of sight and folded up, too."""
    path = axe_core()
    assert path is not None
    await tab.size(width, 900)
    await tab.scheme(scheme)
    cloud = {"endpoint": "alibaba-cloud:china", "hub_account_id": "1000", "hub_arn": "acs:ram::1000:user/x"}
    full = replace(
        realistic(),
        summary=summary(complete=False, cloud=cloud),
        record=Record(entries=1, chains=1, digest="ab" * 32, signatures=("of old",)),
    )
    for run in (full, replace(full, language="zh-CN"), hostile_run(), view()):
        await tab.open(written(tmp_path, run))
        await tab.ask(path.read_text(encoding="utf-8") + ";0")
        assert json.loads(await tab.ask(_AXE, wait=True)) == []


async def test_a_printed_report_is_a_summary_and_a_line_a_finding(tab: Page, tmp_path: Path) -> None:
    """A thousand findings of one account add a sheet for every 60, and none is left out or wraps."""
    sheets = []
    for count in (1, 1_001):
        findings = [finding(7 * n, account_id="1000") for n in range(count)]
        await tab.open(written(tmp_path, view(findings)))
        sheets.append(await tab.printed())
    assert sheets[0] <= 2
    assert sheets[1] - sheets[0] <= 1_000 / 60 + 1
    await tab.do("Emulation.setEmulatedMedia", media="print")
    try:
        lines = "[...document.querySelectorAll('.found tbody tr')].map((row) => row.offsetHeight)"
        assert await tab.ask(f"Math.max(...{lines}) < 2 * Math.min(...{lines})")
    finally:
        await tab.do("Emulation.setEmulatedMedia", media="")


async def test_a_narrowed_page_says_so_on_paper(tab: Page, tmp_path: Path) -> None:
    """What is printed is what is shown, and nobody who gets the sheets takes it for all there is."""
    await tab.open(written(tmp_path, view(of_every_kind())), "check=ssh&severity=critical")
    await tab.do("Emulation.setEmulatedMedia", media="print")
    try:
        told = await tab.ask("document.getElementById('narrowed').innerText")
        assert told == "Narrowed: 18 of 120 rows, by check ssh, severity critical."
        assert await tab.ask("document.getElementById('filter').offsetParent === null") is True
    finally:
        await tab.do("Emulation.setEmulatedMedia", media="")


async def test_without_scripts_everything_is_shown(tab: Page, tmp_path: Path) -> None:
    """The filter is the only thing that needs a script, and it is not shown without."""
    await tab.do("Emulation.setScriptExecutionDisabled", value=True)
    try:
        await tab.open(written(tmp_path, realistic()))
        assert await tab.ask(_ROWS) == 119
        assert await tab.ask("document.getElementById('filter').offsetParent === null") is True
    finally:
        await tab.do("Emulation.setScriptExecutionDisabled", value=False)


_CUT = """
document.styleSheets[0].insertRule(".block { content-visibility: visible !important }");
[...document.querySelectorAll(".card, .block, .tiles, td, th, dd")]
  .filter((one) => one.clientWidth > 1 && one.scrollWidth > one.clientWidth + 1)
  .map((one) => `${one.tagName} of ${one.closest("section").id}: ${one.textContent.trim()}`).join()
"""
"""What sticks out of its column or frame, so that one would have to move it to read it."""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 768, 390])
async def test_it_fits_the_window_and_the_scheme(tab: Page, tmp_path: Path, width: int, scheme: str) -> None:
    """Nothing sticks out sideways, hostile names included, and dark means dark."""
    await tab.size(width, 900)
    await tab.scheme(scheme)
    many = Point(
        run_id="r" * 60,
        created_at="2026-02-01T00:00:00Z",
        open=dict.fromkeys(SEVERITIES, 98_765),
        complete=False,
    )
    full = replace(of_many_regions(), earlier=(many,) * 11, exemptions=(exemption(owner="W" * 128),))
    for run in (realistic(), hostile_run(), view(), view([finding(security_group_name="W" * 128)]), full):
        await tab.open(written(tmp_path, run))
        assert await tab.ask("document.documentElement.scrollWidth") <= width
        assert await tab.ask(_CUT) == ""
        paper = await tab.ask("getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)[0]")
        assert (paper < 60) == (scheme == "dark")


def of_many_regions() -> RunView:
    """A run whose picture and lists are as wide as they get."""
    cloud = {"endpoint": "alibaba-cloud:china", "hub_arn": "acs:ram::1000:role/" + "x" * 60}
    found = [finding(n, region_id=f"ap-southeast-{n % 31}", account_name="W" * 60) for n in range(400)]
    return replace(view(found), summary=summary(cloud=cloud))


def of_many_accounts(count: int) -> RunView:
    """A run of so many findings in a thousand accounts."""
    return view([replace(finding(n), account_id=str(10**15 + n * 7919 % 1_009)) for n in range(count)])


@pytest.mark.soak
async def test_twenty_thousand_findings_open_and_filter_quickly(
    tab: Page, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """With all links, laid out in a second or two, narrowed in a tenth; the limits leave a slow machine room."""
    cloud = {"endpoint": "alibaba-cloud:international"}
    path = written(tmp_path, replace(of_many_accounts(20_000), summary=summary(cloud=cloud)))
    assert path.stat().st_size < 20_000_000
    (tmp_path / "small").mkdir()
    await tab.open(written(tmp_path / "small", view()))
    await tab.size(1280, 900)
    seconds = await busy(tab, tab.open(path))
    record_property("open", seconds)
    assert seconds < 6
    await typed(tab, "r")  # reads the rows' text, once
    for words, hits in (("ssh", 2_858), ("ssh 6379", 0), (finding(19_999).rule_id, 1), ("sgr-", 20_000)):
        seconds = await busy(tab, typed(tab, words))
        record_property(words, seconds)
        assert seconds < 0.6
        told = await tab.ask("document.getElementById('shown').textContent")
        assert told == ("" if hits == 20_000 else f"{hits:,} of 20,000 rows")
    assert await tab.ask(_ROWS) == 20_000
    seconds = await busy(tab, tab.open(path, "check=redis&exposure=unknown"))
    record_property("open narrowed", seconds)
    assert seconds < 7
    assert await tab.ask(_ROWS) == 2_857


async def busy(tab: Page, work: Coroutine[Any, Any, None]) -> float:
    """How many seconds the page computes while this is done."""
    before = await tab.busy_seconds()
    await work
    await tab.ask("document.body.offsetHeight")
    after = await tab.busy_seconds()
    return after - before if after > before else after  # a page that got another process counts anew


async def test_a_search_in_the_page_finds_every_rule(tab: Page, tmp_path: Path) -> None:
    """What is out of sight is not laid out, and is text all the same: the browser's own search finds it."""
    run = of_many_accounts(3_000)
    await tab.open(written(tmp_path, run))
    for one in list(run.findings())[::599]:
        await tab.ask("getSelection().removeAllRanges(); document.activeElement.blur()")
        assert await tab.ask(f"window.find('{one.rule_id}')") is True
        assert await tab.ask("getSelection().toString()") == one.rule_id


async def test_tables_have_names_and_heads_for_who_does_not_see_them(tab: Page, tmp_path: Path) -> None:
    """In the accessibility tree each table of findings has its account as its name, and its four heads."""
    await tab.size(1280, 900)
    one = finding(0)
    await tab.open(written(tmp_path, view([one])))
    await tab.ask("document.querySelector('.block').scrollIntoView()")
    await tab.ask(
        "new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))", wait=True
    )
    nodes = (await tab.do("Accessibility.getFullAXTree"))["nodes"]
    named = [
        (node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes if "role" in node
    ]
    assert [name for role, name in named if role == "table" and one.account_id in name]
    heads = [name for role, name in named if role == "columnheader"]
    assert {"Security group", "Rule", "Check", "Why, and a packet that proves it"} <= set(heads)
    assert ("searchbox", "Words that a finding must have") in named
    assert ("search", "Filter the findings") in named
