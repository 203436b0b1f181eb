"""Reads one permission of an Authorize, Revoke or Modify call into a rule, with the API's own refusals."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from typing import Final

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Context
from orchestrator.emulator.world.model import Group, Rule
from orchestrator.emulator.world.regions import NUMERIC_PROTOCOL_REGIONS

_PROTOCOLS: Final = {
    "tcp": "TCP",
    "udp": "UDP",
    "icmp": "ICMP",
    "icmpv6": "ICMPv6",
    "gre": "GRE",
    "all": "ALL",
}
_NUMBERS: Final = {"1": "ICMP", "6": "TCP", "17": "UDP", "47": "GRE", "58": "ICMPv6"}
_PORTS: Final = re.compile(r"(-?\d{1,6})/(-?\d{1,6})")
_ANY_PORT: Final = "-1/-1"

# What makes two rules the same: everything but id, names, description and time.
NOT_MEANING: Final = frozenset(
    {
        "security_group_rule_id",
        "source_group_name",
        "dest_group_name",
        "source_prefix_list_name",
        "dest_prefix_list_name",
        "port_range_list_name",
        "description",
        "create_time",
    }
)
MEANING: Final = tuple(name for name in Rule.__struct_fields__ if name not in NOT_MEANING)


def meaning(rule: Rule) -> tuple[object, ...]:
    """The part of a rule that decides about packets, for comparison."""
    values = {name: getattr(rule, name) for name in MEANING}
    if values["source_port_range"] == _ANY_PORT:
        values["source_port_range"] = ""
    return tuple(values.values())


def bad(code: str, message: str = "", status: int = 400) -> ApiError:
    """A refusal of a permission."""
    return ApiError(status, code, message or "The specified parameter is not valid.")


def read_rule(
    context: Context, group: Group, wire: Mapping[str, str], direction: str, rule_id: str = ""
) -> Rule:
    """The rule that a permission describes; ApiError where the API would refuse it."""
    protocol = _protocol(context, wire.get("IpProtocol", ""))
    ports, port_list_id, port_list_name = _ports(context, wire, protocol)
    peer, near = ("source", "dest") if direction == "ingress" else ("dest", "source")
    fields = {**_near(wire, near), **_peer(context, group, wire, peer)}
    _check_families(fields, protocol)
    priority = _priority(wire.get("Priority", ""))
    policy = wire.get("Policy", "").lower() or "accept"
    if policy not in {"accept", "drop"}:
        raise bad("InvalidPolicy.Malformed", "The specified parameter Policy is not valid.")
    _check_enterprise(context, group, fields, policy)
    return Rule(
        security_group_rule_id=rule_id,
        direction=direction,
        policy=policy.capitalize(),
        priority=priority,
        ip_protocol=protocol,
        port_range=ports,
        port_range_list_id=port_list_id,
        port_range_list_name=port_list_name,
        source_port_range=_source_ports(wire.get("SourcePortRange", "")),
        nic_type=_nic_type(group, wire.get("NicType", "")),
        description=_description(wire.get("Description", "")),
        **fields,
    )


def _protocol(context: Context, text: str) -> str:
    name = _PROTOCOLS.get(text.lower())
    if name:
        return name
    if (
        text.isascii()
        and text.isdigit()
        and int(text) <= 255
        and context.region_id in NUMERIC_PROTOCOL_REGIONS
    ):
        return text if context.state.quirks.numeric_protocols_echoed else _NUMBERS.get(str(int(text)), text)
    message = "The parameter IpProtocol must be specified with case insensitive TCP, UDP, ICMP, GRE or ALL."
    raise bad("InvalidIpProtocol.ValueNotSupported", message)


def _ports(context: Context, wire: Mapping[str, str], protocol: str) -> tuple[str, str, str]:
    """PortRange, and the id and name of the port list where one is used."""
    text, list_id = wire.get("PortRange", ""), wire.get("PortRangeListId", "")
    with_ports = protocol in {"TCP", "UDP", "6", "17"}
    if list_id and not text:
        if not with_ports:
            raise bad("InvalidParam.ProtocolNotSupportPortRangeList")
        port_list = context.estate.port_lists.get(list_id)
        if port_list is None:
            raise bad("InvalidPortRangeListId.NotFound", "The specified port range list does not exist.", 404)
        return "", list_id, port_list.name
    match = _PORTS.fullmatch(text)
    if match is None:
        raise bad("InvalidPortRange.Malformed", "The specified parameter PortRange is not valid.")
    if with_ports and not 1 <= int(match[1]) <= int(match[2]) <= 65535:
        raise bad("InvalidPortRange.Malformed", "TCP and UDP need ports from 1 to 65535.")
    if not with_ports and text != _ANY_PORT:
        raise bad(
            "OperationDenied",
            "The specified IpProtocol does not exist or IpProtocol and PortRange do not match.",
        )
    return text, "", ""


def _source_ports(text: str) -> str:
    match = _PORTS.fullmatch(text)
    if text in {"", _ANY_PORT}:
        return ""
    if match is None or not 1 <= int(match[1]) <= int(match[2]) <= 65535:
        raise bad("InvalidSourcePortRange.Malformed", "The specified parameter SourcePortRange is not valid.")
    return text


def _priority(text: str) -> int:
    if not text:
        return 1
    if not text.isascii() or not text.isdigit():
        raise bad("InvalidPriority.Malformed", "The specified parameter Priority is not valid.")
    if not 1 <= int(text) <= 100:
        raise bad("InvalidPriority.ValueNotSupported", "The parameter Priority must be from 1 to 100.")
    return int(text)


def _nic_type(group: Group, text: str) -> str:
    if text.lower() not in {"", "internet", "intranet"}:
        raise bad("InvalidNicType.ValueNotSupported", "The specified NicType does not exist.")
    return "intranet" if group.vpc_id else text.lower() or "internet"


def _description(text: str) -> str:
    if len(text) > 512 or text.startswith(("http://", "https://")):
        raise bad("InvalidSecurityGroupDiscription.Malformed", "The specified rule description is not valid.")
    return text


def _cidr(text: str, family: int, code: str) -> str:
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise bad(code) from None
    if network.version != family:
        raise bad(code)
    return text


def _blocks(wire: Mapping[str, str], side: str) -> tuple[str, str]:
    """The IPv4 and IPv6 block of a side, checked; not both."""
    word = side.capitalize()
    four, six = wire.get(f"{word}CidrIp", ""), wire.get(f"Ipv6{word}CidrIp", "")
    if four and six:
        raise bad(f"InvalidParam.{word}Ip", "An IPv4 and an IPv6 block cannot be given together.")
    if four:
        _cidr(four, 4, f"InvalidParam.{word}CidrIp")
    if six:
        _cidr(six, 6, f"InvalidParam.Ipv6{word}CidrIp")
    return four, six


def _near(wire: Mapping[str, str], side: str) -> dict[str, str]:
    """The group's own side of a 5-tuple rule."""
    four, six = _blocks(wire, side)
    return {f"{side}_cidr_ip": four, f"ipv6_{side}_cidr_ip": six}


def _peer(context: Context, group: Group, wire: Mapping[str, str], side: str) -> dict[str, str]:
    """The other side: a block wins over a group, a prefix list counts only alone."""
    word = side.capitalize()
    four, six = _blocks(wire, side)
    if four or six:
        return {f"{side}_cidr_ip": four, f"ipv6_{side}_cidr_ip": six}
    if wire.get(f"{word}GroupId"):
        return _peer_group(context, wire, side)
    list_id = wire.get(f"{word}PrefixListId", "")
    if not list_id:
        raise bad(
            "MissingParameter.Source",
            f"One of {word}CidrIp, Ipv6{word}CidrIp, {word}GroupId or {word}PrefixListId is needed.",
        )
    prefix_list = context.estate.prefix_lists.get(list_id)
    if prefix_list is None:
        raise bad("InvalidPrefixListId.NotFound", "The specified prefix list was not found.", 404)
    if not group.vpc_id:
        raise bad("NotSupported.ClassicNetworkPrefixList")
    return {f"{side}_prefix_list_id": list_id, f"{side}_prefix_list_name": prefix_list.name}


def _peer_group(context: Context, wire: Mapping[str, str], side: str) -> dict[str, str]:
    word = side.capitalize()
    group_id = wire[f"{word}GroupId"]
    owner = wire.get(f"{word}GroupOwnerId") or _of_login(context, wire.get(f"{word}GroupOwnerAccount", ""))
    name = ""
    if owner == context.account_id:
        known = context.estate.groups.get(group_id)
        if known is None:
            raise bad(
                "InvalidSourceGroupId.NotFound", "The specified source security group does not exist.", 404
            )
        name = known.name
    return {f"{side}_group_id": group_id, f"{side}_group_name": name, f"{side}_group_owner_account": owner}


def _of_login(context: Context, login: str) -> str:
    """The account id of a login; without one the caller's own. An account id is not a login."""
    if not login or (login.isdecimal() and context.state.quirks.digits_as_login):
        return login or context.account_id
    accounts = map(context.state.world.account, context.state.world.account_ids)
    known = [one.account_id for one in accounts if one is not None and login == one.account_name]
    if not known:
        raise bad("InvalidSourceGroupId.NotFound", f"There is no account with the login {login[:64]}.", 404)
    return known[0]


def _check_families(fields: Mapping[str, str], protocol: str) -> None:
    six = fields.get("ipv6_source_cidr_ip") or fields.get("ipv6_dest_cidr_ip")
    four = fields.get("source_cidr_ip") or fields.get("dest_cidr_ip")
    if four and six:
        raise bad("InvalidParam.DestIp", "Both sides of a rule must be of one address family.")
    if six and protocol == "ICMP":
        raise bad("InvalidParam.Ipv4ProtocolConflictWithIpv6Address")
    if four and protocol == "ICMPv6":
        raise bad("InvalidParam.Ipv6ProtocolConflictWithIpv4Address")


def _check_enterprise(context: Context, group: Group, fields: Mapping[str, str], policy: str) -> None:
    if group.kind != "enterprise":
        return
    drops = policy == "drop" and not context.state.quirks.enterprise_policy_allowed
    if drops or fields.get("source_group_id") or fields.get("dest_group_id"):
        raise bad(
            "InvalidGroupParameter.OperationDenied", "An enterprise group does not take this parameter."
        )
