"""From a rule's own fields back to the API, and to a digest of what they mean."""

from collections.abc import Mapping
from hashlib import sha256

from orchestrator.securitygroup.parsing import parse_rule
from orchestrator.securitygroup.values import Cidr, GroupRef, PrefixList, Rule, Source

_PLAIN_FIELDS = ("IpProtocol", "PortRange", "SourcePortRange", "Policy", "Priority", "NicType", "Description")


def authorize_parameters(raw: Mapping[str, object], index: int = 1) -> dict[str, str]:
    """The parameters of AuthorizeSecurityGroup(Egress) that make this rule again, `Permissions.N.Field`.

    Empty fields are left out (the API refuses ""), one peer only is sent, and priority 110, which old default
    rules carry and the API no longer accepts, becomes 100. NicType is sent as it was: the API's default,
    "internet", would open an intranet rule of the classic network to the world.
    """
    return {f"Permissions.{index}.{key}": value for key, value in _writable(raw).items()}


def modify_parameters(raw: Mapping[str, object]) -> dict[str, str]:
    """The parameters of ModifySecurityGroup(Egress)Rule that give a rule all of these fields.

    What is not sent may be set to its default (the page gives defaults and does not say that it is kept), so every
    field is sent but NicType, which the API refuses (400 InvalidOperation.ModifyNicType).
    """
    return {key: value for key, value in _writable(raw).items() if key != "NicType"}


def _writable(raw: Mapping[str, object]) -> dict[str, str]:
    fields = {key: str(raw[key]) for key in _PLAIN_FIELDS if _given(raw, key)}
    if fields.get("SourcePortRange") == "-1/-1":
        del fields["SourcePortRange"]
    if _given(raw, "PortRangeListId"):
        fields.pop("PortRange", None)  # the API ignores the list where a range is given too
        fields["PortRangeListId"] = str(raw["PortRangeListId"])
    if fields.get("Priority") == "110":
        fields["Priority"] = "100"
    near, far = ("Source", "Dest") if str(raw.get("Direction")).lower() == "egress" else ("Dest", "Source")
    return fields | _block(raw, near) | (_block(raw, far) or _reference(raw, far))


def content_digest(raw: Mapping[str, object]) -> str:
    """SHA-256 (hex) over what the rule means, whatever its spelling, id, time, names or description.

    What cannot be understood counts as it is spelt, so that a change there is a change too.
    """
    rule = parse_rule(raw, classic=True)
    meaning: list[object] = [
        rule.direction, rule.policy, rule.priority, rule.protocol, _given(raw, "NicType") and rule.nic_type,
        [ports.numbers for ports in rule.ports], [ports.numbers for ports in rule.source_ports],
        _token(rule.source), _token(rule.destination),
    ]  # fmt: skip
    return sha256(ascii([meaning, _spelling(rule, raw)]).encode()).hexdigest()


def _given(raw: Mapping[str, object], key: str) -> bool:
    return raw.get(key) not in (None, "")


def _block(raw: Mapping[str, object], side: str) -> dict[str, str]:
    """The CIDR of one side, of either family."""
    keys = (f"{side}CidrIp", f"Ipv6{side}CidrIp")
    return {key: str(raw[key]) for key in keys if _given(raw, key)}


def _reference(raw: Mapping[str, object], side: str) -> dict[str, str]:
    """The group of one side with its owner, or else its prefix list.

    In an answer the owner's account is its id, in a request the field of that name is a login: the id goes into
    GroupOwnerId (ECS DescribeSecurityGroupAttribute, AuthorizeSecurityGroup).
    """
    group, owner, prefix_list = f"{side}GroupId", f"{side}GroupOwnerAccount", f"{side}PrefixListId"
    if not _given(raw, group):
        return {prefix_list: str(raw[prefix_list])} if _given(raw, prefix_list) else {}
    found = {group: str(raw[group])}
    if _given(raw, owner):
        account = str(raw[owner])
        found[f"{side}GroupOwnerId" if account.isdecimal() else owner] = account
    return found


def _token(source: Source | None) -> str:
    match source:
        case Cidr():
            return source.text
        case GroupRef():
            return f"{source.owner_account}/{source.security_group_id}"
        case PrefixList():
            return source.prefix_list_id
        case None:
            return ""


def _spelling(rule: Rule, raw: Mapping[str, object]) -> list[tuple[str, str]]:
    """The fields that were not understood, as they came; a list, unread here, is one of them: its id counts."""
    fields = {problem.partition(":")[0] for problem in rule.problems}
    return sorted((field, repr(raw.get(field))) for field in fields)
