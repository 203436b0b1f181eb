"""A ROS template as what it declares: groups with their own rules, rules by themselves, clones, prefix lists.

The properties are those of the resource types' pages (ALIYUN::ECS::SecurityGroup, …Ingress, …Ingresses, …Egress,
…Egresses, …Clone, ALIYUN::ECS::PrefixList); of a rule they have the API's own names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from orchestrator.iac.functions import Functions, Later, Link
from orchestrator.iac.templates import At, Text
from orchestrator.iac.values import Code, DeclaredGroup, DeclaredRule, Fields, FileChange, IacError, unseen
from orchestrator.securitygroup import Direction, Unreadable

_GROUP, _CLONE = "ALIYUN::ECS::SecurityGroup", "ALIYUN::ECS::SecurityGroupClone"
_LIST = "ALIYUN::ECS::PrefixList"
_RULES: Mapping[str, tuple[Direction, bool]] = {
    "ALIYUN::ECS::SecurityGroupIngress": ("ingress", False),
    "ALIYUN::ECS::SecurityGroupEgress": ("egress", False),
    "ALIYUN::ECS::SecurityGroupIngresses": ("ingress", True),
    "ALIYUN::ECS::SecurityGroupEgresses": ("egress", True),
}
_INLINE: tuple[tuple[str, Direction], ...] = (
    ("SecurityGroupIngress", "ingress"),
    ("SecurityGroupEgress", "egress"),
)
_ELSEWHERE = ("ALIYUN::ROS::Stack", "MODULE::")
"""Types whose own resources stand in another template."""

_FIELDS = (
    "IpProtocol", "PortRange", "PortRangeListId", "SourcePortRange", "Policy", "Priority", "NicType", "Description",
    *(name.format(side) for side in ("Source", "Dest")
      for name in ("{}CidrIp", "Ipv6{}CidrIp", "{}GroupId", "{}GroupOwnerAccount", "{}PrefixListId")),
)  # fmt: skip
_OWNERS = {f"{side}GroupOwnerId": f"{side}GroupOwnerAccount" for side in ("Source", "Dest")}
_NEVER_MATTERS = frozenset({"NicType", "Description", "SourceGroupOwnerAccount", "DestGroupOwnerAccount"})
_MOST_COUNT = 1000


class Template(NamedTuple):
    """What a template declares, and where: the way down to each rule and resource, by address."""

    change: FileChange
    text: Text
    places: Mapping[str, At]

    def line(self, address: str) -> int | None:
        """The line of a rule or a resource, as far down as it is known."""
        found = self.places.get(address, ())
        while found and found not in self.text.lines:
            found = found[:-1]
        return self.text.lines[found] if found else None


def is_template(data: Mapping[str, Any]) -> bool:
    """Whether it says so of itself."""
    return "ROSTemplateFormatVersion" in data


def read_template(path: Path, text: Text, given: Mapping[str, str | Later]) -> Template:
    """What a template declares, with these values of its parameters.

    Raises:
        IacError: it is none, one whose resources Terraform makes, or one without such a parameter.
    """
    data = text.data
    resources = data.get("Resources")
    _refuse_terraform(path, data)
    declared = data.get("Parameters")
    for name in given:  # the default that it was meant to replace would be judged in its stead
        if not isinstance(declared, dict) or name not in declared:
            raise IacError(f"{path}: the template has no parameter {name}")
    if not isinstance(resources, dict) or not all(isinstance(one, dict) for one in resources.values()):
        raise IacError(f"{path}: Resources is no mapping of names to resources: this is no template of ROS")
    reader = _Reader(data, resources, given)
    return Template(FileChange(kind="ROS template", after=reader.code()), text, reader.places)


def _refuse_terraform(path: Path, data: Mapping[str, Any]) -> None:
    if "Workspace" in data or "Terraform" in str(data.get("Transform", "")):
        raise IacError(
            f"{path}: is a template whose resources Terraform makes: judge its plan, what `terraform show -json` writes"
        )


class _Spot(NamedTuple):
    """Where rules stand: the resource, their group's key, their direction, and why they may not be made."""

    resource: str
    group: str
    direction: Direction
    doubt: str


_NO_GROUP = "SecurityGroupId: the group it joins is not known, so the group's other rules are not"


class _Reader:
    """Reads the resources of one template."""

    def __init__(
        self, data: Mapping[str, Any], resources: Mapping[str, Any], given: Mapping[str, str | Later]
    ) -> None:
        self._data = data
        self._resources = resources
        self._functions = Functions(data, given)
        self._groups: dict[str, DeclaredGroup] = {}
        self._rules: list[DeclaredRule] = []
        self._lists: dict[str, tuple[str, ...] | Unreadable] = {}
        self.places: dict[str, At] = {}

    def code(self) -> Code:
        """All that they declare."""
        if self._data.get("Transform"):
            self._gap(
                "Transform", f"what the macro {str(self._data['Transform'])[:60]} makes of the template"
            )
        for name, resource in self._resources.items():
            for address, doubt in self._instances(name, resource):
                self.places[address] = ("Resources", name)
                self._resource(address, resource, doubt)
            self._functions.index = None
        return Code(groups=self._groups, rules=tuple(self._rules), prefix_lists=self._lists)

    def _instances(self, name: str, resource: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """The address of each resource that a block makes, and why it may not be made; "" if it will be."""
        doubt = ""
        if "Condition" in resource:
            holds = self._functions.holds(resource["Condition"])
            if holds is False:
                return
            doubt = (
                f"condition {str(resource['Condition'])[:60]}: {holds.why}"
                if isinstance(holds, Later)
                else ""
            )
        count = self._functions.value(resource["Count"]) if "Count" in resource else None
        if isinstance(count, str) and count.isdecimal():
            count = int(count)
        if count is None:
            yield name, doubt
        elif isinstance(count, int) and not isinstance(count, bool) and 0 <= count <= _MOST_COUNT:
            for self._functions.index in range(count):
                yield f"{name}[{self._functions.index}]", doubt
        else:
            why = count.why if isinstance(count, Later) else "is no number that can be judged"
            yield name, doubt or f"Count of {name}: {why}"

    def _resource(self, address: str, resource: Mapping[str, Any], doubt: str) -> None:
        kind = str(resource.get("Type", ""))
        if kind in {_GROUP, _CLONE}:
            self._group(address, self._properties(resource), doubt, is_clone=kind == _CLONE)
        elif kind in _RULES:
            self._rule_resource(address, kind, self._properties(resource), doubt)
        elif kind == _LIST:
            self._lists[address] = _entries(self._properties(resource), doubt)
        elif kind.startswith(_ELSEWHERE):
            self._gap(address, f"what {address} ({kind[:60]}) makes by another template")

    def _properties(self, resource: Mapping[str, Any]) -> object:
        return self._functions.value(resource.get("Properties") or {})

    def _gap(self, address: str, what: str) -> None:
        """Something that may open what it likes, and cannot be seen here."""
        self._rules.append(unseen(address, f"{what} is not seen here: judge that by itself"))
        self._groups[address] = DeclaredGroup(key=address, address=address)

    def _group(self, address: str, properties: object, doubt: str, *, is_clone: bool) -> None:
        values = _mapping(properties)
        source = self._id(values.get("SourceSecurityGroupId")) if is_clone else ""
        self._groups[address] = DeclaredGroup(
            key=address,
            address=address,
            name=_text(values.get("SecurityGroupName")),
            kind=_text(values.get("SecurityGroupType")) or "normal",
            tags=_tags(values.get("Tags")),
            clone_of=source,
            unknown_rules=_unknown_source(address, values) if is_clone and not source else "",
        )
        if isinstance(properties, Later):
            self._rules.append(unseen(address, f"its Properties are not known: {properties.why}"))
        for name, direction in _INLINE:
            self._list(_Spot(address, address, direction, doubt), name, values.get(name))

    def _rule_resource(self, address: str, kind: str, properties: object, doubt: str) -> None:
        direction, has_list = _RULES[kind]
        values = _mapping(properties)
        spot = _Spot(address, self._id(values.get("SecurityGroupId")), direction, doubt)
        if has_list and values:
            self._list(spot, "Permissions", values.get("Permissions"))
        else:
            self._one(spot, properties)

    def _list(self, spot: _Spot, name: str, items: object) -> None:
        if isinstance(items, list):
            for number, item in enumerate(items):
                self._one(spot, item, f".{name}[{number}]", (name, number))
        elif items is not None:
            self._one(spot, items, f".{name}", (name,))

    def _one(self, spot: _Spot, item: object, name: str = "", steps: At = ()) -> None:
        address = spot.resource + name
        place = self.places[spot.resource]
        self.places[address] = (*place, "Properties", *steps) if steps else place
        fields, unknown = self._fields(item, spot.direction)
        if spot.doubt:
            unknown = (*unknown, f"IpProtocol: whether it is made is not known ({spot.doubt})")
        self._rules.append(
            DeclaredRule(
                address=address,
                resource=spot.resource,
                fields=fields,
                group=spot.group,
                unknown=unknown,
                group_unknown="" if spot.group else _NO_GROUP,
            )
        )

    def _fields(self, item: object, direction: Direction) -> tuple[Fields, tuple[str, ...]]:
        if not isinstance(item, dict):
            why = item.why if isinstance(item, Later) else "is no rule"
            return {"Direction": direction}, (f"IpProtocol: the rule is not known: {why}",)
        fields: Fields = {"Direction": direction, "Policy": "accept", "Priority": 1}
        unknown: list[str] = []
        for name, value in item.items():
            field = _OWNERS.get(name, name)
            if field not in _FIELDS or value in (None, ""):
                continue
            if isinstance(value, Later | Link):
                told = self._named(field, value)
                if told:
                    fields[field] = told
                elif field not in _NEVER_MATTERS:
                    why = value.why if isinstance(value, Later) else f"the id of {value.name}"
                    unknown.append(f"{field}: {why}")
                    fields.pop(field, None)
            else:
                fields[field] = value
        return fields, tuple(unknown)

    def _named(self, field: str, value: Later | Link) -> str:
        """What stands for an id that is not known yet: of a group any will do, for none is of the Internet."""
        if field.endswith("GroupId"):
            return value.name if isinstance(value, Link) else "(not known yet)"
        if field.endswith("PrefixListId") and isinstance(value, Link):
            return value.name
        return ""

    def _id(self, value: object) -> str:
        """The key of the group that an id names; "" where that cannot be told."""
        if isinstance(value, Link):
            base = value.name.partition("[")[0]
            several = isinstance(self._resources.get(base), dict) and "Count" in self._resources[base]
            return value.name if several == ("[" in value.name) else ""
        return value if isinstance(value, str) else ""


def _unknown_source(address: str, values: Mapping[str, Any]) -> str:
    source = values.get("SourceSecurityGroupId")
    why = f" ({source.why})" if isinstance(source, Later) else ""
    return f"SourceSecurityGroupId: the rules that {address} clones are not known{why}"


def _entries(properties: object, doubt: str) -> tuple[str, ...] | Unreadable:
    entries = _mapping(properties).get("Entries")
    if doubt:
        return Unreadable(f"may not be made ({doubt})")
    if not isinstance(entries, list):
        return Unreadable("has entries that are not known before the stack is made")
    texts = [entry.get("Cidr") if isinstance(entry, dict) else None for entry in entries]
    if not all(isinstance(text, str) for text in texts):
        return Unreadable("has an entry that is not known before the stack is made")
    return tuple([str(text) for text in texts])


def _tags(value: object) -> tuple[tuple[str, str], ...]:
    items = value if isinstance(value, list) else []
    return tuple([(_text(one.get("Key")), _text(one.get("Value"))) for one in items if isinstance(one, dict)])


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
