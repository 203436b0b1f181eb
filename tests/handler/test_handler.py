"""The function end to end, over real sockets, against a cloud that changes."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import parse_qs

import msgspec
import pytest

from orchestrator.audit import verify
from orchestrator.cloud.endpoints import Destination
from orchestrator.cloud.errors import Unavailable
from orchestrator.cloud.settings import CloudSettings
from orchestrator.cloud.transport import Answer, SignedAttempt, Transport
from orchestrator.emulator import Emulator, Fault, Kind, Options, Quirks, World, WorldOutline
from orchestrator.emulator.framework.quirks import RuleCount
from orchestrator.emulator.world.model import Balancer, Listener
from orchestrator.handler import RemediationFailed, evaluate, remedy, settings
from orchestrator.handler.function_log import Voice
from orchestrator.handler.ledger import Budget
from orchestrator.handler.settings import SettingsError, read_settings
from tests.handler.conftest import REGION, Site, accept

SSH = accept("sgr-ssh")
WEB = accept("sgr-web", "443/443")
DROP = accept("sgr-drop", "22/22", policy="Drop", priority=50)


def test_only_the_risky_rule_goes(site: Site) -> None:
    """22 to the world is closed; 443 beside it and a Drop rule stay, which the tutorial would have deleted."""
    group = site.group(SSH, WEB, DROP)
    answer = site.remedy(site.item())
    assert [rule.security_group_rule_id for rule in group.rules] == ["sgr-web", "sgr-drop"]
    assert answer["groups"] == {"changed": 1}
    assert answer["results"][0]["outcomes"][0]["outcome"] == "revoked"


@pytest.mark.parametrize(
    "rules",
    [
        pytest.param([accept("a", source="::/0")], id="IPv6"),
        pytest.param([accept("a", source="0.0.0.0/1"), accept("b", source="128.0.0.0/1")], id="halves"),
        pytest.param([accept("a", "-1/-1", ip_protocol="ALL")], id="ALL"),
        pytest.param([accept("a", "20/25")], id="a range"),
    ],
)
def test_what_the_managed_rule_never_sees(site: Site, rules: list[Any]) -> None:
    """Every spelling of the whole Internet is closed."""
    group = site.group(*rules, WEB)
    site.remedy(site.item())
    still = [rule for rule in group.rules if rule.policy == "Accept" and rule.ip_protocol in {"TCP", "ALL"}]
    for rule in still:
        first, _, last = rule.port_range.partition("/")
        assert not int(first) <= 22 <= int(last)


def test_plan_mode_only_records(site: Site) -> None:
    """In plan mode nothing is written, and what would be done is told."""
    site.set(mode="plan", ledger="")
    group = site.group(SSH)
    answer = site.remedy(site.item())
    assert (answer["groups"], group.rules, site.wrote()) == ({"planned": 1}, (SSH,), [])
    assert "tcp/22" in answer["results"][0]["closes"][0]


def test_no_ledger_no_write(site: Site, tmp_path: Path) -> None:
    """Without a ledger, or with one that cannot be written, nothing is changed."""
    site.group(SSH)
    site.set(ledger="")
    with pytest.raises(SettingsError, match="SGSWEEP_LEDGER"):
        site.remedy(site.item())
    (tmp_path / "file").write_text("in the way")
    site.set(ledger=f"file://{tmp_path}/file/ledger")
    with pytest.raises(RemediationFailed, match="ledger"):
        site.remedy(site.item())
    assert site.wrote() == []


def test_redelivery_changes_nothing(site: Site) -> None:
    """The same event again finds a clean group."""
    site.group(SSH)
    assert site.remedy(site.item())["groups"] == {"changed": 1}
    assert site.remedy(site.item())["groups"] == {"clean": 1}
    assert site.wrote() == ["RevokeSecurityGroup"]


def test_one_bad_resource_never_loses_the_others(site: Site) -> None:
    """A refused account, a deleted group and other things in an event leave the good ones done; then it fails."""
    site.group(SSH)
    site.emulator.world.roles[site.other] = {}
    items = [site.item("sg-x", account=site.other), site.item("sg-gone"), {"resourceId": 3}, site.item()]
    with pytest.raises(RemediationFailed, match=r"1 of 3 groups.*EntityNotExist.Role"):
        site.remedy(*items)
    assert site.wrote() == ["RevokeSecurityGroup"]
    states = {
        line["security_group_id"]: line["state"] for line in site.said() if line.get("sgsweep") == "group"
    }
    assert states == {"sg-x": "failed", "sg-gone": "gone", "sg-test": "changed"}


def test_managed_groups_are_left_alone(site: Site) -> None:
    """A group of a cloud service is judged and never changed."""
    site.group(SSH, service_managed=True)
    assert site.remedy(site.item())["groups"] == {"clean": 1}
    assert site.wrote() == []


def test_own_account_with_own_credentials(site: Site) -> None:
    """Where no such role exists in the function's own account, its own credentials do; another account is refused."""
    site.group(SSH, account=site.hub)
    assert site.remedy(site.item(account=site.hub))["groups"] == {"changed": 1}
    site.set(remediation_role="")
    site.group(accept("sgr-another"), account=site.hub)
    assert site.remedy(site.item(account=site.hub))["groups"] == {"changed": 1}
    with pytest.raises(RemediationFailed, match="SGSWEEP_REMEDIATION_ROLE"):
        site.remedy(site.item())


def test_credentials_of_the_context(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The older runtime gives credentials in the context only."""
    site.group(SSH)
    keys = site.emulator.hub_credentials
    for name in ("ID", "SECRET"):
        monkeypatch.delenv(f"ALIBABA_CLOUD_ACCESS_KEY_{name}")
    site.context.credentials = SimpleNamespace(
        access_key_id=keys.access_key_id, access_key_secret=keys.access_key_secret, security_token=None
    )
    assert site.remedy(site.item())["groups"] == {"changed": 1}


def test_the_audit_records_can_be_verified(site: Site) -> None:
    """Cut out of the log, the invocation's records and their manifest verify like those of the command."""
    site.group(SSH, accept("sgr-all", "-1/-1", ip_protocol="ALL"))
    site.remedy(site.item())
    lines = [line for line in site.said() if "sgsweep" not in line]
    assert [(line["phase"], line["action"]) for line in lines[:-1]] == [
        ("intent", "revoke"),
        ("intent", "split"),
        ("outcome", "revoke"),
        ("outcome", "split"),
    ]
    spelled = [
        json.dumps(line, separators=(",", ":"), sort_keys=True, ensure_ascii=False).encode() + b"\n"
        for line in lines
    ]
    assert verify(spelled[:-1], spelled[-1]) == []
    assert verify(spelled[:-2], spelled[-1]) != []


def test_intent_before_effect(site: Site) -> None:
    """An answer lost after the change is not a lie: the re-read tells, and the next delivery changes nothing."""
    site.group(SSH)
    site.emulator.set_faults(Fault(kind=Kind.RESET_AFTER, action="RevokeSecurityGroup", count=1))
    assert site.remedy(site.item())["groups"] == {"changed": 1}
    phases = [line["phase"] for line in site.said() if "phase" in line]
    assert phases == ["intent", "outcome"]


def test_a_token_that_expires(site: Site) -> None:
    """An expired session is renewed and the group is remedied."""
    site.group(SSH)
    site.emulator.set_faults(Fault(kind=Kind.EXPIRED, action="DescribeSecurityGroupAttribute", count=1))
    assert site.remedy(site.item())["groups"] == {"changed": 1}


def test_the_rule_is_evaluated_again(site: Site) -> None:
    """After a change the rule that named the group is evaluated again; that it cannot be does not undo the fix."""
    site.group(SSH)
    answer = site.remedy(site.item(configRuleId="cr-unknown"))
    assert answer["groups"] == {"changed": 1}
    assert [
        line["config_rule_id"] for line in site.said() if line.get("sgsweep") == "not evaluated again"
    ] == ["cr-unknown"]


def test_a_rule_that_keeps_coming_back_is_left(site: Site) -> None:
    """Somebody needs a rule that returned twice: it is left, and a person is told."""
    for number in range(4):
        group = site.group(accept(f"sgr-{number}"))
        site.remedy(site.item())
    assert [rule.security_group_rule_id for rule in group.rules] == ["sgr-3"]
    alarms = [line for line in site.said() if line.get("sgsweep_alarm") == "loop"]
    assert alarms
    assert "came back" in alarms[0]["reason"]


def test_the_brake_outlives_an_invocation(site: Site) -> None:
    """After as many changes as allowed, the next invocation changes nothing there; the alarm says where and by whom."""
    site.set(max_changes="2")
    for number in range(3):
        site.group(accept(f"sgr-{number}"), name=f"sg-{number}")
    site.remedy(site.item("sg-0"))
    site.remedy(site.item("sg-1"))
    trail: dict[str, Any] = {"eventName": "AuthorizeSecurityGroup", "acsRegion": REGION}
    trail |= {"recipientAccountId": site.member}
    trail |= {"requestParameters": {"SecurityGroupId": "sg-2"}, "userIdentity": {"userName": "mallory"}}
    with pytest.raises(RemediationFailed, match="brake"):
        site.happen({"data": trail})
    assert len(site.wrote()) == 2
    (alarm,) = [line for line in site.said() if line.get("sgsweep_alarm") == "brake"]
    assert (alarm["account_id"], alarm["security_group_id"], alarm["by"]) == (site.member, "sg-2", "mallory")
    assert f"most in {site.member} (2)" in alarm["reason"]


def test_the_brake_of_one_account_is_no_other_accounts(site: Site) -> None:
    """A group with more risky rules than an account may change leaves every other account as it was served before."""
    site.set(max_changes="2")
    site.group(*(accept(f"sgr-{number}", source=f"{number}.0.0.0/7") for number in range(2, 42, 2)))
    site.group(SSH, account=site.other, name="sg-other")
    with pytest.raises(RemediationFailed, match=r"1 of 2 groups: .*left: the brake is on"):
        site.remedy(site.item(), site.item("sg-other", account=site.other))
    assert site.emulator.world.estate(site.other, REGION).groups["sg-other"].rules == ()


def test_a_group_over_its_budget_is_closed_in_slices(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The worst goes first; what is left is said, and closed by the deliveries after that, to the last rule."""
    monkeypatch.delenv("SGSWEEP_PORTS")
    site.set(max_changes="2")
    ports = ("3306/3306", "6379/6379", "22/22", "3389/3389", "9200/9200")
    group = site.group(*(accept(f"sgr-{port.partition('/')[0]}", port) for port in ports))
    clock = [datetime(2026, 11, 24, 12, tzinfo=UTC)]
    monkeypatch.setattr(remedy, "_utc_now", lambda: clock[0])
    left = []
    for _ in range(2):
        with pytest.raises(RemediationFailed, match=r"of \d changes now"):
            site.remedy(site.item())
        left.append({rule.security_group_rule_id for rule in group.rules})
        with pytest.raises(RemediationFailed, match="the brake is on"):
            site.remedy(site.item())
        clock[0] += timedelta(minutes=11)
    assert site.remedy(site.item())["groups"] == {"changed": 1}
    assert left[0] == {"sgr-3306", "sgr-6379", "sgr-9200"}
    assert len(left[1]) == 1
    assert group.rules == ()


def test_rules_are_evaluated_again_after_a_slice_too(site: Site) -> None:
    """What was changed is told to Cloud Config even where something is left."""
    site.set(max_changes="1")
    site.group(SSH, accept("sgr-rdp", "3389/3389"))
    with pytest.raises(RemediationFailed):
        site.remedy(site.item(configRuleId="cr-unknown"))
    assert any(line.get("config_rule_id") == "cr-unknown" for line in site.said())


def _entered(site: Site) -> set[str]:
    """The accounts of the roles that were asked for, whatever came of it."""
    asked = [parse_qs(call.wire) for call in site.emulator.calls if call.action == "AssumeRole"]
    return {form["RoleArn"][0].split(":")[3] for form in asked}


FOREIGN = "1999999999999999"


def test_a_foreign_account_never_sees_the_external_id(site: Site) -> None:
    """An account that the directory does not list is not entered, remedied or judged; its role is never asked for."""
    site.set(external_id="a-secret-between-us")
    site.group(SSH)
    answer = site.remedy(site.item("sg-x", account=FOREIGN), site.item())
    assert answer["groups"] == {"foreign": 1, "changed": 1}
    with pytest.raises(RemediationFailed, match=f"account {FOREIGN}: it is none of ours"):
        ask(site, {**site.item("sg-x", account=FOREIGN)})
    assert _entered(site) == {site.member}


def test_only_the_accounts_of_a_list_are_entered(site: Site) -> None:
    """Where the accounts are listed, the directory is not asked, and a member beside the list is left alone."""
    site.set(accounts=f"{site.other}, {site.hub}")
    site.group(SSH)
    site.group(SSH, account=site.other, name="sg-other")
    answer = site.remedy(site.item(), site.item("sg-other", account=site.other))
    assert answer["groups"] == {"foreign": 1, "changed": 1}
    assert _entered(site) == {site.other}
    assert not [call for call in site.emulator.calls if call.action == "ListAccounts"]


@pytest.mark.parametrize(("kind", "said"), [(Kind.DENIED, "SGSWEEP_ACCOUNTS"), (Kind.ERROR_BEFORE, "")])
def test_without_the_directory_only_its_own_account(site: Site, kind: Kind, said: str) -> None:
    """Who may not, or cannot, ask which accounts are ours enters its own alone and says so; nothing passes as done."""
    site.group(SSH)
    site.group(accept("sgr-own"), account=site.hub, name="sg-own")
    site.emulator.set_faults(Fault(kind=kind, action="ListAccounts"))
    with pytest.raises(RemediationFailed, match=rf"1 of 2 groups: {site.member}.* failed: .*{said}"):
        site.remedy(site.item(), site.item("sg-own", account=site.hub))
    assert _entered(site) <= {site.hub}
    assert site.wrote() == ["RevokeSecurityGroup"]


def test_the_management_account_is_a_member(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """ListAccounts need not name the management account; it is one of ours all the same."""
    world = World.generate(WorldOutline(5, 2, region_ids=2, groups_per_account=0, hub="delegated"))
    with Emulator(world) as emulator:
        site = Site(emulator, monkeypatch, capsys)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", emulator.hub_credentials.access_key_id)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", emulator.hub_credentials.access_key_secret)
        site.set(endpoint=emulator.http_url, mode="apply", ledger=f"file://{tmp_path}/ledger", ports="22")
        site.set(remediation_role="sgsweep-remediate")
        management = world.organization.management.account_id
        site.group(SSH, account=management)
        assert not emulator.state.quirks.management_in_list_accounts
        assert site.remedy(site.item(account=management))["groups"] == {"changed": 1}


def test_a_region_that_does_not_exist(site: Site) -> None:
    """An event's region is held against the account's own list before any host is made of it."""
    site.group(SSH)
    answer = site.remedy(
        {**site.item(), "regionId": "cn-nowhere"}, {**site.item(), "regionId": "x.y/z"}, site.item()
    )
    assert answer["groups"] == {"gone": 2, "changed": 1}
    assert {call.region_id for call in site.emulator.calls} <= {"", REGION}


@pytest.mark.parametrize(
    ("oss", "ecs", "host"), [("", "public", "-internal"), ("", "vpc", "-internal"), ("public", "public", "")]
)
def test_oss_is_reached_by_its_internal_endpoint(
    monkeypatch: pytest.MonkeyPatch, site: Site, oss: str, ecs: str, host: str
) -> None:
    """From Function Compute OSS is asked inside, whatever the network to ECS is; elsewhere it need not be."""
    monkeypatch.delenv("SGSWEEP_ENDPOINT")
    site.set(ledger="oss://ledger/p", oss_network=oss, network=ecs)
    asked: list[str] = []

    async def exchange(_: Transport, target: Destination, signed: SignedAttempt) -> Answer:
        asked.append(target.host)
        raise Unavailable(code="ConnectionFailed", message="there is no network here")

    monkeypatch.setattr(Transport, "exchange", exchange)
    monkeypatch.setattr(settings, "_HURRIED", CloudSettings(attempts=1))
    with pytest.raises(RemediationFailed, match="ledger"):
        site.remedy(site.item(account=site.hub))
    assert asked[0] == f"ledger.oss-{REGION}{host}.aliyuncs.com"


def test_who_only_looks_on_needs_no_role_that_changes(site: Site) -> None:
    """In plan mode the events and the custom rule are served by the role that only reads; no other is asked for."""
    site.set(mode="plan", ledger="", remediation_role="sgsweep-read")
    site.group(SSH)
    trail: dict[str, Any] = {"eventName": "AuthorizeSecurityGroup", "acsRegion": REGION}
    trail |= {"recipientAccountId": site.member, "requestParameters": {"SecurityGroupId": "sg-test"}}
    assert site.happen({"data": trail})["groups"] == {"planned": 1}
    assert ask(site, site.item()) == {"sg-test": "NON_COMPLIANT"}
    asked = [parse_qs(call.wire) for call in site.emulator.calls if call.action == "AssumeRole"]
    assert {form["RoleArn"][0].rpartition("/")[2] for form in asked} == {"sgsweep-read"}
    assert all("Revoke" not in form["Policy"][0] for form in asked)


def test_an_alarm_that_is_too_long_is_still_one() -> None:
    """A line that Function Compute would cut is cut here, and the word that the alarm looks for stays."""
    lines: list[str] = []
    Voice("req-1", lines.append).alarm("loop", reason="x" * 40_000)
    (said,) = map(json.loads, lines)
    assert (said["sgsweep"], said["sgsweep_alarm"], said["request_id"]) == ("loop", "loop", "req-1")
    assert len(lines[0]) < 30_000


def test_an_event_with_too_many_groups(site: Site) -> None:
    """200 groups of an event are worked on, the accounts taking turns; the rest is named, with an alarm, and fails."""
    site.group(SSH, account=site.other, name="sg-other")
    flood = [site.item(f"sg-{number}") for number in range(230)]
    with pytest.raises(RemediationFailed, match="31 of 231 groups"):
        site.remedy(*flood, site.item("sg-other", account=site.other))
    said = site.said()
    states = [line["state"] for line in said if line.get("sgsweep") == "group"]
    assert (states.count("gone"), states.count("changed"), states.count("left")) == (199, 1, 31)
    assert [line["left"] for line in said if line.get("sgsweep_alarm") == "too many groups"] == [31]


def test_near_the_time_limit_it_stops_and_reports(site: Site) -> None:
    """With hardly any time, what was not begun is reported as left, and the platform is told."""
    site.context.function.timeout = 2.2
    site.emulator.set_faults(Fault(kind=Kind.HANG, action="DescribeSecurityGroups", seconds=30))
    for number in range(12):
        site.group(accept(f"sgr-{number}"), name=f"sg-{number}")
    with pytest.raises(RemediationFailed, match=r"12 of 12 groups.*left"):
        site.remedy(*(site.item(f"sg-{number}") for number in range(12)))
    assert site.wrote() == []
    states = [line["state"] for line in site.said() if line.get("sgsweep") == "group"]
    assert states == ["left"] * 12


@pytest.mark.parametrize("group_id", ["sg-test", ""])
def test_a_question_is_answered_within_the_time_or_fails(site: Site, group_id: str) -> None:
    """Where the cloud does not answer, the platform is told before it ends the function itself."""
    site.context.function.timeout = 2.2
    site.group(SSH)
    site.emulator.set_faults(Fault(kind=Kind.HANG, action="Describe*", seconds=30))
    with pytest.raises(RemediationFailed, match="time was nearly over"):
        ask(site, site.item(group_id) if group_id else None)


def test_the_message_of_a_dead_letter_is_an_event(site: Site) -> None:
    """Function Compute's destinations wrap the event as text; sent again as it is, it is worked on."""
    site.group(SSH)
    message = {
        "timestamp": 1660120276975,
        "requestContext": {"requestId": "r", "condition": "RetriesExhausted"},
        "requestPayload": json.dumps([site.item()]),
        "responsePayload": "",
    }
    assert site.remedy(event=message)["groups"] == {"changed": 1}


@pytest.mark.parametrize(
    ("of", "said"),
    [
        ({"folder": "fd-1"}, "is for a folder"),
        ({"account": ["1", "lab-*"]}, "is for a name of an account"),
        ({"account_tag": "env=lab"}, "is for a tag of an account"),
        ({"check": "shh"}, "SGSWEEP_EXEMPTIONS: exemption .* unknown check 'shh'; there are tcp-22"),
        ({"tag": "lab"}, "the group tag lab can be written by members"),
    ],
)
def test_an_exemption_that_a_function_cannot_know_is_refused(
    site: Site, of: dict[str, object], said: str
) -> None:
    """A function knows neither folders nor names of accounts: what it could not honour it does not take."""
    site.group(SSH)
    table = {**of, "owner": "ann", "reason": "lab", "expires": "2099-12-31"}
    site.set(exemptions=json.dumps([table]))
    with pytest.raises(SettingsError, match=said):
        site.remedy(site.item())


def _keep(folder: Path, tables: list[dict[str, str]]) -> str:
    """Write exemptions as Terraform does; return what SGSWEEP_EXEMPTIONS says of them."""
    text = json.dumps(tables)
    folder.mkdir()
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()}.json"
    path.write_text(text)
    return f"file://{path}"


def test_many_exemptions_are_an_object(site: Site, tmp_path: Path) -> None:
    """Where they are too many for a variable they are read from an object, for the rule and the remedy alike."""
    site.group(SSH)
    table = {"account": site.member, "owner": "ann", "reason": "lab", "expires": "2099-12-31"}
    site.set(exemptions=_keep(tmp_path / "exemptions", [table]))
    assert site.remedy(site.item())["groups"] == {"clean": 1}
    assert ask(site, site.item()) == {"sg-test": "COMPLIANT"}
    assert site.wrote() == []


@pytest.mark.parametrize("what", ["changed", "gone"])
def test_exemptions_that_are_not_what_was_deployed(site: Site, tmp_path: Path, what: str) -> None:
    """Whoever can write the object cannot exempt; nothing is done without the exemptions."""
    site.group(SSH)
    table = {"account": site.other, "owner": "ann", "reason": "lab", "expires": "2099-12-31"}
    at = _keep(tmp_path / "exemptions", [table])
    path = Path(at.removeprefix("file://"))
    path.write_text(path.read_text().replace(site.other, site.member)) if what == "changed" else path.unlink()
    site.set(exemptions=at)
    with pytest.raises(SettingsError, match="SGSWEEP_EXEMPTIONS names"):
        site.remedy(site.item())
    assert site.wrote() == []


def test_an_external_id_with_a_line_end_is_refused_by_its_variables_name(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would be signed and refused in every account; the id is not repeated."""
    monkeypatch.setenv("SGSWEEP_EXTERNAL_ID", "hush\n")
    with pytest.raises(SettingsError, match=r"^SGSWEEP_EXTERNAL_ID holds a line end") as caught:
        site.remedy(site.item())
    assert "hush" not in str(caught.value)


def test_an_event_of_actiontrail(site: Site) -> None:
    """EventBridge's event is enough to find and close the port; our own revocation's event changes nothing."""
    site.group(SSH)
    trail = {"eventName": "AuthorizeSecurityGroup", "acsRegion": REGION, "recipientAccountId": site.member}
    trail["requestParameters"] = {"SecurityGroupId": "sg-test"}  # type: ignore[assignment]  # as it comes
    assert site.happen({"data": trail})["groups"] == {"changed": 1}
    assert site.happen({"data": {**trail, "eventName": "RevokeSecurityGroup"}})["groups"] == {"clean": 1}


@pytest.mark.parametrize(
    "name",
    ["AuthorizeSecurityGroup", "ModifySecurityGroupRule", "ModifySecurityGroupPolicy", "RevokeSecurityGroup"],
)
def test_every_call_that_may_open_a_group_is_followed(site: Site, name: str) -> None:
    """Those that the event rule lets through; what else is called of a group opens nothing and is not looked at."""
    rules = (Path(__file__).parents[2] / "terraform/remediation/rules.tf").read_text()
    assert f'"{name}"' in rules
    site.group(SSH)
    trail = {
        "acsRegion": REGION,
        "recipientAccountId": site.member,
        "eventName": "ModifySecurityGroupAttribute",
    }
    trail["requestParameters"] = {"SecurityGroupId": "sg-test"}  # type: ignore[assignment]  # as it comes
    assert site.happen({"data": trail})["groups"] == {}
    assert site.happen({"data": {**trail, "eventName": name}})["groups"] == {"changed": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "aply"),
        ("ports", ""),
        ("ports", "ssh"),
        ("max_changes", "0"),
        ("max_changes_in_all", "49"),
        ("accounts", "11,acme"),
        ("oss_network", "vpc"),
        ("rule_count", "no"),
        ("balancers", "never"),
        ("exemptions", "{}"),
        ("endpoint", "ftp://x"),
    ],
)
def test_wrong_settings_are_refused(site: Site, name: str, value: str) -> None:
    """A wrong variable stops everything before the first call, with its name."""
    site.set(**{name: value})
    with pytest.raises((SettingsError, ValueError)):
        site.remedy(site.item())
    assert len(site.emulator.calls) == 0


def ask(site: Site, item: dict[str, Any] | None) -> dict[str, Any]:
    """Ask as a custom rule does, with a token that the emulated Cloud Config knows."""
    from orchestrator.emulator.services.config.recorder import ConfigRule, config_of  # noqa: PLC0415 - only here

    config = config_of(site.emulator.state)
    config.add_rule(ConfigRule("cr-1", "custom", "CUSTOM_FC", "arn", site.hub, "ca-1"))
    config.tokens["token"] = ("cr-1", None)
    invoking: dict[str, Any] = {"accountId": site.member}
    if item:
        invoking["configurationItem"] = item
    event = {"invokingEvent": invoking, "resultToken": "token", "orderingTimestamp": 1}
    evaluate(json.dumps(event).encode(), site.context)
    return {key.group_id: result.compliance for key, result in config.rules["cr-1"].results.items()}


def test_answers_to_a_custom_rule(site: Site) -> None:
    """Compliant, non-compliant, not applicable, and what cannot be judged; nothing is changed, no ledger needed."""
    site.set(ledger="")
    site.group(WEB, name="sg-good")
    site.group(accept("a", source="::/0"), name="sg-bad")
    site.group(SSH, name="sg-managed", service_managed=True)
    site.group(accept("a", "22/22", "", source_prefix_list_id="pl-unknown"), name="sg-unknown")
    answers: dict[str, str] = {}
    for name in ("sg-good", "sg-bad", "sg-managed", "sg-unknown", "sg-gone"):
        answers |= ask(site, site.item(name))
    assert answers == {
        "sg-good": "COMPLIANT",
        "sg-bad": "NON_COMPLIANT",
        "sg-managed": "NOT_APPLICABLE",
        "sg-unknown": "INSUFFICIENT_DATA",
        "sg-gone": "NOT_APPLICABLE",
    }
    assert site.wrote() == []


def test_what_is_only_reported_is_no_clean_group(site: Site) -> None:
    """Blocks that reach the Internet together, or one wide source to SSH, are nobody's to remove, and not COMPLIANT."""
    blocks = [accept(f"sgr-{n}", source=f"{n}.0.0.0/9") for n in (11, 12, 13, 14)]
    group = site.group(*blocks, name="sg-many")
    site.group(accept("a", source="11.22.0.0/16"), name="sg-wide")
    answers = ask(site, site.item("sg-many")) | ask(site, site.item("sg-wide"))
    assert answers == {"sg-many": "NON_COMPLIANT", "sg-wide": "NON_COMPLIANT"}
    answer = site.remedy(site.item("sg-many"), site.item("sg-wide"))
    assert answer["groups"] == {"kept": 2}
    assert list(group.rules) == blocks


def test_a_scheduled_question_is_about_the_whole_account(site: Site) -> None:
    """A scheduled run is answered about every group of the account in every region."""
    site.group(accept("a", source="::/0"), name="sg-bad")
    found = ask(site, None)
    world = site.emulator.world
    expected = {one for region in world.region_ids for one in world.estate(site.member, region).groups}
    assert set(found) == expected
    assert found["sg-bad"] == "NON_COMPLIANT"


def test_the_usual_budgets() -> None:
    """50 changes in an account, and more in all; ten times what one may have, where only that is said."""
    assert read_settings({}).budget == Budget(50, 500)
    assert read_settings({"SGSWEEP_MAX_CHANGES": "80"}).budget == Budget(80, 800)
    assert read_settings({"SGSWEEP_MAX_CHANGES_IN_ALL": "60"}).budget == Budget(50, 60)


def test_a_cloud_that_counts_something_else(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """SGSWEEP_RULE_COUNT says for the function what `[cloud] rule_count` says for the command, in reads and changes."""
    world = World.generate(WorldOutline(5, 2, region_ids=1, groups_per_account=0))
    with Emulator(world, Options(quirks=Quirks(rule_count=RuleCount.MORE))) as emulator:
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", emulator.hub_credentials.access_key_id)
        monkeypatch.setenv("ALIBABA_CLOUD_ACCESS_KEY_SECRET", emulator.hub_credentials.access_key_secret)
        site = Site(emulator, monkeypatch, capsys)
        site.set(endpoint=emulator.http_url, mode="apply", ledger=f"file://{tmp_path}/ledger", ports="22")
        site.set(remediation_role="sgsweep-remediate")
        site.group(SSH)
        with pytest.raises(RemediationFailed, match="CountMismatch"):
            site.remedy(site.item())
        site.set(rule_count="ignore")
        assert site.remedy(site.item())["groups"] == {"changed": 1}


OFFICE = accept("sgr-office", source="198.51.100.0/24")


def _join(site: Site, *group_ids: str) -> None:
    """Let a load balancer that listens on 22 join these groups of the member's."""
    made = Balancer("nlb-1", "nlb", "front", group_ids, "vpc-1", listeners=(Listener("lsn-1", "TCP", 22),))
    site.emulator.world.estate(site.member, REGION).balancers["nlb-1"] = made


def test_a_group_that_a_load_balancer_joined(site: Site) -> None:
    """It lets everybody in whatever the rules say: judged so, and closed by a drop, again as soon as that is gone."""
    group = site.group(OFFICE)
    assert ask(site, site.item()) == {"sg-test": "COMPLIANT"}
    _join(site, "sg-test")
    assert ask(site, site.item()) == {"sg-test": "NON_COMPLIANT"}
    assert ask(site, None)["sg-test"] == "NON_COMPLIANT"
    for number in range(4):
        answer = site.remedy(site.item())
        assert answer["groups"] == {"changed": 1}, number
        assert [one["outcome"] for one in answer["results"][0]["outcomes"]] == ["blocked"]
        assert "notes" not in answer["results"][0], "a balancer that is still there has not come back"
        assert site.remedy(site.item())["groups"] == {"clean": 1}
        assert ask(site, site.item()) == {"sg-test": "COMPLIANT"}
        assert (group.rules[0], group.rules[-1].policy) == (OFFICE, "Drop")
        site.emulator.world.put(site.member, REGION, msgspec.structs.replace(group, rules=(OFFICE,)))
        group = site.emulator.world.estate(site.member, REGION).groups["sg-test"]
    added = [call for call in site.emulator.calls if call.action == "AuthorizeSecurityGroup"]
    tokens = {call.parameters["ClientToken"] for call in added}
    assert len(added) == len(tokens) == 4, "with the token of the first time the cloud would do nothing"


def test_load_balancers_that_may_not_be_read_are_told(site: Site) -> None:
    """The change is made, and its outcome says that a balancer may let in what it closed; told once for a region."""
    site.emulator.set_faults(Fault(kind=Kind.DENIED, action="ListLoadBalancers"))
    names = [f"sg-{number}" for number in range(5)]
    for name in names:
        site.group(accept(f"sgr-{name}"), name=name)
    answer = site.remedy(*map(site.item, names))
    assert answer["groups"] == {"changed": 5}
    for one in answer["results"]:
        assert one["outcomes"][0]["reason"].startswith("balancers_unknown")
        assert one["notes"][0].startswith("balancers_unknown")
    told = [line for line in site.said() if line.get("sgsweep") == "balancers unknown"]
    assert [(line["account_id"], line["region_id"]) for line in told] == [(site.member, REGION)]
    asked = [call for call in site.emulator.calls if call.action == "ListLoadBalancers"]
    assert len(asked) == 2  # of each product, once


def test_load_balancers_that_must_be_known(site: Site) -> None:
    """With SGSWEEP_BALANCERS = required, a group whose balancers cannot be read is neither changed nor compliant."""
    site.set(balancers="required")
    site.emulator.set_faults(Fault(kind=Kind.DENIED, action="ListLoadBalancers"))
    site.group(WEB)
    assert site.remedy(site.item())["groups"] == {"kept": 1}
    assert ask(site, site.item()) == {"sg-test": "INSUFFICIENT_DATA"}
    site.group(SSH)
    assert site.remedy(site.item())["groups"] == {"kept": 1}
    assert site.wrote() == []
