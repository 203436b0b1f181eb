"""The HTML page: what it says, and that nothing a tenant typed becomes part of it."""

import re
from html.parser import HTMLParser
from typing import Any

import msgspec
import pytest

from orchestrator.report import RunView, render
from orchestrator.report.as_html import duration, moment, visible
from orchestrator.report.survey import Sample, Survey
from orchestrator.report.verdict import joined, verdict
from tests.report.sample import finding, outcome, realistic, summary, unreachable, view

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
    """A run in which every text that a tenant or a server can set is hostile."""
    items = [
        finding(
            n,
            **dict.fromkeys(("account_name", "security_group_name", "reason", "rule_id", "check_id"), text),
            sources=[text],
            ports=[text],
            rule={"Description": text, "Priority": text},
            witness={"protocol": text, "port": text, "source": text},
            status=("open", "exempt", "managed", "shadowed")[n % 4],
        )
        for n, text in enumerate(HOSTILE * 4)
    ]
    gone = [{**unreachable(n), "code": text, "message": text} for n, text in enumerate(HOSTILE)]
    acts = [outcome(finding(500 + n), "failed", reason=text, action=text) for n, text in enumerate(HOSTILE)]
    return view(
        items,
        gone,
        acts,
        exemption_notes=HOSTILE,
        skipped_accounts=tuple({"account_id": t, "name": t, "reason": t} for t in HOSTILE),
        plan={
            "digest": HOSTILE[0],
            "hub_account_id": HOSTILE[2],
            "actions": [],
            "skipped": [{"reason": t} for t in HOSTILE],
        },
        summary=summary(run_id=HOSTILE[1], complete=False),
    )


def test_the_page_is_one_file_that_asks_nothing_of_the_network() -> None:
    """No element refers to anything outside the page."""
    for tag, attributes in Reader(page(realistic())).tags:
        assert not {"src", "srcset", "data", "action", "poster", "background"} & set(attributes), tag
        assert (attributes.get("href") or "#").startswith("#")
    assert "url(" not in page(realistic())
    assert "@import" not in page(realistic())


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
        (view([finding(1), finding(2)]), "2 open findings in 2 accounts", "was read in full"),
        (
            view([finding(1)], outcomes=[outcome(finding(1))]),
            "1 finding closed, none left open",
            "read in full",
        ),
        (
            view([finding(1), finding(2)], outcomes=[outcome(finding(1))]),
            "1 finding closed, 1 still open",
            "read in full",
        ),
        (
            view(unseen=[unreachable(1), unreachable(2, "cn-beijing"), unreachable(3, "cn-beijing", "sg-1")]),
            "No risky port is open to the Internet in what could be seen",
            "1 account, 1 region and 1 security group could not be read.",
        ),
        (
            view([finding(verdict="undetermined")]),
            "No risky port is open to the Internet in what could be seen",
            "1 rule could not be judged.",
        ),
        (
            view(summary=summary(complete=False)),
            "No risky port is open to the Internet in what could be seen",
            "The run stopped before everything was read.",
        ),
    ],
)
def test_the_headline_says_what_was_found_and_whether_all_was_seen(
    run: RunView, headline: str, says: str
) -> None:
    """The first two sentences are true for each kind of run, and a doubt is never left out."""
    told = verdict(run, Survey(run))
    assert told.headline == headline
    assert says in told.coverage
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
    entry = {"account": "2000000000000001", "owner": "finance", "reason": "locked", "expires": "2026-09-30"}
    text = shown(view(unseen=[unreachable(1)], accepted_unreachable=(entry,)))
    assert "Accepted as unreachable 1" in text
    assert "finance until 2026-09-30: locked" in text
    assert "Incomplete" not in text


def test_set_aside_findings_are_apart_from_open_ones() -> None:
    """Exempt, managed and shadowed findings have tables of their own and are not counted as open."""
    run = view([finding(n, status=s) for n, s in enumerate(("exempt", "managed", "shadowed", "open"))])
    text = shown(run)
    assert "1 open finding in 1 account" in text
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
    plan = {
        "digest": "ab" * 32,
        "actions": [{}, {"security_group_id": "sg-code", "notes": ["managed as code by Terraform"]}],
        "skipped": [{"rule_id": "sgr-1", "reason": "protected"}],
    }
    text = shown(view([finding()], plan=plan))
    assert "2 changes planned, none made yet" in text
    assert "Left alone by the plan 1" in text
    assert "protected" in text
    assert "Noted by the plan 1" in text
    assert "managed as code by Terraform" in text


def test_accounts_left_out_on_purpose_are_listed() -> None:
    """Not-done is data."""
    left = ({"account_id": "3000", "name": "closing", "reason": "excluded by name"},)
    assert "closing 3000 excluded by name" in shown(view(skipped_accounts=left))


def test_twenty_thousand_findings_still_make_a_page() -> None:
    """The counts are of everything; the rows stop, and the page says how many more there are and where."""
    run = view([finding(n) for n in range(20_000)])
    text = page(run)
    assert len(text) < 3_000_000
    told = Reader(text).text
    assert "20,000 open findings" in told
    more = [
        int(found.replace(",", ""))
        for found in re.findall(r"([\d,]+) more findings are in the run folder", told)
    ]
    assert sum(more) + text.count('<tr class="row">') == 20_000


def test_the_page_is_the_same_whatever_order_the_findings_come_in() -> None:
    """Accounts finish in any order, and two reports of the same run can be compared."""
    items = [finding(n) for n in range(3_000)]
    assert page(view(items)) == page(view(items[::-1]))


def test_a_sample_keeps_the_first_by_key() -> None:
    """A bounded sample is exact: the first by key of everything that was added."""
    sample = Sample(10, lambda item: (item["n"],))
    for n in range(1000):
        sample.add({"n": (n * 7919) % 1000})
    assert [row["n"] for row in sample.rows] == list(range(10))
    assert (sample.total, sample.more) == (1000, 990)


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
    text = page(msgspec.structs.replace(view(), plan=None))
    sections: list[Any] = re.findall(r'<section id="([\w-]+)"', text)
    assert sections == ["numbers", "open"]
