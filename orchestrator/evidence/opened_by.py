"""Which event opened a rule: pure. The newest one that made the rule what it is, of those that were carried out.

An event opens a rule where it authorizes one of the same direction, protocol, ports, source, policy and priority, or
changes this very rule to that. Where none does, the group's own creation may have: rules that came with it.

Adding a rule that is there already succeeds and changes nothing (ECS AuthorizeSecurityGroup). So an authorization that
is younger than the rule's CreateTime counts only where no other event does, and is told with a doubt; one that is
older than the CreateTime made another rule, which is gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Literal

import msgspec

from accounts.credentials import SESSION_PREFIX
from orchestrator.cloud.signature import USER_AGENT
from orchestrator.evidence.trail_events import Permission, TrailEvent, moment, stamp
from orchestrator.evidence.values import Opened, OpenedStatus
from orchestrator.policy.findings import Finding
from orchestrator.securitygroup.texts import (
    means_every_port,
    parse_cidr,
    parse_port_range,
    parse_priority,
    parse_protocol,
)
from orchestrator.securitygroup.values import WITH_PORTS

KEPT = timedelta(days=90)
"""How far ActionTrail reaches back (LookupEvents)."""

_SLACK = timedelta(minutes=5)  # between an event's time and the CreateTime of what it made
_AUTHORIZE = {"ingress": "AuthorizeSecurityGroup", "egress": "AuthorizeSecurityGroupEgress"}
_MODIFY = {"ingress": "ModifySecurityGroupRule", "egress": "ModifySecurityGroupEgressRule"}
_POLICY, _CREATE, _JOIN = "ModifySecurityGroupPolicy", "CreateSecurityGroup", "LoadBalancerJoinSecurityGroup"
OPENING = (*_AUTHORIZE.values(), *_MODIFY.values(), _POLICY, _CREATE, _JOIN)
"""The events that may open a door."""

_WHOLE_FAMILY = ("0.0.0.0/0", "::/0")
_DEFAULTS: dict[str, object] = {"policy": "accept", "priority": 1, "own": "", "source_ports": ""}
_MEANT = ("protocol", "ports", "source_ports", "peer", "own", "policy", "priority")
_CAME_WITH = "no call opened this rule by itself: it came with its group"
_MAY_REPEAT = "the rule is older than this call, which may have changed nothing"


class History(msgspec.Struct, frozen=True):
    """What was read of one group.

    Attributes:
        events: in any order.
        gap: why it is not all of the last 90 days, in a sentence; "" where it is, or no more was needed.
        gap_status: what is said of a rule for which nothing was found then.
        caveat: what is said with `not_found`; "" where nothing is to be added.
    """

    events: tuple[TrailEvent, ...] = ()
    gap: str = ""
    gap_status: Literal["unread", "not_permitted"] = "unread"
    caveat: str = ""


def opened_by(finding: Finding, history: History, now: datetime) -> Opened:
    """Return who opened the finding's rule.

    Args:
        finding: its rule has the API's own fields, CreateTime among them where it is known.
        history: of the finding's group.
        now: aware.
    """
    event, doubt = _opener(finding, history.events)
    if event is not None:
        return _found(event, doubt)
    if history.gap:
        return Opened(status=history.gap_status, reason=history.gap)
    about = _about(finding, history.events)
    cut = next((one for one in about if one.is_cut and one.name != _CREATE), None)
    if cut is not None:
        reason = f"what {cut.name} asked for is missing in the trail (RequestId {cut.request_id})"
        return Opened(status="unread", reason=reason)
    birth = _birth(finding, about)
    if birth is not None:
        return _found(birth, _CAME_WITH)
    status, reason = _not_found(_created(finding), now)
    return Opened(status=status, reason=reason or history.caveat)


def is_settled(finding: Finding, events: Sequence[TrailEvent], read_from: datetime | None = None) -> bool:
    """Tell whether no older event can change the answer.

    Args:
        finding: as above.
        events: newly read ones of its group, younger ones were looked at before.
        read_from: all from then on were read; None where that is not known.
    """
    created = _created(finding)
    about = _about(finding, events)
    if any(not _may_repeat(one, created) for one in _opening(finding, about)):
        return True
    if any(one.name == _CREATE for one in about):
        return True
    return read_from is not None and created is not None and read_from < created - _SLACK


def _opener(finding: Finding, events: Sequence[TrailEvent]) -> tuple[TrailEvent | None, str]:
    """Return the event that opened the rule, None where none is known, and what is doubtful about it."""
    created = _created(finding)
    about = _about(finding, events)
    opening = _opening(finding, about)
    sure = next((one for one in opening if not _may_repeat(one, created)), None)
    if sure is not None:
        return sure, ""
    birth = _birth(finding, about)
    if birth is not None and created is not None and birth.at <= created + _SLACK:
        return birth, _CAME_WITH
    return (opening[0], _MAY_REPEAT) if opening else (None, "")


def _birth(finding: Finding, about: Iterable[TrailEvent]) -> TrailEvent | None:
    """Return the creation of the group that the rule may have come with: no balancer does."""
    return None if finding.balancer_id else next((one for one in about if one.name == _CREATE), None)


def _about(finding: Finding, events: Iterable[TrailEvent]) -> list[TrailEvent]:
    """Return the events that may have opened the rule, newest first: carried out, of its group, not before it was."""
    created = _created(finding)
    first = created - _SLACK if created is not None else None
    found = [
        one
        for one in events
        if one.name in OPENING
        and not one.error_code
        and finding.security_group_id in one.group_ids
        and (first is None or one.at >= first)
    ]
    return sorted(found, key=lambda one: one.at, reverse=True)


def _opening(finding: Finding, about: Iterable[TrailEvent]) -> list[TrailEvent]:
    """Return the events that made the rule what it is."""
    if finding.balancer_id:
        return [
            one
            for one in about
            if one.name == _JOIN and one.parameters.get("LoadBalancerId") == finding.balancer_id
        ]
    is_now = _is_now(finding)
    return [one for one in about if _opens(one, finding, is_now)]


def _opens(event: TrailEvent, finding: Finding, is_now: Mapping[str, object]) -> bool:
    """Tell whether the event made the rule what it is now."""
    direction, asked = finding.direction, event.parameters
    if event.name == _POLICY:
        policy = str(finding.rule.get("InnerAccessPolicy") or "").lower()
        return bool(policy) and asked.get("InnerAccessPolicy", "").lower() == policy
    if event.name == _MODIFY.get(direction):
        # without an id it changes the description of the rule that it describes, and opens nothing
        if asked.get("SecurityGroupRuleId") != finding.rule_id:
            return False
        becomes = _content(asked, direction)
        return bool(becomes) and becomes.items() <= {**_DEFAULTS, **is_now}.items()
    if event.name not in (_AUTHORIZE.get(direction), _CREATE):
        return False
    return any(_same(_asked(one, direction), is_now) for one in event.permissions)


def _may_repeat(event: TrailEvent, created: datetime | None) -> bool:
    """Tell whether the event may have added what was there already."""
    return event.name in _AUTHORIZE.values() and created is not None and event.at > created + _SLACK


def _not_found(created: datetime | None, now: datetime) -> tuple[OpenedStatus, str]:
    if created is None:
        return "too_old", "ActionTrail reaches back 90 days, and nothing opened this rule in that time"
    if created < now - KEPT:
        return "too_old", f"the rule is of {stamp(created)}, and ActionTrail reaches back 90 days"
    return "not_found", ""


def _created(finding: Finding) -> datetime | None:
    return moment(finding.rule.get("CreateTime"))


# --- what a rule says, and what a call asks for


def _same(asked: Mapping[str, object], is_now: Mapping[str, object]) -> bool:
    """Tell whether a rule that is asked for is the rule that is there, by what both mean."""
    if not asked.keys() >= {"protocol", "peer"} or asked.get("direction", "") not in (
        "",
        is_now["direction"],
    ):
        return False
    # of the classic network alone: in a VPC every rule is told as `intranet`, whatever was asked for
    if asked.get("card") == "intranet" and is_now.get("card") == "internet":
        return False
    return all(
        asked.get(name, _DEFAULTS.get(name)) == is_now.get(name, _DEFAULTS.get(name)) for name in _MEANT
    )


@lru_cache(maxsize=65536)
def _asked(permission: Permission, direction: str) -> Mapping[str, object]:
    """Return what a rule means that a call asks for; each is held against every rule of its group."""
    fields = dict(permission)
    return {
        **_content(fields, direction),
        "direction": fields.get("Direction", "").lower(),
        "card": fields.get("NicType", ""),
    }


def _is_now(finding: Finding) -> dict[str, object]:
    """Return what the finding's rule means."""
    return {
        **_content(finding.rule, finding.direction),
        "direction": finding.direction,
        "card": finding.rule.get("NicType"),
    }


def _content(fields: Mapping[str, object], direction: str) -> dict[str, object]:
    """Return what the fields mean, whatever their spelling; what is not given is left out."""
    near, far = ("Source", "Dest") if direction == "egress" else ("Dest", "Source")
    found: dict[str, object] = {}
    protocol = _read(fields, "IpProtocol", parse_protocol)
    if protocol:
        found["protocol"] = protocol
    if ports := _ports(fields, str(protocol)):
        found["ports"] = ports
    if source_ports := _read(fields, "SourcePortRange", lambda text: _numbers(str(protocol), text)):
        found["source_ports"] = "" if source_ports == "all" else source_ports
    if policy := _given(fields, "Policy"):
        found["policy"] = policy.lower()
    if priority := _read(fields, "Priority", parse_priority):
        found["priority"] = priority
    if peer := _side(fields, far):
        found["peer"] = peer
    if own := _side(fields, near):
        found["own"] = "" if own in _WHOLE_FAMILY else own
    return found


def _ports(fields: Mapping[str, object], protocol: str) -> object:
    """Return the ports, or the list of ports that is named; a protocol without ports has all."""
    port_list, ports = _given(fields, "PortRangeListId"), _given(fields, "PortRange")
    if port_list and means_every_port(ports):
        return f"list {port_list}"
    if protocol and protocol not in WITH_PORTS and means_every_port(ports):
        return "all"
    return _read(fields, "PortRange", lambda text: _numbers(protocol, text))


def _numbers(protocol: str, text: str) -> str:
    return "all" if means_every_port(text) else parse_port_range(protocol, text).numbers


def _side(fields: Mapping[str, object], side: str) -> object:
    """Return one end: a CIDR wins over a group, a group over a prefix list (ECS AuthorizeSecurityGroup)."""
    for name in (f"{side}CidrIp", f"Ipv6{side}CidrIp"):
        if cidr := _read(fields, name, lambda text: parse_cidr(text).text):
            return cidr
    return _given(fields, f"{side}GroupId") or _given(fields, f"{side}PrefixListId")


def _read(fields: Mapping[str, object], name: str, parse: Callable[[str], object]) -> object:
    """Return what the field means; what is not understood means its own spelling, so that it equals the same only."""
    text = _given(fields, name)
    try:
        return parse(text) if text else ""
    except ValueError:
        return text.lower()


def _given(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    return "" if value is None or isinstance(value, (dict, list)) else str(value).strip()


# --- what is told


def _found(event: TrailEvent, doubt: str) -> Opened:
    who = event.identity
    return Opened(
        status="found",
        by=who.user_name or who.principal_id,
        arn=who.arn,
        at=stamp(event.at),
        source_ip=event.source_ip,
        via=via(event),
        event_id=event.event_id,
        request_id=event.request_id,
        event_name=event.name,
        is_ours=_is_ours(event),
        reason=doubt,
    )


def _is_ours(event: TrailEvent) -> bool:
    """Tell whether it says so of itself: anybody who may enter the role can choose such a name."""
    return event.identity.session_name.startswith(SESSION_PREFIX) or event.user_agent.startswith(USER_AGENT)


_AGENTS = (
    ("terraform", "Terraform"),
    ("pulumi", "Pulumi"),
    ("ros.aliyuncs.com", "ROS"),
    ("cloudcontrol", "Cloud Control"),
    ("console", "console"),
    ("mozilla/", "console"),  # the console passes the browser's own
    ("aliyun-cli", "Aliyun CLI"),
)
_LANGUAGES = ("Python", "Golang", "Java", "Node.js", "PHP", ".NET", "C#")


def via(event: TrailEvent) -> str:
    """Return by what it was called: the user agent tells, else the role or the address; "" where nothing does.

    What is told of itself is not proven: a user agent is the caller's own text.
    """
    agent, role = event.user_agent, event.identity.role.lower()
    lowered = agent.lower()
    if agent.startswith(USER_AGENT):
        return USER_AGENT
    if role.startswith("aliyunros") or event.source_ip == "ros.aliyuncs.com":
        return "ROS"
    named = next((name for part, name in _AGENTS if part in lowered), "")
    if named:
        return named
    if event.event_type.startswith("Console"):
        return "console"
    if lowered.startswith(("alibabacloud", "aliyun-sdk", "sdk")) or "teadsl" in lowered:
        language = next((one for one in _LANGUAGES if one.lower() in lowered), "")
        return f"SDK ({language})" if language else "SDK"
    service = next((one for one in (event.source_ip, agent) if one.endswith(".aliyuncs.com")), "")
    return service or (event.identity.role if role.startswith("aliyunservicerole") else agent[:64])
