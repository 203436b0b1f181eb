"""Owners, end to end: found by a scan, told in every format, and a report for each."""

from __future__ import annotations

import csv
import io
import json
import stat
from pathlib import Path
from typing import Any

import pytest

from orchestrator import run
from orchestrator.emulator import Fault, Kind, World, WorldOutline
from orchestrator.emulator.world.model import Group, Interface, Rule, Tag
from orchestrator.policy import OwnerEntry, Owners
from orchestrator.report import FORMATS, ReportError
from orchestrator.run import Filters, ReportPart, UsageError
from tests.run.conftest import Desk, MakeDesk

OWNERS = Owners(tags=("owner",), entries=(OwnerEntry("mapped", group=("sg-mapped",)),))


class Estate:
    """Two accounts with one open group for each place that can name an owner."""

    def __init__(self, desk_at: MakeDesk) -> None:
        self.world = World.generate(WorldOutline(3, 2, region_ids=1, groups_per_account=0))
        self.region = self.world.region_ids[0]
        self.first, self.second = list(self.world.organization.members)[:2]
        self.desk: Desk = desk_at(self.world)
        self.put("tagged", self.first, tags=(Tag("owner", "A team"),))
        self.put("instances", self.first)
        self.put("mapped", self.first)
        self.put("plain", self.second)
        interface = Interface(
            "eni-1",
            ("sg-instances",),
            "10.0.0.1",
            instance_id="i-1",
            vpc_id="vpc-1",
            instance_tags=(Tag("owner", "b"),),
        )
        self.world.estate(self.first, self.region).interfaces = (interface,)
        self.world.estate(self.second, self.region).interfaces = ()  # so that no group names another

    def put(self, name: str, account: str, **more: Any) -> None:
        """Put a group that opens SSH; where interfaces were seen and none is public, that is high, else critical."""
        rule = Rule(f"sgr-{name}", port_range="22/22", source_cidr_ip="0.0.0.0/0")
        group = Group(
            f"sg-{name}", name=name, vpc_id="vpc-1", rules=(rule,), inner_access_policy="Drop", **more
        )
        self.world.put(account, self.region, group)

    def scan(self, **changes: Any) -> None:
        """Scan both accounts."""
        filters = Filters(accounts=(self.first, self.second))
        self.desk.scan("first", filters, **{"owners": OWNERS, **changes})

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.desk.folder / "first"

    def report(self, kind: str = "json", **part: Any) -> str:
        """Return a report on a part of the run."""
        parts: list[str] = []
        run.report(self.folder, kind, parts.append, ReportPart(**part))
        return "".join(parts)

    def name_of(self, account: str) -> str:
        """Return an account's name."""
        names = {one["account_id"]: one["account_name"] for one in self.desk.lines("findings.jsonl")}
        return str(names[account])


@pytest.fixture
def estate(desk_at: MakeDesk) -> Estate:
    """The estate, not scanned yet."""
    return Estate(desk_at)


def test_each_finding_says_whose_it_is_and_from_where(estate: Estate) -> None:
    """The tag of the group, of its instances, the mapping, the account's name; in every format."""
    estate.scan()
    found = {
        one["security_group_id"]: (one["owner"], one["owner_from"])
        for one in estate.desk.lines("findings.jsonl")
    }
    assert found == {
        "sg-tagged": ("A team", "the group's tag owner"),
        "sg-instances": ("b", "the tag of its instances, owner"),
        "sg-mapped": ("mapped", "the mapping"),
        "sg-plain": (estate.name_of(estate.second), "the account's name"),
    }
    rows = list(csv.DictReader(io.StringIO(estate.report("csv"), newline="")))
    assert {row["security_group_id"]: (row["owner"], row["owner_from"]) for row in rows} == found
    results = json.loads(estate.report("sarif"))["runs"][0]["results"]
    assert {one["properties"]["owner"] for one in results} == {owner for owner, _ in found.values()}
    events = [json.loads(line) for line in estate.report("ocsf").splitlines()[1:]]
    assert {one["resources"][0]["owner"]["name"] for one in events} == {owner for owner, _ in found.values()}
    page = estate.report("html")
    assert "owner <bdi>A team</bdi>, by the group&#39;s tag owner" in page
    assert f"owner <bdi>{estate.name_of(estate.second)}</bdi>" not in page  # it stands above its rows


@pytest.mark.parametrize("kind", FORMATS)
def test_a_part_is_told_in_every_format_and_nothing_of_the_rest(estate: Estate, kind: str) -> None:
    """By owner, account and severity: no group, and no account, of anybody else is in it."""
    estate.scan()
    text = estate.report(kind, owners=("A*",))
    assert "sg-tagged" in text
    for other in ("sg-instances", "sg-mapped", "sg-plain", estate.second):
        assert other not in text
    assert "sg-plain" not in estate.report(kind, accounts=(estate.first,))
    critical = estate.report(kind, severities=("critical",))
    assert "sg-tagged" not in critical
    assert "sg-plain" in critical


def test_a_part_has_its_own_numbers_and_is_never_told_as_the_whole(estate: Estate) -> None:
    """Its findings, accounts and headline are its own; what is clean in a part is no clean run."""
    estate.scan()
    part = json.loads(estate.report(accounts=(estate.second,)))["summary"]
    assert part["part"] == {"account": [estate.second]}
    assert part["accounts"] == {"total": 1, "reached": 1, "unreachable": 0, "not_begun": 0}
    assert sum(part["open"].values()) == 1
    assert part["headline"].startswith("In this part of the run: 1 open finding")
    assert "rules" not in part
    whole = json.loads(estate.report())["summary"]
    assert "part" not in whole
    page = estate.report("html", severities=("low",))
    assert "In this part of the run: no risky port is open" in page
    assert 'header class="good"' not in page
    assert "only severity <strong>low</strong>" in page


def test_what_was_not_seen_is_told_to_whom_it_concerns(estate: Estate) -> None:
    """A region that could not be read makes the part of its account incomplete, and no other's."""
    estate.desk.emulator.set_faults(
        Fault(kind=Kind.DENIED, action="DescribeSecurityGroups", account=estate.second)
    )
    estate.scan()
    parts = {
        account: json.loads(estate.report(accounts=(account,))) for account in (estate.first, estate.second)
    }
    assert [parts[one]["summary"]["complete"] for one in parts] == [True, False]
    assert [len(parts[one]["unreachable"]) for one in parts] == [0, 1]
    assert parts[estate.second]["summary"]["coverage"][0].startswith("1 region could not be read")


def test_what_is_in_no_part_is_refused(estate: Estate) -> None:
    """A name that is mistyped is no empty, and so clean, report; so is a severity that there is not."""
    estate.scan()
    with pytest.raises(UsageError, match="nothing of the run is of owner nobody"):
        estate.report(owners=("nobody",))
    with pytest.raises(UsageError, match="nothing of the run is of account 7"):
        estate.report(accounts=("7",))
    with pytest.raises(UsageError, match="--severity 'worst': it is one of critical"):
        ReportPart(severities=("worst",))


@pytest.mark.parametrize("kind", FORMATS)
def test_a_report_for_each_owner_and_an_index(estate: Estate, kind: str) -> None:
    """Each in a folder of its own, for the owner's eyes only; together they hold every finding once."""
    estate.put("hostile", estate.second, tags=(Tag("owner", "../../a <b>team</b>"),))
    estate.put("capital", estate.second, tags=(Tag("owner", "B"),))
    estate.scan()
    out = estate.desk.folder / "split"
    lines = run.split_by_owner(estate.folder, kind, ReportPart(), out)
    index = json.loads((out / "index.json").read_bytes())["owners"]
    assert [one["owner"] for one in index] == [one.owner for one in lines]
    assert {one.owner for one in lines} >= {"A team", "b", "B", "mapped", "../../a <b>team</b>"}
    assert len({one.file.lower() for one in lines}) == len(lines)
    for one in lines:
        path = (out / one.file).resolve()
        assert path.is_relative_to(out)
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        text = path.read_text(encoding="utf-8")
        mine = {f"sg-{name}" for name in ("tagged", "instances", "mapped", "plain", "hostile", "capital")}
        assert len([name for name in mine if name in text]) == 1
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "<b>team</b>" not in page
    assert all(f'href="{one.file}"' in page for one in lines)
    assert sum(sum(one.open.values()) for one in lines) == 6


def test_a_split_overwrites_nothing(estate: Estate) -> None:
    """A folder that is there may hold reports of old; an unknown format is refused before anything is written."""
    estate.scan()
    out = estate.desk.folder / "split"
    with pytest.raises(ReportError, match="unknown format 'pdf'"):
        run.split_by_owner(estate.folder, "pdf", ReportPart(), out)
    assert not out.exists()
    run.split_by_owner(estate.folder, "csv", ReportPart(accounts=(estate.second,)), out)
    with pytest.raises(UsageError, match="is there already"):
        run.split_by_owner(estate.folder, "csv", ReportPart(), out)


def test_a_run_of_old_knows_its_accounts_only(estate: Estate) -> None:
    """Findings without an owner are their account's."""
    estate.scan(owners=Owners())
    owned = run.split_by_owner(estate.folder, "json", ReportPart(), estate.desk.folder / "split")
    assert {one.owner for one in owned} == {estate.name_of(one) for one in (estate.first, estate.second)}
    assert {one.owner_from for one in owned} == {("the account's name",)}
