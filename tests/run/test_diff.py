"""What lies between two runs: nothing is called fixed that was not looked for, and what came back is known again."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator import run
from orchestrator.cli.exit_codes import of_diff
from orchestrator.emulator import Fault, Kind, World, WorldOutline
from orchestrator.emulator.world.model import Group, Interface, PrefixList, Rule
from orchestrator.journal import JournalError
from orchestrator.policy import parse_checks, parse_exemptions
from orchestrator.report import render_json, render_since
from orchestrator.run import Approval, Filters, Progress, UsageError
from tests.run.conftest import Desk, MakeDesk

ANY, HALF = "0.0.0.0/0", "20.0.0.0/9"
KINDS = (
    "new", "returned", "raised", "not_seen", "fixed", "set_aside", "lowered", "newly_unseen", "still_open"
)  # fmt: skip


class Estate:
    """Two accounts in two regions, with groups and rules that a test says; and the runs over them."""

    def __init__(self, desk_at: MakeDesk) -> None:
        self.world = World.generate(WorldOutline(3, 2, region_ids=2, groups_per_account=0))
        self.accounts = list(self.world.organization.members)[:2]
        self.regions = list(self.world.region_ids)
        self.desk: Desk = desk_at(self.world)
        self.filters = Filters(accounts=tuple(self.accounts), exposure=False)

    def group(self, name: str, *rules: Rule, account: int = 0, region: int = 0, **more: Any) -> None:
        """Put a group there, with these rules and no others."""
        group = Group(
            f"sg-{name}", name=name, vpc_id="vpc-1", rules=rules, inner_access_policy="Drop", **more
        )
        self.world.put(self.accounts[account], self.regions[region], group)

    def remove(self, name: str) -> None:
        """Remove a group of the first account and region."""
        del self.world.estate(self.accounts[0], self.regions[0]).groups[f"sg-{name}"]

    def scan(self, name: str, filters: Filters | None = None, **changes: Any) -> None:
        """Scan into a folder of that name."""
        self.desk.scan(name, filters or self.filters, **changes)

    def apply(self, name: str) -> None:
        """Plan and apply a run."""
        folder = self.desk.folder / name
        digest = run.plan(folder, self.desk.config).plan.digest
        work = run.apply(
            folder / "plan.json", Approval(digest), self.desk.config, lambda *_: None, Progress()
        )
        asyncio.run(work)

    def rollback(self, name: str) -> None:
        """Roll a run back."""
        work = run.rollback(self.desk.folder / name, {}, self.desk.config, lambda *_: None, Progress())
        asyncio.run(work)

    def diff(self, old: str = "old", new: str = "new") -> tuple[dict[str, Any], int]:
        """Return the difference as JSON has it, and the exit code."""
        parts: list[str] = []
        with run.differing(self.desk.folder / old, self.desk.folder / new) as difference:
            code = of_diff(difference, render_json(difference, parts.append))
        found: dict[str, Any] = json.loads("".join(parts))
        counted = {kind: len(found[kind]) for kind in KINDS}
        assert counted.items() <= found["counts"].items()
        assert all(one["became"] == kind for kind in KINDS for one in found[kind])
        return found, code


@pytest.fixture
def estate(desk_at: MakeDesk) -> Estate:
    """Two accounts without any group yet."""
    return Estate(desk_at)


def ssh(rule_id: str = "sgr-ssh", source: str = ANY, **more: Any) -> Rule:
    """A rule that opens SSH."""
    return Rule(rule_id, port_range="22/22", source_cidr_ip=source, **more)


def counts(found: dict[str, Any]) -> dict[str, int]:
    """Return the kinds that occur."""
    return {kind: len(found[kind]) for kind in KINDS if found[kind]}


def test_nothing_has_changed(estate: Estate) -> None:
    """What is open in both is still open, under the id that the reports give it; that is no news: 0."""
    estate.group("a", ssh())
    estate.scan("old")
    estate.scan("new")
    found, code = estate.diff()
    assert (counts(found), code) == ({"still_open": 1}, 0)
    parts: list[str] = []
    run.report(estate.desk.folder / "new", "csv", parts.append)
    assert found["still_open"][0]["finding_id"] in "".join(parts)
    assert found["old_run"]["run_id"] != found["new_run"]["run_id"]


def test_a_new_rule_is_new_and_one_that_is_gone_is_fixed_by_others(estate: Estate) -> None:
    """By whoever it was: no change of ours did it. New is 1; fixed alone is 0."""
    estate.group("a", ssh())
    estate.group("gone", ssh("sgr-gone"))
    estate.scan("old")
    estate.group("a", Rule("sgr-rdp", port_range="3389/3389", source_cidr_ip=ANY))
    estate.remove("gone")
    estate.scan("new")
    found, code = estate.diff()
    assert (counts(found), code) == ({"new": 1, "fixed": 2}, 1)
    assert found["new"][0]["rule_id"] == "sgr-rdp"
    assert {(one["by"], one["why"]) for one in found["fixed"]} == {
        ("others", ""),
        ("others", "its group is gone"),
    }
    estate.group("a")
    estate.scan("newest")
    assert estate.diff("new", "newest")[1] == 0


def test_what_we_closed_is_fixed_by_us_and_what_came_back_has_returned(estate: Estate) -> None:
    """Also under a new id, and also where the run that closed it is neither of the two. Returned is 1."""
    estate.group("a", ssh())
    estate.scan("old")
    estate.scan("between")
    estate.apply("between")
    estate.scan("clean")
    found, code = estate.diff("old", "clean")
    assert (counts(found), found["fixed"][0]["by"], found["counts"]["fixed_by_us"]) == ({"fixed": 1}, "us", 1)
    assert code == 0
    estate.group("a", ssh("sgr-again"))
    estate.scan("new")
    for old in ("old", "clean"):
        found, code = estate.diff(old, "new")
        assert (counts(found), code) == ({"returned": 1}, 1), old
    assert found["returned"][0]["rule_id"] == "sgr-again"


def test_what_a_rollback_opened_again_has_not_returned(estate: Estate) -> None:
    """It was we who put it back; and what is gone by us is so, whatever was rolled back after the new run."""
    estate.group("a", ssh())
    estate.scan("old")
    estate.apply("old")
    estate.scan("closed")
    estate.rollback("old")
    estate.scan("new")
    found, code = estate.diff("old", "new")
    assert (counts(found), code) == ({"still_open": 1}, 0)
    assert estate.diff("old", "closed")[0]["fixed"][0]["by"] == "us"


def test_what_the_new_run_closed_itself_is_fixed(estate: Estate) -> None:
    """The state that is told is the one that the run left."""
    estate.group("a", ssh())
    estate.scan("old")
    estate.group("a", ssh(), Rule("sgr-rdp", port_range="3389/3389", source_cidr_ip=ANY))
    estate.scan("new")
    estate.apply("new")
    found, code = estate.diff()
    assert (counts(found), code) == ({"fixed": 2}, 0)
    assert {one["by"] for one in found["fixed"]} == {"us"}


def test_a_rule_that_was_made_again_is_the_same_door(estate: Estate) -> None:
    """A pipeline that deletes and creates gives a new id: what was open is open still, not fixed and new."""
    estate.group("a", ssh("sgr-1", description="mine"))
    estate.scan("old")
    estate.group("a", ssh("sgr-2", description="other words"))
    estate.scan("new")
    found, code = estate.diff()
    assert (counts(found), code) == ({"still_open": 1}, 0)
    (one,) = found["still_open"]
    assert one["rule_id"] == "sgr-2"
    (before,) = estate.diff("old", "new")[0]["still_open"]
    assert one["finding_id"] == before["finding_id"]


def test_the_rest_of_a_rule_that_we_split_is_the_same_door(estate: Estate) -> None:
    """What a change wrote in a rule's place is not new, where it fails another check as the rule did."""
    checks = parse_checks(
        [{"id": "ssh", "ports": ["22"]}, {"id": "web", "ports": ["8080"], "action": "report"}]
    )
    estate.group("a", Rule("sgr-both", port_range="20/9000", source_cidr_ip=ANY))
    estate.scan("old", checks=checks)
    estate.apply("old")
    estate.scan("new", checks=checks)
    found, code = estate.diff()
    assert (counts(found), code) == ({"fixed": 1, "still_open": 1}, 0)
    assert found["fixed"][0]["check_id"] == "ssh"
    assert found["still_open"][0]["rule_id"] != "sgr-both"


def test_worse_and_less_bad(estate: Estate) -> None:
    """A source that was widened until it fails is the same finding, raised (1); narrowed, it is lowered (0)."""
    estate.group("a", ssh(source=HALF))
    estate.scan("old")
    estate.group("a", ssh(source=ANY))
    estate.scan("new")
    found, code = estate.diff()
    assert (counts(found), code) == ({"raised": 1}, 1)
    assert (found["raised"][0]["was_severity"], found["raised"][0]["severity"]) == ("high", "critical")
    estate.group("a", ssh(source=HALF))
    estate.scan("newest")
    found, code = estate.diff("new", "newest")
    assert (counts(found), code) == ({"lowered": 1}, 0)


def test_not_to_look_at_what_is_attached_makes_nothing_worse(estate: Estate) -> None:
    """With no public address behind it a finding is a step less; a run that did not look does not raise it."""
    estate.group("a", ssh())
    other = Interface("eni-1", ("sg-other",), "10.0.0.1", instance_id="i-1", vpc_id="vpc-1")
    estate.world.estate(estate.accounts[0], estate.regions[0]).interfaces = (other,)
    estate.scan("old", msgspec.structs.replace(estate.filters, exposure=True))
    estate.scan("new")
    severities = [estate.desk.lines("findings.jsonl", name)[0]["severity"] for name in ("old", "new")]
    assert severities == ["high", "critical"]
    found, code = estate.diff()
    assert (counts(found), code) == ({"still_open": 1}, 0)


@pytest.mark.parametrize(
    ("narrower", "said"),
    [
        ({"accounts": (0,)}, "the account was not in the scope of the new run"),
        ({"regions": (0,)}, "the region was not in the scope of the new run"),
    ],
)
def test_what_a_filter_left_out_is_not_seen(
    estate: Estate, narrower: dict[str, tuple[int, ...]], said: str
) -> None:
    """It is open for all that is known, and the diff is incomplete: 3."""
    estate.group("a", ssh())
    estate.group("b", ssh(), account=1, region=1)
    estate.scan("old")
    names = {"accounts": estate.accounts, "regions": estate.regions}
    given = {key: tuple(names[key][one] for one in ones) for key, ones in narrower.items()}
    estate.scan("new", msgspec.structs.replace(estate.filters, **given))
    found, code = estate.diff()
    assert (counts(found), code) == ({"not_seen": 1, "still_open": 1}, 3)
    assert found["not_seen"][0]["why"].startswith(said)
    assert found["not_seen"][0]["standing"] == "not_seen"
    assert found["scope_differs"]


def test_a_narrower_run_is_incomplete_though_nothing_was_open_there(estate: Estate) -> None:
    """Whether something is new where it did not look is not known."""
    estate.group("a", ssh())
    estate.scan("old")
    estate.scan("new", msgspec.structs.replace(estate.filters, accounts=(estate.accounts[0],)))
    found, code = estate.diff()
    assert (counts(found), code) == ({"still_open": 1}, 3)
    assert estate.accounts[1] in found["scope_differs"][0]


@pytest.mark.parametrize(
    "action", ["DescribeRegions", "DescribeSecurityGroups", "DescribeSecurityGroupAttribute"]
)
def test_what_could_not_be_read_is_not_seen_and_newly_unseen(estate: Estate, action: str) -> None:
    """An account, a region and a group that refuse: none of their findings is fixed, and the place is named."""
    estate.group("a", ssh())
    estate.scan("old")
    estate.group("a", Rule("sgr-web", port_range="443/443", source_cidr_ip=ANY))
    estate.desk.emulator.set_faults(Fault(kind=Kind.DENIED, action=action))
    estate.scan("new")
    found, code = estate.diff()
    assert (counts(found), code) == ({"not_seen": 1}, 3)
    assert "could not read it" in found["not_seen"][0]["why"]
    assert estate.accounts[0] in {one["account_id"] for one in found["places_newly_unseen"]}
    estate.scan("newer")
    assert not estate.diff("new", "newer")[0]["places_newly_unseen"], "it was unseen before"


def test_what_the_old_run_could_not_read_is_new_and_says_so(estate: Estate) -> None:
    """It may be old: nobody had looked."""
    estate.group("a", ssh())
    estate.desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribeSecurityGroups"))
    estate.scan("old")
    estate.desk.emulator.set_faults()
    estate.scan("new")
    found, code = estate.diff()
    assert (counts(found), code) == ({"new": 1}, 1)
    assert found["new"][0]["was"] == "not_seen"
    assert found["new"][0]["why"].startswith("the old run could not read it: ")


def test_a_rule_that_can_no_longer_be_judged_is_not_fixed(estate: Estate) -> None:
    """Its prefix list is unreadable: its finding is not seen, the rule newly unseen. Judged again, it is new."""
    rule = Rule("sgr-list", port_range="22/22", source_prefix_list_id="pl-1")
    prefixes = PrefixList("pl-1", "all", entries=("0.0.0.0/1", "128.0.0.0/1"))
    estate.world.estate(estate.accounts[0], estate.regions[0]).prefix_lists["pl-1"] = prefixes
    estate.group("a", rule)
    estate.scan("old")
    estate.desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribePrefixListAttributes"))
    estate.scan("new")
    found, code = estate.diff()
    assert (counts(found), code) == ({"not_seen": 1, "newly_unseen": 1}, 3)
    assert found["not_seen"][0]["why"].startswith("the new run could not judge the rule: ")
    estate.desk.emulator.set_faults()
    estate.scan("newest")
    found, code = estate.diff("new", "newest")
    assert (counts(found), found["new"][0]["was"], code) == ({"new": 1}, "undetermined", 1)


def test_a_waiver_does_not_fix(estate: Estate) -> None:
    """What is exempt now is set aside; where the waiver ends, the finding is new, and says what it was."""
    waiver = parse_exemptions(
        [
            {
                "id": "w", "owner": "o", "reason": "r", "expires": (datetime.now(UTC) + timedelta(9)).date(),
                "group": ["sg-a"],
            }
        ]
    )  # fmt: skip
    estate.group("a", ssh())
    estate.scan("old")
    estate.scan("waived", exemptions=waiver)
    estate.scan("new")
    found, code = estate.diff("old", "waived")
    assert (counts(found), code) == ({"set_aside": 1}, 0)
    found, code = estate.diff("waived", "new")
    assert (counts(found), code) == ({"new": 1}, 1)
    assert found["new"][0]["why"] == "it was exempt in the old run"


def test_a_drop_that_wins_fixes(estate: Estate) -> None:
    """Whoever wrote it: no packet gets in any more."""
    estate.group("a", ssh(priority=50))
    estate.scan("old")
    estate.group("a", ssh(priority=50), ssh("sgr-drop", policy="Drop"))
    estate.scan("new")
    found, code = estate.diff()
    assert (counts(found), found["fixed"][0]["by"], code) == ({"fixed": 1}, "others", 0)


def test_different_checks_are_told_and_end_with_2(estate: Estate) -> None:
    """What the new run did not look for is not fixed; another severity or title is no other check."""
    estate.group("a", ssh(), Rule("sgr-rdp", port_range="3389/3389", source_cidr_ip=ANY))
    estate.scan("old")
    estate.group("a")
    estate.scan("new", msgspec.structs.replace(estate.filters, ports=("22",)))
    found, code = estate.diff()
    assert (counts(found), code) == ({"fixed": 1, "not_seen": 1}, 2)
    assert found["not_seen"][0]["check_id"] == "rdp"
    (said,) = found["checks_differ"]
    assert said.startswith("the new run did not look for admin-ports, ")
    assert "rdp" in said

    estate.group("a", ssh())
    two = [
        parse_checks([{"id": "ssh", "ports": ["22"], "severity": severity, "title": severity}])
        for severity in ("low", "high")
    ]
    estate.scan("low", checks=two[0])
    estate.scan("high", checks=two[1])
    found, code = estate.diff("low", "high")
    assert (counts(found), found["checks_differ"], code) == ({"raised": 1}, [], 1)
    estate.scan("wider", checks=parse_checks([{"id": "ssh", "ports": ["22", "23"]}]))
    found, code = estate.diff("high", "wider")
    assert (found["checks_differ"], code) == (["the two runs mean different things by ssh"], 2)


def test_a_run_that_took_groups_over_has_not_looked_at_them(estate: Estate) -> None:
    """What `--changed-since` did not read again is never told as fixed."""
    estate.group("a", ssh())
    estate.scan("old")
    estate.group("a")
    estate.scan("between")
    estate.scan("new", since="between")
    found, code = estate.diff("old", "new")
    assert (counts(found), code) == ({"not_seen": 1}, 3)
    assert "took groups of the region over" in found["not_seen"][0]["why"]


def test_what_cannot_be_compared_is_refused(estate: Estate, tmp_path: Path) -> None:
    """The same run twice, the wrong way round, another cloud, no run: each says what to do."""
    estate.scan("old")
    estate.scan("new")
    for pair, said in ((("old", "old"), "hold the same run"), (("new", "old"), "name the earlier run first")):
        with pytest.raises(UsageError, match=said):
            estate.diff(*pair)
    with pytest.raises(JournalError, match="is no run folder"):
        estate.diff("old", "absent")
    elsewhere = msgspec.structs.replace(
        estate.desk.config.cloud, endpoint=estate.desk.emulator.http_url.replace("127.0.0.1", "localhost")
    )
    estate.scan("elsewhere", cloud=elsewhere)
    with pytest.raises(UsageError, match="there is nothing to compare"):
        estate.diff("old", "elsewhere")


def test_the_page_of_the_new_run_says_what_changed_and_stays_harmless(estate: Estate) -> None:
    """The report of the new run with a section more; a hostile name is text there, too."""
    estate.group("a", ssh())
    estate.scan("old")
    estate.group("a")
    estate.world.put(
        estate.accounts[0],
        estate.regions[0],
        Group("sg-b", name="<script>alert(1)</script>\u202e", vpc_id="vpc-1", rules=(ssh("sgr-b"),)),
    )
    estate.scan("new")
    parts: list[str] = []
    folder = estate.desk.folder
    with run.differing(folder / "old", folder / "new") as found:
        code = of_diff(found, render_since(run.view(folder / "new"), found, parts.append))
    page = "".join(parts)
    assert code == 1
    section = page[page.index('<section id="since">') :].partition("</section>")[0]
    assert "sgr-b" in section
    assert "sgr-ssh" in section
    assert "<script>alert" not in page
    assert "[U+202E]" in section
    own = (estate.desk.folder / "new" / "report.html").read_text(encoding="utf-8")
    assert 'id="since"' not in own
    assert page.replace(page[page.index('<section id="since">') :].partition("</section>")[0], "").count(
        "<section"
    ) == own.count("<section")
