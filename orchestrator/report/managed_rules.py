"""Cloud Config's managed rules about security groups: what each fails, as its page in the provider's help says.

Only to explain where their verdict and ours differ; nothing is judged by them. They take a rule by what stands written
in it (0.0.0.0/0, -1/-1, ALL), where ours measures what gets through. Where a page leaves something open, so does this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec

from orchestrator.exposure import PortSet, packets_of, packets_to, reach_of
from orchestrator.securitygroup import Cidr, PortRange, Rule, SecurityGroup

Subject = Literal[
    "risky_ports",
    "listed_ports",
    "public_access",
    "all_ports",
    "all_protocols",
    "public_source",
    "egress",
    "other",
]
"""What a managed rule is about; "other" is nothing that a packet could prove."""

Says = Literal["fail", "pass", "unclear", "not_applicable"]
"""What a managed rule's page says of a group; unclear where it does not say."""

RISKY_PORTS = (22, 3389)
"""What `ports` of the rules about risky ports is where nobody sets it."""

ALLOWED_PORTS = (80, 443)
"""What is taken for `ports` of the rule about an allow-list, which has no default there."""

_EVERYBODY = "0.0.0.0/0"
_EVERY_PORT = "-1/-1"


class ManagedRule(msgspec.Struct, frozen=True, kw_only=True):
    """A managed rule of Cloud Config.

    Attributes:
        identifier: its SourceIdentifier.
        subject: what it is about.
        name: what the console calls it in Chinese, which is what a rule is named where nobody named it.
        heeds_drops: a Drop rule of a higher priority makes the group compliant.
        by_protocol: it has a parameter `protocols`; TCP and UDP where nobody sets it.
    """

    identifier: str
    subject: Subject
    name: str = ""
    heeds_drops: bool = False
    by_protocol: bool = False


class RuleParameters(msgspec.Struct, frozen=True):
    """What the rules were set up with, which their results do not tell.

    Attributes:
        risky: ports of the rules about risky ports.
        allowed: ports of the rule about an allow-list.
    """

    risky: tuple[int, ...] = RISKY_PORTS
    allowed: tuple[int, ...] = ALLOWED_PORTS


class Documented(msgspec.Struct, frozen=True):
    """What a managed rule says of a group, by its page, and the rules of the group that it says so of."""

    says: Says
    rules: tuple[Rule, ...] = ()


_RULES = (
    ManagedRule(
        identifier="sg-risky-ports-check", subject="risky_ports", name="安全组不允许对全部网段开启风险端口"
    ),
    ManagedRule(
        identifier="ecs-security-group-risky-ports-check-with-protocol",
        subject="risky_ports",
        name="安全组指定协议不允许对全部网段开启风险端口",
        heeds_drops=True,
        by_protocol=True,
    ),
    ManagedRule(
        identifier="ecs-security-group-white-list-port-check",
        subject="listed_ports",
        name="安全组非白名单端口入网设置有效",
    ),
    ManagedRule(
        identifier="sg-public-access-check",
        subject="public_access",
        name="安全组入网设置有效",
        heeds_drops=True,
    ),
    ManagedRule(
        identifier="ecs-security-group-not-open-all-port",
        subject="all_ports",
        name="安全组入网设置中不能有对所有端口开放的访问规则",
        heeds_drops=True,
    ),
    ManagedRule(
        identifier="ecs-security-group-not-open-all-protocol",
        subject="all_protocols",
        name="安全组入网设置不能有对所有协议开放的访问规则",
        heeds_drops=True,
    ),
    ManagedRule(
        identifier="ecs-security-group-not-internet-cidr-access",
        subject="public_source",
        name="安全组入网设置允许的来源IP不包含公网IP",
    ),
    ManagedRule(
        identifier="ecs-security-group-egress-not-all-access",
        subject="egress",
        name="安全组出方向未设置为全通",
    ),
    ManagedRule(identifier="ecs-instance-attached-security-group", subject="other"),
    ManagedRule(identifier="ecs-security-group-type-not-normal", subject="other"),
    ManagedRule(identifier="ecs-security-group-description-check", subject="other"),
)

MANAGED_RULES: Mapping[str, ManagedRule] = {rule.identifier: rule for rule in _RULES}
"""By identifier: those of the pack "security group best practices", the tutorial's, and others about groups."""


def managed_rule(name: str) -> ManagedRule | None:
    """Return the managed rule that a rule of this name is; None where the name does not tell.

    A name that holds an identifier, as those of pipelines do ("prod-sg-risky-ports-check"), is of that rule.
    """
    plain = "".join(name.split()).casefold()
    by_name = next((rule for rule in _RULES if rule.name and rule.name.casefold() == plain), None)
    held = [rule for rule in _RULES if rule.identifier in plain.replace("_", "-")]
    return by_name or max(held, key=lambda rule: len(rule.identifier), default=None)


def documented(rule: ManagedRule, group: SecurityGroup, parameters: RuleParameters) -> Documented:
    """Return what the managed rule says of a group with these rules, by its page."""
    if group.service_managed:
        return Documented("not_applicable")
    if rule.subject == "other":
        return Documented("unclear")
    failing: list[Rule] = []
    unclear: list[Rule] = []
    for one in group.rules:
        if one.policy == "accept" and one.direction == ("egress" if rule.subject == "egress" else "ingress"):
            says = _says(rule, one, parameters)
            if says != "pass" and not (rule.heeds_drops and _is_dropped(rule, one, group.rules, parameters)):
                (failing if says == "fail" else unclear).append(one)
    if failing:
        return Documented("fail", tuple(failing))
    return Documented("unclear", tuple(unclear)) if unclear else Documented("pass")


def _says(rule: ManagedRule, one: Rule, parameters: RuleParameters) -> Says:
    """Say what the managed rule makes of one rule, Drop rules aside."""
    if rule.subject == "risky_ports":
        return _risky(rule, one, parameters)
    if rule.subject == "listed_ports" and not _is_plain(one):
        return "unclear" if _from_everybody(one) else "pass"
    if rule.subject == "public_source":
        return _public(one)
    return "fail" if _stands_written(rule.subject, one, parameters) else "pass"


def _stands_written(subject: Subject, one: Rule, parameters: RuleParameters) -> bool:
    """Whether a rule says what the managed rule looks for."""
    every_port = _port_range(one) == _EVERY_PORT
    found = {
        "listed_ports": _from_everybody(one) and not _only(one, parameters.allowed),
        "public_access": _from_everybody(one) and every_port,
        "all_ports": every_port,
        "all_protocols": one.protocol == "all",
        "egress": one.protocol == "all" and every_port and one.raw.get("DestCidrIp") == _EVERYBODY,
    }
    return found[subject]


def _risky(rule: ManagedRule, one: Rule, parameters: RuleParameters) -> Says:
    if one.raw.get("PortRangeListId"):
        return "unclear" if _from_everybody(one) else "pass"
    if not (_from_everybody(one) and any(_holds(one, port) for port in parameters.risky)):
        return "pass"
    if rule.by_protocol and one.protocol not in {"tcp", "udp"}:
        return "unclear" if one.protocol == "all" else "pass"
    return "fail" if _is_plain(one) else "unclear"


def _is_plain(one: Rule) -> bool:
    """Whether a rule names its ports itself; the pages say nothing of port lists, and of protocols without ports."""
    return bool(one.ports or one.protocol == "all") and not one.raw.get("PortRangeListId")


def _public(one: Rule) -> Says:
    if not isinstance(one.source, Cidr) or not reach_of(one.source, "internet").addresses:
        return "pass"
    return "fail" if one.source.family == 4 else "unclear"


def _from_everybody(one: Rule) -> bool:
    return one.raw.get("SourceCidrIp") == _EVERYBODY


def _port_range(one: Rule) -> str:
    return str(one.raw.get("PortRange") or "")


def _holds(one: Rule, port: int) -> bool:
    """Whether the port stands within the rule's range of ports, whatever its protocol."""
    return _port_range(one) == _EVERY_PORT or any(part.first <= port <= part.last for part in one.ports)


def _only(one: Rule, allowed: Sequence[int]) -> bool:
    if _port_range(one) == _EVERY_PORT:
        return False
    return all(part.first in allowed and part.first == part.last for part in one.ports)


def _is_dropped(rule: ManagedRule, one: Rule, rules: Sequence[Rule], parameters: RuleParameters) -> bool:
    """Whether a Drop of a higher priority takes all of what the managed rule holds against this rule."""
    about = packets_of(one)
    if rule.subject == "risky_ports":
        ports = [PortRange(name, port, port) for name in ("tcp", "udp") for port in parameters.risky]
        about &= packets_to(PortSet(ports))
    return not about.is_empty and any(
        about <= packets_of(drop)
        for drop in rules
        if drop.policy == "drop" and drop.direction == one.direction and drop.priority < one.priority
    )
