"""The function end to end, over real sockets, against a cloud that changes."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from orchestrator.audit import verify
from orchestrator.emulator import Fault, Kind
from orchestrator.handler import RemediationFailed, evaluate
from orchestrator.handler.settings import SettingsError
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
    """After as many changes as allowed, the next invocation changes nothing, raises an alarm and fails."""
    site.set(max_changes="2")
    for number in range(3):
        site.group(accept(f"sgr-{number}"), name=f"sg-{number}")
    site.remedy(site.item("sg-0"))
    site.remedy(site.item("sg-1"))
    with pytest.raises(RemediationFailed, match="brake"):
        site.remedy(site.item("sg-2"))
    assert len(site.wrote()) == 2
    assert any(line.get("sgsweep_alarm") == "brake" for line in site.said())


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


def test_an_exemption_by_folder_is_refused(site: Site) -> None:
    """A function knows no folders: what it could not honour it does not take."""
    site.group(SSH)
    table = {"folder": "fd-1", "owner": "ann", "reason": "lab", "expires": "2099-12-31"}
    site.set(exemptions=json.dumps([table]))
    with pytest.raises(SettingsError, match="is for a folder"):
        site.remedy(site.item())


def test_an_event_of_actiontrail(site: Site) -> None:
    """EventBridge's event is enough to find and close the port; our own revocation's event changes nothing."""
    site.group(SSH)
    trail = {"eventName": "AuthorizeSecurityGroup", "acsRegion": REGION, "recipientAccountId": site.member}
    trail["requestParameters"] = {"SecurityGroupId": "sg-test"}  # type: ignore[assignment]  # as it comes
    assert site.happen({"data": trail})["groups"] == {"changed": 1}
    assert site.happen({"data": {**trail, "eventName": "RevokeSecurityGroup"}})["groups"] == {"clean": 1}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("mode", "aply"),
        ("ports", ""),
        ("ports", "ssh"),
        ("max_changes", "0"),
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
    from orchestrator.emulator.config import ConfigRule, config_of  # noqa: PLC0415 - only here

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
    """Blocks that reach the Internet together are nobody's to remove, and yet not COMPLIANT; one wide block is."""
    blocks = [accept(f"sgr-{n}", source=f"{n}.0.0.0/9") for n in (11, 12, 13, 14)]
    group = site.group(*blocks, name="sg-many")
    site.group(accept("a", source="11.22.0.0/16"), name="sg-wide")
    answers = ask(site, site.item("sg-many")) | ask(site, site.item("sg-wide"))
    assert answers == {"sg-many": "NON_COMPLIANT", "sg-wide": "COMPLIANT"}
    answer = site.remedy(site.item("sg-many"), site.item("sg-wide"))
    assert answer["groups"] == {"kept": 1, "clean": 1}
    assert list(group.rules) == blocks


def test_a_scheduled_question_is_about_the_whole_account(site: Site) -> None:
    """A scheduled run is answered about every group of the account in every region."""
    site.group(accept("a", source="::/0"), name="sg-bad")
    found = ask(site, None)
    world = site.emulator.world
    expected = {one for region in world.region_ids for one in world.estate(site.member, region).groups}
    assert set(found) == expected
    assert found["sg-bad"] == "NON_COMPLIANT"
