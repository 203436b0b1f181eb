"""probe.json: what the doctor has learned, believed only as this user's own work, and what other commands do by it."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.config.facts import Fact, Facts, read_probe
from orchestrator.emulator import Options, Quirks, World, WorldOutline
from orchestrator.emulator.framework.bending import Bend, BendKind
from orchestrator.emulator.framework.quirks import RuleCount
from orchestrator.emulator.world.model import Group, Rule, Statement
from tests.cli.conftest import MakeDesk
from tests.cli.desk import Desk

COUNTS_MORE = Options(quirks=Quirks(rule_count=RuleCount.MORE))
NOT_COMPARED = "RuleCount is not compared: it counts something else here, as probe.json has it"


def small() -> World:
    """Three members and the hub."""
    return World.generate(WorldOutline(11, 3, region_ids=2, groups_per_account=12))


def learned(desk: Desk) -> dict[str, Any]:
    """Call the doctor; return what it wrote."""
    ended = desk.sgsweep("accounts", "--check")
    assert ended.code == 0, ended.err
    assert "what was learned is in probe.json" in ended.err
    return desk.document("probe.json")


def test_what_was_learned_stands_beside_the_configuration(desk_of: MakeDesk) -> None:
    """Each fact with when and from where, of which cloud and hub; for its owner only. No check, no file."""
    desk, emulator = desk_of(small())
    assert desk.sgsweep("accounts").code == 0
    assert not (desk.folder / "probe.json").exists()
    found = learned(desk)
    assert found["endpoint"] == emulator.http_url
    assert found["hub_account_id"] == emulator.world.organization.hub_account_id
    fact = found["facts"]["rule_count"]
    assert fact["value"] == "same"
    assert fact["learned_at"].endswith("+00:00")
    assert fact["source"].endswith("groups, read and counted")
    assert stat.S_IMODE((desk.folder / "probe.json").stat().st_mode) == 0o600
    elsewhere = desk.folder / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "own.toml").write_text("")
    assert desk.sgsweep("accounts", "--check", "-c", "elsewhere/own.toml").code == 0
    assert (elsewhere / "probe.json").exists()


def test_a_cloud_that_counts_something_else_is_swept_by_what_was_learned(desk_of: MakeDesk) -> None:
    """Two ways of reading agree and the count does not: scans no longer compare it, and say by what; the file wins."""
    desk, _ = desk_of(small(), COUNTS_MORE)
    assert desk.sgsweep("scan", "--out", "before").code == 3
    assert learned(desk)["facts"]["rule_count"]["value"] == "other"
    after = desk.sgsweep("scan", "--out", "after")
    assert after.code == 1, after.err
    assert NOT_COMPARED in after.err
    assert desk.document("after/summary.json")["complete"]
    assert NOT_COMPARED in desk.sgsweep("config", "check").err
    desk.configure("[cloud]\nrule_count = 'check'\n")
    asked = desk.sgsweep("scan", "--out", "again")
    assert (asked.code, NOT_COMPARED in asked.err) == (3, False)


def test_rules_that_are_withheld_are_no_other_meaning_of_the_count(desk_of: MakeDesk) -> None:
    """An answer that is cut short convicts itself by the second way of reading, and nothing is learned of the count."""
    desk, emulator = desk_of(small())
    emulator.bend(Bend(kind=BendKind.CUT, action="DescribeSecurityGroupAttribute", rate=0.5), seed=3)
    desk.sgsweep("accounts", "--check")
    assert "rule_count" not in desk.document("probe.json")["facts"]


def test_what_was_known_before_is_kept_and_what_is_asked_again_is_renewed(desk_of: MakeDesk) -> None:
    """A fact that this visit did not ask for stays."""
    desk, _ = desk_of(small())
    probe = learned(desk)
    probe["facts"]["settle_seconds"] = {
        "value": 1.5,
        "learned_at": "2026-01-01T00:00:00+00:00",
        "source": "x",
    }
    probe["facts"]["rule_count"]["learned_at"] = "2026-01-01T00:00:00+00:00"
    (desk.folder / "probe.json").write_text(json.dumps(probe))
    again = learned(desk)["facts"]
    assert again["settle_seconds"]["value"] == 1.5
    assert again["rule_count"]["learned_at"] > "2026-01-02"


def test_what_cannot_be_kept_is_told_and_is_no_failure(desk_of: MakeDesk) -> None:
    """Where something else stands in its place."""
    desk, _ = desk_of(small())
    (desk.folder / "probe.json").mkdir()
    ended = desk.sgsweep("accounts", "--check")
    assert ended.code == 0
    assert "what was learned is not kept: probe.json could not be written: Is a directory" in ended.err


def spoil(path: Path, how: str) -> None:
    """Make the file one that must not be believed."""
    probe = json.loads(path.read_bytes())
    if how == "group may write":
        path.chmod(0o660)
    elif how == "others may write the folder":
        path.parent.chmod(0o777)
    elif how == "another owner":
        os.chown(path, 12345, 12345)
    elif how == "garbled":
        path.write_bytes(path.read_bytes()[:-20])
    elif how == "too long":
        path.write_bytes(path.read_bytes() + b" " * 70_000)
    elif how == "another cloud":
        path.write_text(json.dumps({**probe, "endpoint": "alibaba-cloud:china"}))
    elif how == "unknown fact":
        probe["facts"]["trust_me"] = probe["facts"]["rule_count"]
        path.write_text(json.dumps(probe))
    elif how == "wrong value":
        probe["facts"]["rule_count"]["value"] = "whatever"
        path.write_text(json.dumps(probe))
    elif how == "a folder":
        path.unlink()
        path.mkdir()


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("group may write", "others may write probe.json, which belongs to"),
        ("others may write the folder", "others may write ., which belongs to"),
        pytest.param(
            "another owner",
            "probe.json belongs to user 12345, and you are",
            marks=pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away"),
        ),
        ("garbled", "it is not as `accounts --check` writes it"),
        ("too long", "it is not as `accounts --check` writes it"),
        ("another cloud", "it was learned of alibaba-cloud:china by the hub"),
        ("unknown fact", "it is not as `accounts --check` writes it"),
        ("wrong value", "it is not as `accounts --check` writes it"),
        ("a folder", "it cannot be read (Is a directory)"),
    ],
)
def test_a_file_that_may_be_anothers_work_is_not_believed(desk_of: MakeDesk, how: str, said: str) -> None:
    """It is told why, and everything is as without it: what the count says is compared."""
    desk, _ = desk_of(small(), COUNTS_MORE)
    learned(desk)
    spoil(desk.folder / "probe.json", how)
    ended = desk.sgsweep("scan", "--out", "run")
    assert ended.code == 3
    assert "probe.json is not believed: " in ended.err
    assert said in ended.err
    assert NOT_COMPARED not in ended.err


def test_another_hub_has_another_file(tmp_path: Path) -> None:
    """Where the configuration names its hub, what another has learned does not count."""
    path = tmp_path / "probe.json"
    text = {"format": 1, "endpoint": "e", "hub_account_id": "1", "facts": {}}
    path.write_text(json.dumps(text))
    assert read_probe(path, "e").refused == read_probe(path, "e", "1").refused == ""
    assert "by the hub 1" in read_probe(path, "e", "2").refused


@pytest.mark.parametrize(("seen", "wait"), [(0.1, 0.4), (30.0, 120.0), (1e9, 600.0), (-5.0, 0.0)])
def test_how_long_a_change_may_take_is_four_times_what_was_seen(seen: float, wait: float) -> None:
    """Within reason, whatever stands in the file."""
    assert Facts(settle_seconds=Fact(seen, "", "")).settles_within() == pytest.approx(wait)
    assert Facts().settles_within() == 0


def test_a_slow_cloud_is_waited_for(desk_of: MakeDesk) -> None:
    """A change is given longer than the default, unless the file says how long."""
    desk, _ = desk_of(small())
    probe = learned(desk)
    probe["facts"]["settle_seconds"] = {
        "value": 10.0,
        "learned_at": "2026-01-01T00:00:00+00:00",
        "source": "x",
    }
    (desk.folder / "probe.json").write_text(json.dumps(probe))
    assert "a change is given 40 s to show" in desk.sgsweep("config", "check", "--offline").err
    desk.configure("[remediation]\nwait_seconds = 5\n")
    assert "a change is given" not in desk.sgsweep("config", "check", "--offline").err


def test_where_the_cloud_looks_before_it_asks_who_may_the_preflight_knows(desk_of: MakeDesk) -> None:
    """A role that could not put back what it takes is refused there, too, once the doctor has found out."""
    world = small()
    member = next(iter(world.organization.members))
    world.put(member, "cn-hangzhou", Group("sg-canary", "canary", vpc_id="vpc-1"))
    exposed = Rule("sgr-1", source_cidr_ip="0.0.0.0/0", port_range="22/22")
    world.put(member, "cn-hangzhou", Group("sg-open", "open", vpc_id="vpc-1", rules=(exposed,)))
    canary = f'[canary]\naccount = "{member}"\nregion = "cn-hangzhou"\ngroup = "sg-canary"\n'
    desk, emulator = desk_of(world, Options(quirks=Quirks(looks_before_ram=True)), canary)
    assert desk.sgsweep("accounts", "--check", "--probe-writes").code == 0
    assert desk.document("probe.json")["facts"]["rights_first"]["value"] is False
    role = world.roles[member]["sgsweep-remediate"]
    kept = tuple(one for one in role.statements[0].actions if one != "ecs:AuthorizeSecurityGroup")
    world.roles[member]["sgsweep-remediate"] = replace(role, statements=(Statement("Allow", kept),))
    digest = desk.planned("run", "--account", member)
    before = world.snapshot()
    ended = desk.sgsweep("apply", "run/plan.json", "--digest", digest, "--yes")
    assert ended.code == 4
    assert f"the remediation role lacks rights in {member} (AuthorizeSecurityGroup)" in ended.err
    assert world.snapshot() == before
    assert emulator.calls.changes()
