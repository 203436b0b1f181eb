"""The HTML page: what it says, and that nothing a tenant typed becomes part of it."""

import re
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec.structs import replace

from accounts import AcceptedUnreachable, Account, SkippedAccount, Unreachable
from orchestrator.journal import AccountState, JobState, Outcome
from orchestrator.plan import Skipped as Left
from orchestrator.policy import Attachment, Finding, Severity
from orchestrator.report import RunView, render, render_pages
from orchestrator.report.as_html import duration, moment, page_of, visible
from orchestrator.report.headline import joined
from orchestrator.report.heatmap import cut, heat_map
from orchestrator.report.survey import Survey
from orchestrator.report.verdict import verdict
from orchestrator.report.view import LATENT, NARROW, SHIELDED, UNEXPLAINED, WIDER, Emit
from tests.report.sample import (
    a_plan,
    again,
    effect,
    finding,
    left_alone,
    planned,
    realistic,
    summary,
    unreachable,
    view,
)

HOSTILE = (
    "<script>document.title='owned'</script>",
    "</title></style><script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "' onmouseover='document.title=1",
    "{{ 7 * 7 }}{% raw %}",
    "--><svg onload=document.title='owned'>",
    "\u202egnp.exe",
)


class Reader(HTMLParser):
    """What a browser would find in the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._quiet = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep the tag. What stands in different cells or paragraphs is apart."""
        if tag in {"td", "th", "dt", "dd", "p", "li", "div", "h1", "h2", "h3", "span"}:
            self.words.append(" ")
        self.tags.append((tag, dict(attrs)))
        self._quiet = tag in {"script", "style"}

    def handle_endtag(self, tag: str) -> None:  # noqa: ARG002  (the parser's signature)
        """Text counts again."""
        self._quiet = False

    def handle_data(self, data: str) -> None:
        """Keep what is shown."""
        if not self._quiet:
            self.words.append(data)

    @property
    def text(self) -> str:
        """What is shown, with single spaces."""
        return " ".join("".join(self.words).split())


def page(of: RunView) -> str:
    """The whole page."""
    parts: list[str] = []
    render(of, "html", parts.append)
    return "".join(parts)


def shown(of: RunView) -> str:
    """What the page shows."""
    return Reader(page(of)).text


def hostile_run() -> RunView:
    """A run in which every text that a tenant or a server can set is hostile; ports are none, they are understood."""
    items = [
        finding(
            n,
            **dict.fromkeys(("account_name", "security_group_name", "reason", "rule_id", "check_id"), text),
            sources=[text],
            rule={"Description": text, "Priority": text},
            witness={"protocol": text, "port": 22, "source": text},
            status=("open", "exempt", "managed", "shadowed")[n % 4],
        )
        for n, text in enumerate(HOSTILE * 4)
    ]
    gone = [replace(unreachable(n), code=text, message=text) for n, text in enumerate(HOSTILE)]
    acts = [effect(finding(500 + n), "failed", reason=text) for n, text in enumerate(HOSTILE)]
    return view(
        items,
        gone,
        acts,
        exemption_notes=HOSTILE,
        skipped_accounts=tuple(SkippedAccount(account_id=t, name=t, reason=t) for t in HOSTILE),
        plan=a_plan(
            skipped=[left_alone(finding(), text) for text in HOSTILE],
            digest=HOSTILE[0],
            hub_account_id=HOSTILE[2],
        ),
        summary=summary(run_id=HOSTILE[1], complete=False),
    )


def test_the_page_is_one_file_that_asks_nothing_of_the_network() -> None:
    """No element refers to anything outside the page."""
    for tag, attributes in Reader(page(realistic())).tags:
        assert not {"src", "srcset", "data", "action", "poster", "background"} & set(attributes), tag
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in page(realistic())
    assert "@import" not in page(realistic())


@pytest.mark.parametrize(
    ("endpoint", "domain"),
    [
        ("alibaba-cloud:china", "aliyun.com"),
        ("alibaba-cloud:international", "alibabacloud.com"),
        ("alibaba-cloud:china with ecs=ecs-vpc.cn-hangzhou.aliyuncs.com, sts=sts.aliyuncs.com", "aliyun.com"),
    ],
)
def test_account_region_group_and_rule_lead_to_the_console_of_the_site(endpoint: str, domain: str) -> None:
    """Whoever looks at a finding is two clicks from it: into the account, then to the rules of the group."""
    ssh = finding(0, direction="egress")
    links = [
        a["href"]
        for tag, a in Reader(page(view([ssh], summary=summary(cloud={"endpoint": endpoint})))).tags
        if tag == "a" and not (a["href"] or "").startswith("#")
    ]
    group = f"region/{ssh.region_id}/groupId/{ssh.security_group_id}/detail"
    assert set(links) == {
        f"https://signin.{domain}/switchRole.htm?parentAlias={ssh.account_id}.onaliyun.com",
        f"https://ecs.console.{domain}/securityGroup/region/{ssh.region_id}",
        f"https://ecs.console.{domain}/securityGroupDetail/{group}/intranetIngress",
        f"https://ecs.console.{domain}/securityGroupDetail/{group}/intranetEgress",
    }


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://127.0.0.1:8080",
        "https://gateway.example",
        "alibaba-cloud:china with ecs=gateway.example",
        "alibaba-cloud:gov",
        "alibaba-cloud:finance",
        "",
        "x alibaba-cloud:china",
    ],
)
def test_no_console_is_named_for_another_cloud(endpoint: str) -> None:
    """What an emulator or a gateway has is not in Alibaba Cloud's console: a link would show something else."""
    text = page(view([finding(0)], summary=summary(cloud={"endpoint": endpoint})))
    assert all((a["href"] or "").startswith("#") for tag, a in Reader(text).tags if tag == "a")


def test_hostile_ids_lead_to_no_other_place() -> None:
    """An id that is a path, a query or another address stays one part of the console's address."""
    hostile = ("../../x", "a?b=c#d", "//evil.example/", "javascript:alert(1)", "\ud800")
    found = [
        finding(n, **dict.fromkeys(("account_id", "region_id", "security_group_id"), text))
        for n, text in enumerate(hostile)
    ]
    run = view(found, summary=summary(cloud={"endpoint": "alibaba-cloud:china"}))
    links = [a["href"] or "" for tag, a in Reader(page(run)).tags if tag == "a"]
    outside = [urlsplit(link) for link in links if not link.startswith("#")]
    assert len(outside) == 5 * 3 + 2 * 5
    assert {(one.scheme, one.netloc) for one in outside} == {
        ("https", "signin.aliyun.com"),
        ("https", "ecs.console.aliyun.com"),
    }
    assert {one.path.count("/") for one in outside} == {1, 3, 7}
    assert not any(one.fragment for one in outside)


def test_hostile_texts_add_no_element_and_no_attribute() -> None:
    """A page full of hostile names has the same kinds of elements and attributes as an innocent one."""
    innocent, hostile = Reader(page(realistic())), Reader(page(hostile_run()))

    def anatomy(reader: Reader) -> set[tuple[str, str]]:
        return {(tag, name) for tag, attributes in reader.tags for name in [*attributes, ""]}

    assert anatomy(hostile) <= anatomy(innocent)
    assert sum(tag == "script" for tag, _ in hostile.tags) == 1
    for text in HOSTILE[:-1]:
        assert " ".join(text.split()) in hostile.text


def test_the_pages_own_policy_allows_its_own_script_and_style_only() -> None:
    """Defence in depth: with hashes and without `unsafe-inline`, and without any inline handler or style."""
    reader = Reader(page(hostile_run()))
    (policy,) = [a["content"] for tag, a in reader.tags if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    names = {name for _, attributes in reader.tags for name in attributes}
    assert not [name for name in names if name.startswith("on") or name == "style"]


def test_text_that_turns_around_is_shown_by_number() -> None:
    """Bidirectional and zero-width controls do not reorder or hide a name; other scripts are left as they are."""
    assert visible("a\u202eb\u200bc\x00\ud800") == "a[U+202E]b[U+200B]c[U+0000][U+D800]"
    assert visible("游戏-生产 الإنتاج\n") == "游戏-生产 الإنتاج\n"
    assert "\u202e" not in page(hostile_run())
    assert "[U+202E]gnp.exe" in shown(hostile_run())


@pytest.mark.parametrize(
    ("run", "headline", "says"),
    [
        (
            view(),
            "No risky port is open to the Internet",
            "Every account, region and rule in scope was read in full.",
        ),
        (
            view([finding(1), finding(2)]),
            "2 open findings (1 critical, 1 high) on 2 rules in 2 accounts",
            "was read in full",
        ),
        (
            view([finding(1)], effects=[effect(finding(1))]),
            "1 finding closed, none of ours left open",
            "read in full",
        ),
        (
            view([finding(1), finding(2)], effects=[effect(finding(1))]),
            "1 finding closed, 1 still open (1 high) on 1 rule in 1 account",
            "read in full",
        ),
        (
            view(unseen=[unreachable(1), unreachable(2, "cn-beijing"), unreachable(3, "cn-beijing", "sg-1")]),
            "No risky port is open to the Internet in what was seen",
            "1 account, 1 region and 1 security group could not be read.",
        ),
        (
            view([finding(verdict="undetermined")]),
            "No risky port is open to the Internet in what was seen",
            "1 rule could not be judged.",
        ),
        (
            view(summary=summary(complete=False)),
            "No risky port is open to the Internet in what was seen",
            "The run stopped before everything was read.",
        ),
    ],
)
def test_the_headline_says_what_was_found_and_whether_all_was_seen(
    run: RunView, headline: str, says: str
) -> None:
    """The first two sentences are true for each kind of run, and a doubt is never left out."""
    told = verdict(run, Survey(run))
    assert told.text == headline
    assert says in " ".join(told.coverage)
    assert told.complete == ("in full" in says)
    text = shown(run)
    assert headline in text
    assert ("Complete" if told.complete else "Incomplete") in text


def test_a_summary_that_claims_completeness_is_not_believed_against_the_evidence() -> None:
    """Whatever the summary says, a run with something unseen is not called complete."""
    assert "Incomplete" in shown(view(unseen=[unreachable(1)], summary=summary(complete=True)))
    assert "Incomplete" in shown(view(summary={"run_id": "r"}))


def test_what_could_not_be_seen_is_listed_with_its_reason() -> None:
    """Each unreachable thing has its code, the cloud's own words and the request id."""
    text = shown(view(unseen=[unreachable(3, "cn-beijing", "sg-lost")]))
    for part in (
        "sg-lost",
        "cn-beijing",
        "ServiceUnavailable",
        "Try later.",
        "7B1D2F3A-0000-5555-9999-ABCDEF012345",
    ):
        assert part in text


def test_accepted_accounts_are_listed_apart_and_leave_the_run_complete() -> None:
    """An accepted account is named with its owner, reason and end."""
    entry = AcceptedUnreachable(
        account="2000000000000001", owner="finance", reason="locked", expires=date(2026, 9, 30)
    )
    text = shown(view(unseen=[unreachable(1)], accepted=lambda _: entry))
    assert "Accepted as unreachable 1" in text
    assert "finance until 2026-09-30: locked" in text
    assert "Incomplete" not in text


def test_set_aside_findings_are_apart_from_open_ones() -> None:
    """Exempt, managed and shadowed findings have tables of their own and are not counted as open."""
    run = view([finding(n, status=s) for n, s in enumerate(("exempt", "managed", "shadowed", "open"))])
    text = shown(run)
    assert "1 open finding (1 high) on 1 rule in 1 account" in text
    for part in ("Exempt 1", "Managed 1", "Shadowed 1", "Open findings 1"):
        assert part in text


def test_changes_are_told_with_their_outcome_failures_first() -> None:
    """Before and after, and each change with its reason; what failed stands on top."""
    text = shown(realistic())
    assert "160 open before" in text
    assert "119 open after" in text
    assert "OperationDenied: the group is locked" in text
    assert text.index("OperationDenied") < text.index("priority is 2 now")
    assert "from 1 March 2026, 08:40 UTC" in text


def test_a_plan_that_was_not_carried_out_is_told_as_such() -> None:
    """A plan without outcomes says that nothing was changed, and what it leaves alone."""
    actions = [planned(finding(1)), planned(finding(2), notes=("managed as code by Terraform",))]
    plan = a_plan(actions, [left_alone(finding(3), "protected")])
    text = shown(view([finding()], plan=plan))
    assert "2 changes planned, none made yet" in text
    assert "2 changes planned, none made yet" in Reader(in_pages(view([finding()], plan=plan), 0)[0]).text
    assert "Left alone by the plan 1" in text
    assert "protected" in text
    assert "Noted by the plan 1" in text
    assert "managed as code by Terraform" in text


def test_accounts_left_out_on_purpose_are_listed() -> None:
    """Not-done is data."""
    left = (SkippedAccount(account_id="3000", name="closing", reason="excluded by name"),)
    assert "closing 3000 excluded by name" in shown(view(skipped_accounts=left))


def test_the_page_holds_every_finding() -> None:
    """However many there are of a severity, each rule's id stands as text, under its account."""
    run = view([finding(n) for n in range(6_000)])
    text = page(run)
    assert len(text) < 6_000 * 700
    told = Reader(text).text
    assert "6,000 open findings" in told
    missing = [one.rule_id for one in run.findings() if one.rule_id not in told]
    assert not missing


def test_changes_and_what_was_not_seen_are_listed_whole() -> None:
    """No table stops early: changes, unseen things, what the plan leaves alone or notes, accounts left out."""
    findings = [finding(n) for n in range(700)]
    plan = a_plan(
        [planned(one, notes=("managed as code",)) for one in findings],
        [left_alone(finding(5_000 + n), "protected") for n in range(700)],
    )
    text = shown(
        view(
            findings,
            [unreachable(n) for n in range(700)],
            [effect(one) for one in findings],
            plan=plan,
            skipped_accounts=tuple(
                SkippedAccount(account_id=str(n), name=f"left-{n}", reason="r") for n in range(700)
            ),
        )
    )
    for n in range(700):
        assert text.count(findings[n].rule_id) == 3  # the change, the finding that it closed, the note
        assert finding(5_000 + n).rule_id in text
        assert str(2_000_000_000_000_000 + n) in text
        assert f"left-{n}" in text


def test_every_account_is_listed() -> None:
    """Those without findings and those that were not begun too, the worst first."""
    told = [
        AccountState(Account(account_id=f"30000000000000{n:02}", name=f"clean-{n}"), JobState.done)
        for n in range(40)
    ]
    told.append(AccountState(Account(account_id="3900", name="late"), JobState.unclaimed))
    one = finding(1)
    text = shown(view([one], accounts=again(told)))
    assert "Accounts 42" in text
    for known in told:
        assert f"{known.account.name} {known.account.account_id}" in text
    assert text.index(one.account_name) < text.index("late 3900 not begun") < text.index("clean-0 ")
    assert "31 more accounts" not in text
    assert "32 more accounts" in text


def test_the_picture_counts_what_is_open_by_account_and_region() -> None:
    """Each cell has how many are open and how bad the worst is; an account's worst regions come first."""
    of = {"account_id": "1000", "account_name": "shop"}
    run = view(
        [
            *(finding(7 * n, **of, region_id="cn-hangzhou") for n in range(3)),  # SSH, critical
            finding(2, **of, region_id="eu-west-1"),  # Redis, high
            finding(5, account_id="2000", account_name="lab", region_id="eu-west-1"),  # FTP, medium
            finding(6, account_id="3000", region_id="us-west-1", status="exempt"),
        ],
        [unreachable(1), Unreachable("2000", "cn-hangzhou", None, "Throttling", "later", "r")],
    )
    heat = heat_map(run, Survey(run), most_regions=8, label_width=20)
    assert heat.regions == ("cn-hangzhou", "eu-west-1")
    assert [(row.label, row.account.account_id) for row in heat.rows] == [("shop", "1000"), ("lab", "2000")]
    assert [[(cell.open, cell.worst, cell.unread) for cell in row.cells] for row in heat.rows] == [
        [(3, "critical", False), (1, "high", False)],
        [(0, "", True), (1, "medium", False)],
    ]
    assert "? stands where not everything was read" in shown(run)
    assert 'href="#account=1000&amp;region=cn-hangzhou"' in page(run)


def test_the_picture_of_a_large_run_says_what_it_leaves_out() -> None:
    """Regions beyond the columns share the last one, accounts beyond the rows are counted, none is lost."""
    run = view([finding(n, account_id=str(n % 30), region_id=f"r-{n % 12:02}") for n in range(360)])
    heat = heat_map(run, Survey(run), most_regions=8, label_width=20)
    assert (len(heat.regions), heat.others, len(heat.rows), heat.left_out) == (8, 4, 20, 10)
    assert all(sum(cell.open for cell in row.cells) == row.account.open == 12 for row in heat.rows)
    assert "10 more accounts with open findings are not in the picture" in shown(run)
    assert 'id="heat"' not in page(view([finding(status="exempt")]))


def test_a_long_name_is_cut_for_the_picture_by_its_width() -> None:
    """A Chinese character takes the room of two Latin letters."""
    assert cut("payments-production", 19) == "payments-production"
    assert cut("payments-production", 10) == "payments-…"
    assert cut("游戏生产环境", 12) == "游戏生产环境"
    assert cut("游戏生产环境", 8) == "游戏生…"


def test_a_severity_below_the_checks_own_says_why() -> None:
    """The same check never shows two severities without the reason: latent, shielded, narrow, wide, or not known."""
    ssh = finding(0)
    one = Attachment(sight="seen", public_ips=1)
    high, medium = Severity.high, Severity.medium
    cases = {
        (): replace(ssh, base_severity=Severity.critical),
        (LATENT,): replace(ssh, severity=high, base_severity=Severity.critical, exposure="latent"),
        (SHIELDED,): replace(
            ssh, severity=high, base_severity=Severity.critical, exposure="latent", attachment=one
        ),
        (NARROW,): replace(ssh, severity=high, base_severity=high, exposure="exposed"),
        (NARROW, LATENT): replace(ssh, severity=medium, base_severity=high, exposure="latent"),
        (WIDER,): replace(ssh, severity=high, base_severity=high, check_id="wide", wide_for="ssh"),
        (UNEXPLAINED,): replace(ssh, severity=high, base_severity=Severity.critical),
    }
    for reasons, case in cases.items():
        run = view([case, finding(7)])
        assert run.lowered(case) == reasons
        assert shown(run).count("below the check's own severity") == (2 if reasons else 0)
        for reason in reasons:
            assert shown(run).count(reason) == 2  # beside the finding, and where its check is counted


def test_what_was_not_begun_is_not_told_as_unreadable() -> None:
    """Why a run is incomplete is said in its own words, and an account nobody came to has its own number."""
    text = shown(
        view(
            unseen=[
                replace(unreachable(1), code="NotBegun", message="stopped before it was begun", request_id="")
            ],
            summary=summary(
                complete=False,
                accounts={"total": 3, "reached": 2, "unreachable": 0, "not_begun": 1},
                incomplete_because=("the cloud counts something else",),
            ),
        )
    )
    assert "Not begun 1" in text
    assert "could not be read" not in text
    assert "The cloud counts something else." in text
    assert "NotBegun stopped before it was begun" in text


def test_who_read_it_and_by_what_way_is_told() -> None:
    """Account, caller, cloud, proxy and authority; an endpoint that is not Alibaba Cloud's own is loud."""
    cloud = {
        "endpoint": "http://127.0.0.1:8080",
        "hub_account_id": "1000000000000077",
        "hub_arn": "acs:ram::1000000000000077:user/sweeper",
        "proxy": "http://proxy.example:3128",
        "ca_sha256": "ab" * 32,
    }
    text = shown(view(summary=summary(cloud=cloud)))
    for value in cloud.values():
        assert value in text
    assert "which is not Alibaba Cloud's own" in text
    plain = shown(
        view(summary=summary(cloud={**cloud, "endpoint": "international", "proxy": "", "ca_sha256": ""}))
    )
    assert "not Alibaba Cloud's own" not in plain
    assert "proxy" not in plain


@contextmanager
def kept(pages: dict[str, str], name: str) -> Iterator[Emit]:
    """A page that is there once it is whole."""
    parts: list[str] = []
    yield parts.append
    pages[name] = "".join(parts)


def in_pages(run: RunView, most_rows: int) -> tuple[str, dict[str, str]]:
    """The index, and the pages beside it."""
    index: list[str] = []
    pages: dict[str, str] = {}
    names = render_pages(run, index.append, lambda name: kept(pages, name), most_rows)
    assert names == set(pages)
    return "".join(index), pages


def test_a_very_large_run_has_a_page_an_account_beside_an_index() -> None:
    """Each finding, change and note is on its account's page, and the index links to all of them."""
    run = realistic()
    rows = sum(1 for _ in run.findings()) + sum(1 for _ in run.outcomes())
    assert in_pages(run, rows) == (page(run), {})
    index, pages = in_pages(run, rows - 1)
    told = {name: Reader(text).text for name, text in pages.items()}
    assert run.plan is not None
    items: list[Finding | Outcome | Left] = [*run.findings(), *run.outcomes(), *run.plan.skipped]
    for item in items:
        assert [name for name in told if str(item.rule_id) in told[name]] == [page_of(item.account_id)]
    reader = Reader(index)
    assert {a["href"] for tag, a in reader.tags if tag == "a"} >= set(pages)
    assert "119 still open" in reader.text
    assert "119 open after" in reader.text
    assert "1 change failed" in reader.text
    assert "The exemption of netops" in reader.text
    ids = {a["id"] for _, a in reader.tags if "id" in a}
    assert not {a["href"] for tag, a in reader.tags if tag == "a"} - set(pages) - {f"#{id_}" for id_ in ids}
    assert "2000000000000004" in reader.text
    assert sum(text.count("<tr data-owner=") for text in pages.values()) == rows - sum(
        1 for _ in run.outcomes()
    )
    for text in pages.values():
        assert "Content-Security-Policy" in text
        assert [a["href"] for tag, a in Reader(text).tags if tag == "a"] == ["../report.html"]


def test_an_id_that_is_no_number_makes_no_path() -> None:
    """An account's page has a name that is safe whatever a server calls the account."""
    assert page_of("1000000000000001") == "report/1000000000000001.html"
    for hostile in ("../../x", "a/b", "", "..", "1" * 300, "\ud800"):
        assert re.fullmatch(r"report/[0-9a-f]{64}\.html", page_of(hostile))


def test_memory_does_not_grow_with_the_findings() -> None:
    """Rows wait on disk: ten times as many findings are rendered in about the same memory."""

    def peak(count: int) -> int:
        run = replace(view(), findings=lambda: (finding_of(n) for n in range(count)))
        tracemalloc.start()
        try:
            render(run, "html", lambda _: None)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    sample = [finding(7 * n) for n in range(20)]

    def finding_of(n: int) -> Finding:
        return replace(sample[n % 20], account_id=str(n // 500), rule_id=f"sgr-{n:012}")

    peak(100)
    assert peak(12_000) < peak(1_200) + 4_000_000


@pytest.mark.parametrize(
    "missing", ["accounts", "regions", "security_groups", "rules", "api", "seconds", "complete"]
)
def test_a_summary_that_lacks_a_number_shows_a_dash(missing: str) -> None:
    """A number that is not known is not shown as 0."""
    whole = summary()
    del whole[missing]
    assert shown(view(summary=whole))
    if missing == "rules":
        assert "Rules read \u2013" in shown(view(summary=whole))


def test_findings_need_the_contracts_keys_only() -> None:
    """What later keys add is shown when there, and not needed."""
    assert "A public address is attached now." in shown(view([finding(exposure="exposed")]))
    assert "public address is attached" not in shown(view([finding()]))


def test_small_words() -> None:
    """Times, durations and lists are said as people say them."""
    assert moment("2026-03-01T08:15:00Z") == "1 March 2026, 08:15 UTC"
    assert moment("whenever") == "whenever"
    assert [duration(value) for value in (4.25, 312.4, 3725, None)] == [
        "4.2 s",
        "5 min",
        "1 h 2 min",
        "\u2013",
    ]
    assert [joined(parts) for parts in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b and c",
    ]


def test_nothing_is_shown_of_a_plan_that_is_not_there() -> None:
    """A run without a plan has neither a plan's nor a change's section."""
    text = page(replace(view(), plan=None))
    sections: list[Any] = re.findall(r'<section id="([\w-]+)"', text)
    assert sections == ["numbers", "open"]
