"""The catalogue of messages: whole in each language, used, and the same facts whichever is spoken."""

from __future__ import annotations

import html
import itertools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from string import Formatter
from typing import Any

import msgspec
import pytest

from accounts import AcceptedUnreachable
from orchestrator.config import check_lists
from orchestrator.plan import Settings, protection
from orchestrator.policy import Exemption, OwnerEntry, Owners, evaluate, owner_of, parse_exemptions, review
from orchestrator.report import Coverage, RunView, Standings, as_json, headline, render_owners
from orchestrator.report.as_html import OwnerLine, duration, moment
from orchestrator.report.words import CHINESE, ENGLISH, PARTS, words
from orchestrator.report.words.recorded import RECORDED
from orchestrator.run.connection import Connection
from orchestrator.run.cross_check import CrossChecked, statements
from orchestrator.run.unseen import review_accepted
from tests.policy.test_messages import SSH
from tests.report.sample import effect, finding, realistic, view
from tests.report.test_html import page
from tests.rulebook import NOW, group, permission

ROOT = Path(__file__).parents[2]
_CHINESE = re.compile(r"[\u4e00-\u9fff，。；：（）]")
_ENGLISH = re.compile(
    r"\b[a-z]+(?: [a-z]+){2,}\b"
)  # three words in a row are no name, and no command's option
MESSAGES = {key: message for part in PARTS for key, message in part.items()}


def placeholders(text: str) -> set[str]:
    """The names in braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_no_key_stands_in_two_parts() -> None:
    """A key means one thing."""
    assert len(MESSAGES) == sum(len(part) for part in PARTS)


@pytest.mark.parametrize("key", MESSAGES)
def test_a_message_says_the_same_things_in_each_language(key: str) -> None:
    """The same values and the same elements of HTML stand in both; Chinese has no plural and is Chinese."""
    english, chinese = MESSAGES[key]
    assert placeholders(english) == placeholders(chinese)
    assert Counter(re.findall(r"<[^>]*>", english)) == Counter(re.findall(r"<[^>]*>", chinese))
    assert not [spec for _, _, spec, _ in Formatter().parse(chinese) if spec]
    bare = re.sub(r"<code>.*?</code>|\{\w+\}", "", chinese)
    assert not _ENGLISH.search(bare)
    if re.search("[a-z]{3}", re.sub(r"<[^>]*>|\{[^}]*\}", "", english)) and not key.startswith("month."):
        assert _CHINESE.search(chinese)


@pytest.mark.parametrize("form", RECORDED, ids=lambda one: one.en[:40])
def test_a_form_of_the_record_keeps_all_that_was_said(form: Any) -> None:
    """Nothing that a recorded sentence names is lost in the other language."""
    assert placeholders(form.en) == placeholders(form.zh)
    assert _CHINESE.search(form.zh)


def sources() -> str:
    """All code and templates that could name a message, but the catalogue."""
    files = [
        *ROOT.glob("orchestrator/cli/*.py"),
        *ROOT.glob("orchestrator/run/*.py"),
        *ROOT.glob("orchestrator/report/*.py"),
        *ROOT.glob("orchestrator/report/page/*.html"),
        ROOT / "orchestrator/report/words/__init__.py",
    ]
    return "\n".join(file.read_text(encoding="utf-8") for file in files)


def test_every_message_that_is_named_is_there() -> None:
    """A page would fail only where the message is needed, which may be seldom."""
    named = set(re.findall(r"""\b(?:say|words|told_in)\(\s*["']([\w. ]+\.[\w ]+)["']""", sources()))
    assert len(named) > 100
    assert named <= MESSAGES.keys()


def test_every_message_is_said_somewhere() -> None:
    """What nobody says any more leaves the catalogue; where a key is put together, its beginning is named."""
    text = sources()
    unsaid = [
        key
        for key in MESSAGES
        if f'"{key}"' not in text
        and not any(
            f"{quote}{key.rpartition('.')[0]}{end}" in text for quote in "\"'" for end in (".", '"', "'")
        )
        and not re.search(rf'["\']{re.escape(key.partition(".")[0])}\.["\'{{]', text)
    ]
    assert unsaid == []


def test_counts_choose_the_english_word() -> None:
    """One is one and nothing else; thousands are grouped in both."""
    assert ENGLISH("coverage.groups", n=1) == "1 security group"
    assert ENGLISH("coverage.groups", n=0) == "0 security groups"
    assert ENGLISH("coverage.groups", n=1200) == "1,200 security groups"
    assert CHINESE("coverage.groups", n=1200) == "1,200 个安全组"


def test_time_is_written_as_the_language_writes_it() -> None:
    """The day and how long it took."""
    at = "2026-03-01T08:15:00Z"
    assert (moment(at), moment(at, CHINESE)) == ("1 March 2026, 08:15 UTC", "2026 年 3 月 1 日 08:15 UTC")
    assert [duration(value, CHINESE) for value in (4.25, 90, 3725)] == ["4.2 秒", "2 分钟", "1 小时 2 分钟"]


FOUND = [
    Standings(),
    Standings(managed={"critical": 7, "high": 4}, exempt={"low": 1}),
    Standings(open={"critical": 2, "high": 5000}, rules=4, accounts=3, closed=9, protected=1, wide=6),
    Standings(open={"low": 1}, rules=1, accounts=1, managed={"high": 3}),
    Standings(closed=12),
]
SEEN = [
    Coverage(complete=True, groups_in_all=40),
    Coverage(complete=True, groups_in_all=40, carried_over=39),
    Coverage(complete=False, accounts=2, regions=1, groups=8, not_begun=900, not_finished=1, undetermined=3),
    Coverage(complete=False, because=("41 groups were taken over from an earlier run and not read again",)),
    Coverage(complete=False),
    Coverage(complete=True, accepted=5, witnesses=("by its own listing",)),
]


@pytest.mark.parametrize(("standings", "coverage"), list(itertools.product(FOUND, SEEN)))
def test_a_headline_tells_the_same_facts_in_each_language(standings: Standings, coverage: Coverage) -> None:
    """Tone, completeness and every number are the same; no English is left."""
    english, chinese = (headline(standings, coverage, words(one)) for one in ("en", "zh-CN"))
    assert (english.tone, english.complete) == (chinese.tone, chinese.complete)
    for one, other in (
        (english.text, chinese.text),
        (" ".join(english.coverage), "".join(chinese.coverage)),
    ):
        assert Counter(re.findall(r"[\d,]*\d", one)) == Counter(re.findall(r"[\d,]*\d", other))
        assert not re.search("[a-z]", other)


def waiver(name: str, expires: str, **match: object) -> tuple[Exemption, ...]:
    """One exemption."""
    table = {"id": name, "owner": "ops", "reason": "vendor: till May", "expires": expires, **match}
    return parse_exemptions([table])


RULES: list[list[dict[str, Any]]] = [
    [permission()],
    [permission(Ipv6SourceCidrIp="::/0", SourceCidrIp="")],
    [permission(Policy="Drop"), permission()],
    [permission(SourceCidrIp="8.8.0.0/16")],
    [permission(SourceCidrIp=block) for block in ("8.0.0.0/9", "9.0.0.0/10", "9.64.0.0/10")],
    [permission(SourceCidrIp="no address")],
]
LIVE, OVER = (waiver(day[:4], day, port="tcp/22") for day in ("2040-01-01", "2020-01-01"))
SOON = waiver("soon", NOW.date().isoformat(), group="web-*", member_writable=True)
HEARD = [
    CrossChecked(error="NoPermission: no"),
    CrossChecked(error="NoPermission: no", read=3, named=2),
    CrossChecked(read=3, named=2, found=2, gone=1),
    CrossChecked(read=3, named=3),
]


class _Nothing:
    """A journal of a run that could read all."""

    def unreachables(self, _: str | None = None) -> Iterator[Any]:
        """Nothing."""
        return iter(())


PLAIN = Connection(endpoint="http://127.0.0.1:1", hub_account_id="1", hub_arn="acs:ram::1:user/ops")


def recorded() -> Iterator[str]:
    """Sentences as the rooms write them into the record."""
    for raws, exemptions in itertools.product(RULES, ((), LIVE, OVER)):
        yield from (one.reason for one in evaluate(group(*raws), (SSH,), NOW, exemptions))
    yield from (note.text for note in review((*LIVE, *OVER, *SOON), {}, NOW))
    today = NOW.date()
    for day in (today, today.replace(year=2020)):
        entry = AcceptedUnreachable(account="1", owner="ops", reason="closing", expires=day)
        yield from review_accepted(_Nothing(), (entry,), today)  # type: ignore[arg-type]  # all that it asks
    for found, complete in itertools.product(HEARD, (True, False)):
        yield from statements(found, complete=complete)
    yield from PLAIN.told()
    yield from msgspec.structs.replace(PLAIN, proxy="http://127.0.0.1:2", ca_sha256="ab").told()
    tagged = group(Tags={"Tag": [{"TagKey": "team", "TagValue": "pay"}]})
    for owners in (Owners(tags=("team",)), Owners(entries=(OwnerEntry("pay"),)), Owners()):
        yield owner_of(owners, tagged).taken_from
    for settings in (Settings(protected_groups=("sg-*",)), Settings(protected_tags=("team",))):
        yield protection(tagged, settings)


def test_what_the_record_says_is_told_in_chinese() -> None:
    """Every sentence that a room writes is known by its form, with its waiver, and only names stay as they are."""
    found = list(dict.fromkeys(recorded()))
    assert len(found) > 25
    for text in found:
        told = CHINESE.retold(text)
        assert told != text, text
        assert _CHINESE.search(told), text
        assert not _ENGLISH.search(told.replace("vendor: till May", "").replace("no address", "")), told
        assert ENGLISH.retold(text) == text


def test_the_title_of_every_check_that_is_shipped_is_told_in_chinese() -> None:
    """Those without configuration and those of each pack; what somebody has called his own check stays so."""
    titles = {one.title for checks in check_lists().values() for one in checks}
    assert len(titles) > 12
    assert [title for title in titles if not _CHINESE.search(CHINESE.retold(title))] == []
    assert [title for title in titles if _ENGLISH.search(CHINESE.retold(title))] == []
    assert CHINESE.retold("Our own check") == "Our own check"


def test_a_sentence_that_is_not_known_stays_as_it_was_written() -> None:
    """What the cloud has said is nobody's to translate, and a name that looks like a form loses nothing."""
    for text in ("Forbidden.RAM: User not authorized", "", "Opens nothing"):
        assert CHINESE.retold(text) == text
    shaped = "Opens tcp/22 to the whole IPv4 Internet (0.0.0.0/0); exempt until 2040-01-01 by a.: b; exempt."
    told = CHINESE.retold(shaped)
    assert "整个 IPv4 互联网" in told
    assert "b; exempt" in told


def shown(text: str) -> str:
    """What a page shows of itself: without styles, scripts, elements, and what is code or somebody's own name."""
    text = re.sub(r"<(style|script|code|bdi|q)\b.*?</\1>", " ", text, flags=re.DOTALL)
    labels = re.findall(r'(?:aria-label|placeholder|data-label|data-told)="([^"]*)"', text)
    return html.unescape(" ".join([re.sub(r"<[^>]*>", " ", text), *labels]))


OF_THE_CLOUD = (
    "Not allowed to assume the role sgsweep-read",
    "Prefix list pl-bp1x could not be read: Forbidden",
    "Waived until 2026-06-30 by netops: vendor access",
    "Rule sgr-bp1deny at priority 1 drops all of it first",
    "The exemption of netops for sg-bp1old matches nothing any more",
    "OperationDenied: the group is locked",
    "the group carries sgsweep=protected",
    "priority is 2 now",
    "excluded by name",
    "A very wide source",
)
"""What the made-up run has in it that no room of ours says so."""


def in_chinese(run: RunView) -> RunView:
    """The same run, told in Chinese."""
    return msgspec.structs.replace(run, language="zh-CN")


def test_a_chinese_page_has_no_english_sentence_of_ours() -> None:
    """Head, numbers, heads of tables, filters, labels, notes and verdicts; the page says its language itself."""
    text = page(in_chinese(realistic()))
    assert '<html lang="zh-CN">' in text
    seen = shown(text)
    for known in OF_THE_CLOUD:
        seen = seen.replace(known, "")
    assert _ENGLISH.findall(seen) == []
    assert "已关闭 41 个风险项，仍有 119 个待处理" in seen


def test_a_page_is_the_same_but_for_its_words() -> None:
    """Every element, class, address and id of the Chinese page is the English one's, and so is every row's data."""
    english, chinese = page(realistic()), page(in_chinese(realistic()))
    own = re.compile(r' (?:aria-label|placeholder|data-label|data-told|lang|content)="[^"]*"')
    frames = [
        Counter(own.sub("", tag) for tag in re.findall(r"<[^>]*>", text)) for text in (english, chinese)
    ]
    assert frames[0] == frames[1]


def test_what_somebody_typed_is_escaped_within_a_message() -> None:
    """A name in the middle of a Chinese sentence is as harmless as anywhere, and shows what it hides."""
    run = view([finding(1, owner="<b>\u202eops", owner_from="the mapping", protection="<i>why</i>")])
    for text in (page(run), page(in_chinese(run))):
        assert "&lt;b&gt;[U+202E]ops" in text
        assert "&lt;i&gt;why&lt;/i&gt;" in text
        assert "<i>why" not in text


def test_the_index_of_owners_is_told_in_the_runs_language() -> None:
    """The index says its language, too."""
    parts: list[str] = []
    line = OwnerLine(
        "pay", ("the mapping",), "pay/report.html", {"critical": 1, "high": 0, "medium": 0, "low": 0}
    )
    render_owners(in_chinese(view()), [line], parts.append)
    text = "".join(parts)
    assert '<html lang="zh-CN">' in text
    assert "来源：映射文件" in text


def test_what_programs_read_has_no_language() -> None:
    """JSON of a run that is told in Chinese is byte for byte that of one in English."""
    run = view([finding(n) for n in range(9)], effects=[effect(finding(1))])
    written = []
    for one in (run, in_chinese(run)):
        parts: list[str] = []
        as_json.render(one, parts.append)
        written.append("".join(parts))
    assert written[0] == written[1]
