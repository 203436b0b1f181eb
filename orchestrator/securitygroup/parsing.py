"""From the API's answers to values.

Nothing here raises on what the cloud says: what is not understood is a problem, and named.
"""

from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Literal, NamedTuple, TypeVar

from msgspec import structs

from orchestrator.securitygroup.texts import (
    means_every_port,
    parse_cidr,
    parse_port_entries,
    parse_port_range,
    parse_prefix_entries,
    parse_priority,
    parse_protocol,
)
from orchestrator.securitygroup.values import (
    NO_LISTS,
    WITH_PORTS,
    Direction,
    GroupRef,
    Lists,
    Placement,
    Policy,
    PortRange,
    PrefixList,
    Rule,
    SecurityGroup,
    Source,
    Unreadable,
)

T = TypeVar("T")
Problems = tuple[str, ...]


def parse_rule(raw: Mapping[str, object], lists: Lists = NO_LISTS, *, classic: bool = False) -> Rule:
    """A Permission as a value. Never raises: what is not understood is named in `problems`.

    Args:
        raw: the API's own fields; unused ones may be "" or absent.
        lists: the prefix and port lists of the account and region.
        classic: whether the group is in the classic network (it has no VpcId).
    """
    get = raw.get
    try:
        shape = _shape(
            get("Direction"), get("Policy"), get("Priority"), get("IpProtocol"),
            get("PortRange"), get("SourcePortRange"), get("PortRangeListId"),
            get("NicType") if classic else "", classic=classic,
        )  # fmt: skip
        near, far = (_DEST, _SOURCE) if shape.direction == "ingress" else (_SOURCE, _DEST)
        peer, peer_problems = _side(get, far, lists)
        own, own_problems = _side(get, near, lists)
    except TypeError:  # a list or an object where a text should be: it cannot even be looked up
        return structs.replace(parse_rule(_tamed(raw), lists, classic=classic), raw=dict(raw))
    if peer is None and not peer_problems:
        peer_problems = (f"{far.v4}: missing, and nothing else is given instead",)
    if type(own) is GroupRef:
        own_problems = (f"{near.group}: a group cannot stand on the rule's own side",)
    direction, policy, priority, protocol, ports, port_list, source_ports, nic_type, problems = shape
    if peer_problems or own_problems:
        problems += peer_problems + own_problems
    if port_list:
        ports, list_problems = _port_list(protocol, port_list, lists)
        problems += list_problems
    source, destination = (peer, own) if far is _SOURCE else (own, peer)
    return Rule(
        _text(get("SecurityGroupRuleId")), direction, policy, priority, protocol, ports, source, destination,
        source_ports, nic_type, problems,
        raw if type(raw) is dict else dict(raw),
    )  # fmt: skip


def parse_group(
    placement: Placement,
    region_id: str,
    listing: Mapping[str, object],
    attribute: Mapping[str, object],
    permissions: Iterable[Mapping[str, object]],
    lists: Lists = NO_LISTS,
) -> SecurityGroup:
    """A group from DescribeSecurityGroups' item, DescribeSecurityGroupAttribute's head, and its rules.

    What only one of the two answers says is taken from there; a group is managed if either says so.
    """
    vpc_id = _text(attribute.get("VpcId")) or _text(listing.get("VpcId"))
    enterprise = _text(listing.get("SecurityGroupType")).lower() == "enterprise"
    inner = _text(attribute.get("InnerAccessPolicy")).lower()
    classic = not vpc_id
    return SecurityGroup(
        placement=placement,
        region_id=region_id,
        security_group_id=_text(attribute.get("SecurityGroupId")) or _text(listing.get("SecurityGroupId")),
        name=_text(attribute.get("SecurityGroupName")) or _text(listing.get("SecurityGroupName")),
        kind="enterprise" if enterprise else "normal",
        vpc_id=vpc_id,
        service_managed=_yes(listing.get("ServiceManaged")) or _yes(attribute.get("ServiceManaged")),
        inner_access_policy="drop" if enterprise or inner == "drop" else "accept",
        tags=_tags(listing.get("Tags")),
        rules=tuple([parse_rule(raw, lists, classic=classic) for raw in permissions]),
        lists=lists,
    )


def referenced_lists(permissions: Iterable[Mapping[str, object]]) -> tuple[frozenset[str], frozenset[str]]:
    """The ids of the prefix lists (of either side) and of the port lists that these rules name."""
    prefix_lists: set[str] = set()
    port_lists: set[str] = set()
    for raw in permissions:
        prefix_lists.add(_text(raw.get("SourcePrefixListId")))
        prefix_lists.add(_text(raw.get("DestPrefixListId")))
        port_lists.add(_text(raw.get("PortRangeListId")))
    return frozenset(prefix_lists - {""}), frozenset(port_lists - {""})


class _Side(NamedTuple):
    """The API's names of the fields that may say one end of the traffic."""

    v4: str
    v6: str
    group: str
    owner: str
    prefix_list: str
    list_name: str


_SOURCE = _Side(
    "SourceCidrIp", "Ipv6SourceCidrIp", "SourceGroupId", "SourceGroupOwnerAccount",
    "SourcePrefixListId", "SourcePrefixListName",
)  # fmt: skip
_DEST = _Side(
    "DestCidrIp", "Ipv6DestCidrIp", "DestGroupId", "DestGroupOwnerAccount",
    "DestPrefixListId", "DestPrefixListName",
)  # fmt: skip


class _Shape(NamedTuple):
    """A rule without its addresses: few are different, so each is understood once."""

    direction: Direction
    policy: Policy
    priority: int
    protocol: str
    ports: tuple[PortRange, ...]
    port_list: str
    source_ports: tuple[PortRange, ...]
    nic_type: str
    problems: Problems


@lru_cache(maxsize=16384, typed=True)
def _shape(  # noqa: PLR0913  (the fields of a Permission that say more than an address)
    direction: object,
    policy: object,
    priority: object,
    protocol: object,
    port_range: object,
    source_port_range: object,
    port_list: object,
    nic_type: object,
    *,
    classic: bool,
) -> _Shape:
    problems: list[str] = []
    way: Direction = _read("Direction", direction, _direction, "ingress", problems)
    verdict: Policy = _read("Policy", policy, _policy, "accept", problems)
    if priority in (None, "") and verdict == "accept":
        priority = 1  # the API's default; a Drop without one must not shield by a guess
    name = _read("IpProtocol", protocol, parse_protocol, "", problems)
    list_id = _read("PortRangeListId", port_list, str, "", problems)
    return _Shape(
        direction=way,
        policy=verdict,
        priority=_read("Priority", priority, parse_priority, 1, problems),
        protocol=name,
        ports=() if list_id else _ports("PortRange", name, port_range, problems),
        port_list=_list_of_ports(name, list_id, problems),
        source_ports=_source_ports(name, source_port_range, problems),
        nic_type=_read("NicType", nic_type, _nic_type, "internet", problems) if classic else "",
        problems=tuple(problems),
    )


def _read(field: str, value: object, parse: Callable[[str], T], instead: T, problems: list[str]) -> T:
    """What `parse` makes of the field; if it cannot, `instead`, and the problem is noted."""
    try:
        return parse(_known_text(value))
    except ValueError as error:
        problems.append(f"{field}: {error}")
        return instead


def _direction(text: str) -> Direction:
    return _one_of(text, "ingress", "egress")


def _policy(text: str) -> Policy:
    return _one_of(text, "accept", "drop")


def _nic_type(text: str) -> Literal["internet", "intranet"]:
    return _one_of(text, "internet", "intranet")


Word = TypeVar("Word", bound=str)


def _one_of(text: str, first: Word, second: Word) -> Word:
    """The one of two words that the text is, in any case."""
    word = text.strip().lower()
    if word == first:
        return first
    if word == second:
        return second
    raise ValueError(f"{text[:40]!r} is neither {first} nor {second}")


def _ports(field: str, protocol: str, value: object, problems: list[str]) -> tuple[PortRange, ...]:
    """The ports of a rule: none where its protocol has none."""
    if protocol in WITH_PORTS:
        ports = _read(field, value, partial(parse_port_range, protocol), None, problems)
        return () if ports is None else (ports,)
    _read(field, value, _every_port, None, problems)
    return ()


def _every_port(text: str) -> None:
    if not means_every_port(text):
        raise ValueError(f"{text[:40]!r} makes no sense for a protocol without ports")


def _list_of_ports(protocol: str, list_id: str, problems: list[str]) -> str:
    """The id of the rule's port list; a protocol without ports can have none."""
    if list_id and protocol not in WITH_PORTS:
        problems.append(f"PortRangeListId: {list_id} makes no sense for a protocol without ports")
        return ""
    return list_id


def _source_ports(protocol: str, value: object, problems: list[str]) -> tuple[PortRange, ...]:
    """The source ports a five-tuple rule asks for; "any" is said by "", -1/-1 or 1/65535."""
    if value in (None, ""):
        return ()
    ports = _ports("SourcePortRange", protocol, value, problems)
    return () if ports and ports[0].last - ports[0].first == 65534 else ports


def _port_list(protocol: str, list_id: str, lists: Lists) -> tuple[tuple[PortRange, ...], Problems]:
    texts = lists.port_lists.get(list_id)
    if texts is None or isinstance(texts, Unreadable):
        reason = texts.reason if texts else "was not read"
        return (), (f"PortRangeListId: {list_id} {reason}",)
    try:
        return parse_port_entries(protocol, tuple(texts)), ()
    except (ValueError, TypeError, AttributeError) as error:
        return (), (f"PortRangeListId: {list_id}: {error}",)


def _side(get: Callable[[str], object], side: _Side, lists: Lists) -> tuple[Source | None, Problems]:
    """One end of the traffic. A CIDR wins over a group, a group over a prefix list (ECS docs)."""
    v4_name, v6_name, group_name, owner_name, list_field, list_name = side
    v4, v6 = get(v4_name), get(v6_name)
    if v4 and not v6:
        return _cidr(v4_name, v4)
    if v6 and not v4:
        return _cidr(v6_name, v6)
    if v4:
        return None, (f"{v4_name}: given together with {v6_name}",)
    group, prefix_list = get(group_name), get(list_field)
    if group:
        return _group(group_name, group, get(owner_name))
    if prefix_list:
        return _prefix_list(list_field, prefix_list, get(list_name), lists)
    return None, ()


@lru_cache(maxsize=65536, typed=True)
def _cidr(field: str, value: object) -> tuple[Source | None, Problems]:
    problems: list[str] = []
    cidr = _read(field, value, parse_cidr, None, problems)
    if cidr and (cidr.family == 6) != field.startswith("Ipv6"):
        return None, (f"{field}: {cidr} is of the other address family",)
    return cidr, tuple(problems)


def _group(field: str, value: object, owner: object) -> tuple[Source | None, Problems]:
    if not isinstance(value, str) or len(value) > 200:
        return None, (f"{field}: is no security group id",)
    return GroupRef(value, _text(owner)[:50]), ()


def _prefix_list(field: str, value: object, name: object, lists: Lists) -> tuple[Source | None, Problems]:
    list_id = _text(value)
    texts = lists.prefix_lists.get(list_id)
    if texts is None or isinstance(texts, Unreadable):
        reason = texts.reason if texts else "was not read"
        return PrefixList(list_id, _text(name)), (f"{field}: {list_id} {reason}",)
    try:
        return PrefixList(list_id, _text(name), parse_prefix_entries(tuple(texts))), ()
    except (ValueError, TypeError, AttributeError) as error:
        return PrefixList(list_id, _text(name)), (f"{field}: {list_id}: {error}",)


def _text(value: object) -> str:
    """The value as text; what is neither text nor a whole number is none."""
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _known_text(value: object) -> str:
    """The value as text; raises where it is of a kind that no field of the API has."""
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise ValueError(f"neither text nor number but {type(value).__name__}")


def _tamed(raw: Mapping[str, object]) -> dict[str, object]:
    """The same fields, with what cannot be looked up replaced by a text that no field understands."""
    return {
        key: value
        if value is None or isinstance(value, str | int | float)
        else f"a JSON {type(value).__name__}"
        for key, value in raw.items()
    }


def _yes(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _tags(value: object) -> tuple[tuple[str, str], ...]:
    """The tags of a listing, {"Tag": [{"TagKey": …, "TagValue": …}]}; what is not of that shape is no tag."""
    items = value.get("Tag") if isinstance(value, dict) else value
    if not isinstance(items, list):
        return ()
    return tuple([(_text(i.get("TagKey")), _text(i.get("TagValue"))) for i in items if isinstance(i, dict)])
