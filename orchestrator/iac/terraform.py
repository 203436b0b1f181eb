"""`terraform show -json` of a plan or of a state, as what it declares.

The shape is Terraform's own JSON output format (internals/json-format, format versions 0.x and 1.x). Arguments are
those of the provider aliyun/alicloud: `alicloud_security_group`, `alicloud_security_group_rule`,
`alicloud_ecs_prefix_list`. It has no list of ports, and no rules within a group; stacks of ROS hold a template.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple, TypeVar

import msgspec

from orchestrator.iac.addresses import Named, key_text, path_of
from orchestrator.iac.references import ConfigModule, ConfigResource, Local, References
from orchestrator.iac.stacks import INSTANCES, KINDS, STACK_GROUP, hidden, instance_code, merged, stack_code
from orchestrator.iac.values import Code, DeclaredGroup, DeclaredRule, Fields, FileChange, IacError
from orchestrator.securitygroup import Unreadable

GROUP, RULE, LIST = "alicloud_security_group", "alicloud_security_group_rule", "alicloud_ecs_prefix_list"
_KINDS = frozenset({GROUP, RULE, LIST}) | KINDS

_T = TypeVar("_T")

_VERSION = re.compile(r"[01]\.\d+")
_LATER = "is not known until apply"
_RULE_ID = re.compile(r"sgr-[0-9A-Za-z-]+")


class _Actions(msgspec.Struct, frozen=True):
    actions: list[str] = []
    before: dict[str, Any] | None = None
    after: dict[str, Any] | None = None
    after_unknown: dict[str, Any] | bool = False


class _ResourceChange(msgspec.Struct, frozen=True):
    address: str
    type: str
    name: str
    change: _Actions
    mode: str = "managed"
    module_address: str = ""
    index: int | str | None = None
    provider_name: str = ""
    deposed: str = ""
    previous_address: str = ""


class _Deferred(msgspec.Struct, frozen=True):
    resource_change: _ResourceChange
    reason: str = ""


class _StateResource(msgspec.Struct, frozen=True):
    address: str
    type: str
    name: str
    mode: str = "managed"
    index: int | str | None = None
    provider_name: str = ""
    values: dict[str, Any] = {}


class _Module(msgspec.Struct, frozen=True):
    address: str = ""
    resources: list[_StateResource] = []
    child_modules: list[_Module] = []


class _Values(msgspec.Struct, frozen=True):
    root_module: _Module = _Module()


class _State(msgspec.Struct, frozen=True):
    values: _Values | None = None


class _Variable(msgspec.Struct, frozen=True):
    value: Any = None


class _ProviderConfig(msgspec.Struct, frozen=True):
    expressions: dict[str, Any] = {}


class _Configuration(msgspec.Struct, frozen=True):
    provider_config: dict[str, _ProviderConfig] = {}
    root_module: ConfigModule = ConfigModule()


class _Plan(msgspec.Struct, frozen=True):
    resource_changes: list[_ResourceChange] = []
    deferred_changes: list[_Deferred] = []
    prior_state: _State | None = None
    configuration: _Configuration = _Configuration()
    variables: dict[str, _Variable] = {}
    errored: bool = False


class Instance(NamedTuple):
    """One resource at one time, and which of its arguments are not known."""

    named: Named
    key: str
    values: Mapping[str, Any]
    unknown: Mapping[str, Any] = {}
    deferred: str = ""

    @property
    def address(self) -> str:
        """As Terraform writes it."""
        return self.named.at(self.key)


def is_terraform(data: Mapping[str, Any]) -> bool:
    """Whether it says so of itself."""
    return "format_version" in data


def read_terraform(data: Mapping[str, Any], name: str, local: Local = lambda *_: None) -> FileChange:
    """What a plan or a state declares.

    Args:
        data: the file's JSON.
        name: of the file, for people.
        local: what a local value refers to, where the source is at hand.

    Raises:
        IacError: it is neither, is of another version or of another provider, or was not made to its end.
    """
    version = data.get("format_version")
    if not isinstance(version, str) or not _VERSION.fullmatch(version):
        raise IacError(
            f"{name}: format_version {str(version)[:20]!r} is not known here: 0.x and 1.x are. Is it from `terraform "
            "show -json`?"
        )
    if "resource_changes" in data or "planned_values" in data or "configuration" in data:
        return _plan(_converted(data, _Plan, name), name, local)
    if "values" in data:
        return _state(_converted(data, _State, name), name)
    raise IacError(
        f"{name}: holds neither a plan nor resources: make it with `terraform show -json PLAN`, or, of a state that "
        "has resources, with `terraform show -json`"
    )


def _converted(data: Mapping[str, Any], kind: type[_T], name: str) -> _T:
    try:
        return msgspec.convert(data, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise IacError(f"{name}: is not what `terraform show -json` writes: {error}") from None


def _plan(plan: _Plan, name: str, local: Local) -> FileChange:
    if plan.errored:
        raise IacError(f"{name}: Terraform could not finish this plan, so it does not hold all: plan again")
    before = {one.address: one for one in _instances(plan.prior_state)}
    _refuse_others([*_providers(plan), *_state_providers(plan.prior_state)], name)
    after = dict(before)
    for one in plan.resource_changes:
        if one.mode != "managed" or one.type not in _KINDS:
            continue
        after.pop(one.previous_address, None)
        if one.deposed:
            continue
        after.pop(one.address, None)
        if (instance := _after(one)) is not None:
            after[one.address] = instance
    for deferred in plan.deferred_changes:
        change = deferred.resource_change
        if change.mode == "managed" and change.type in _KINDS:
            reason = f"is deferred by Terraform ({deferred.reason or 'no reason given'})"
            after[change.address] = _instance(change, change.change.after or {}, {}, reason)
    reader = _Reader(tuple(after.values()), plan.configuration, plan.variables, local)
    return FileChange(
        kind="Terraform plan", after=reader.code(), before=_Reader(tuple(before.values())).code()
    )


def _after(one: _ResourceChange) -> Instance | None:
    """The resource as it will be; None if it goes. One that is only forgotten stays in the cloud."""
    change = one.change
    if "forget" in change.actions:
        return _instance(one, change.before or {}, {})
    if change.after is None:
        return None
    unknown = change.after_unknown if isinstance(change.after_unknown, dict) else {}
    return _instance(one, change.after, unknown)


def _instance(
    one: _ResourceChange, values: Mapping[str, Any], unknown: Mapping[str, Any], deferred: str = ""
) -> Instance:
    named = Named(path_of(one.module_address), one.type, one.name)
    return Instance(named, key_text(one.index), values, unknown, deferred)


def _state(state: _State, name: str) -> FileChange:
    _refuse_others(_state_providers(state), name)
    return FileChange(kind="Terraform state", after=_Reader(tuple(_instances(state))).code())


def _instances(state: _State | None) -> Iterator[Instance]:
    for module, one in _resources(state):
        if one.mode == "managed" and one.type in _KINDS:
            yield Instance(
                Named(path_of(module.address), one.type, one.name), key_text(one.index), one.values
            )


def _resources(state: _State | None) -> Iterator[tuple[_Module, _StateResource]]:
    left = [state.values.root_module] if state is not None and state.values is not None else []
    while left:
        module = left.pop()
        yield from ((module, one) for one in module.resources)
        left += reversed(module.child_modules)


def _providers(plan: _Plan) -> list[str]:
    return [one.provider_name for one in plan.resource_changes]


def _state_providers(state: _State | None) -> list[str]:
    return [one.provider_name for _, one in _resources(state)]


def _is_alicloud(provider: str) -> bool:
    return provider.rpartition("/")[2] == "alicloud"


def declared(instances: tuple[Instance, ...]) -> Code:
    """What resources declare of which nothing but their arguments is known."""
    return _Reader(instances).code()


def _refuse_others(providers: Iterable[str], name: str) -> None:
    """Refuse a file that holds nothing of the provider: nothing in it was judged.

    Raises:
        IacError: names the providers that it holds.
    """
    found = sorted(set(providers))
    if not any(map(_is_alicloud, found)):
        raise IacError(
            f"{name}: holds nothing of the provider aliyun/alicloud"
            f"{': only ' + ', '.join(filter(None, found)) if any(found) else ''}. Nothing in it can be judged here"
        )


class _Reader:
    """Makes declarations of the resources of one time."""

    def __init__(
        self,
        instances: tuple[Instance, ...],
        configuration: _Configuration = _Configuration(),  # noqa: B008 (frozen)
        variables: Mapping[str, _Variable] = {},
        local: Local = lambda *_: None,
    ) -> None:
        self._instances = instances
        self._configuration = configuration
        self._variables = variables
        keys: dict[Named, list[str]] = {}
        for one in instances:
            keys.setdefault(one.named, []).append(one.key)
        self._references = References(configuration.root_module, keys, local)

    def code(self) -> Code:
        """All that they declare."""
        groups = [self._group(one) for one in self._instances if one.named.kind == GROUP]
        lists = self._lists()
        self._keys = {group.address: group.key for group in groups}
        rules = [self._rule(one, lists) for one in self._instances if one.named.kind == RULE]
        own = Code(groups={group.key: group for group in groups}, rules=tuple(rules), prefix_lists=lists)
        return merged([own, *self._stacks()])

    def _stacks(self) -> Iterator[Code]:
        groups = [one for one in self._instances if one.named.kind == STACK_GROUP]
        names = {_text(one.values.get("stack_group_name")) for one in groups} - {""}
        for one in self._instances:
            if one.named.kind not in KINDS:
                continue
            if one.deferred:
                yield hidden(one.address, f"it {one.deferred}")
            elif one.named.kind in INSTANCES:
                yield instance_code(one.address, one.values, one.unknown, names)
            else:
                yield stack_code(one.address, one.values, one.unknown)

    def _group(self, one: Instance) -> DeclaredGroup:
        values = one.values
        named = values.get("security_group_name") or values.get("name")
        tags = values.get("tags")
        return DeclaredGroup(
            key=_text(values.get("id")) or one.address,
            address=one.address,
            name=_text(named),
            # only what stands already can stand in the classic network: there is no making anew there
            classic=bool(values.get("id")) and values.get("vpc_id") == "",
            kind=_text(values.get("security_group_type")) or "normal",
            inner_access_policy=_text(values.get("inner_access_policy")) or "Accept",
            tags=tuple([(key, _text(value)) for key, value in tags.items()])
            if isinstance(tags, dict)
            else (),
            region_id=self._region(one),
        )

    def _region(self, one: Instance) -> str:
        block = self._references.block(one.named)
        config = self._configuration.provider_config.get("" if block is None else block.provider_config_key)
        expression = {} if config is None else config.expressions.get("region")
        if not isinstance(expression, dict):
            return ""
        if "constant_value" in expression:
            return _text(expression["constant_value"])
        references = expression.get("references")
        if isinstance(references, list) and len(references) == 1 and str(references[0]).startswith("var."):
            variable = self._variables.get(str(references[0])[4:])
            return "" if variable is None else _text(variable.value)
        return ""

    def _lists(self) -> dict[str, tuple[str, ...] | Unreadable]:
        found: dict[str, tuple[str, ...] | Unreadable] = {}
        for one in self._instances:
            if one.named.kind == LIST:
                found[one.address] = _entries(one)
                if isinstance(one.values.get("id"), str):
                    found[one.values["id"]] = found[one.address]
        return found

    def _rule(self, one: Instance, lists: Mapping[str, tuple[str, ...] | Unreadable]) -> DeclaredRule:
        fields, unknown = _plain(one)
        side = "Dest" if one.values.get("type") == "egress" else "Source"
        peer, unknown_peer = self._peer(one, side, lists)
        if one.deferred:
            unknown_peer = (
                *unknown_peer,
                f"IpProtocol: {one.address} {one.deferred}, so it is not known in full",
            )
        group, others, group_unknown = self._group_of(one)
        rule_id = _text(one.values.get("security_group_rule_id"))
        return DeclaredRule(
            address=one.address,
            resource=one.address,
            fields=fields | peer,
            group=group,
            others=others,
            unknown=unknown + unknown_peer,
            group_unknown=group_unknown,
            rule_id=rule_id if _RULE_ID.fullmatch(rule_id) else "",
        )

    def _group_of(self, one: Instance) -> tuple[str, tuple[str, ...], str]:
        """The key of the rule's group, the groups it may stand in instead, and why it cannot be told."""
        group_id = one.values.get("security_group_id")
        if isinstance(group_id, str) and group_id:
            return group_id, (), ""
        origin = self._references.origin(one.named, one.key, "security_group_id", GROUP)
        if origin.address in self._keys:
            others = [self._keys[address] for address in origin.others if address in self._keys]
            return self._keys[origin.address], tuple(others), ""
        return (
            "",
            (),
            f"SecurityGroupId: security_group_id {_LATER}, so the other rules of its group are not known",
        )

    def _peer(
        self, one: Instance, side: str, lists: Mapping[str, tuple[str, ...] | Unreadable]
    ) -> tuple[Fields, tuple[str, ...]]:
        """The far end of a rule, and what is not known of it."""
        values, unknown = one.values, one.unknown
        v4, v6, group = f"{side}CidrIp", f"Ipv6{side}CidrIp", f"{side}GroupId"
        fields = {
            v4: values.get("cidr_ip"),
            v6: values.get("ipv6_cidr_ip"),
            group: values.get("source_security_group_id"),
        }
        fields = {key: value for key, value in fields.items() if value not in (None, "")}
        later = [
            f"{field}: {argument} {_LATER}"
            for field, argument in ((v4, "cidr_ip"), (v6, "ipv6_cidr_ip"))
            if unknown.get(argument)
        ]
        if unknown.get(
            "source_security_group_id"
        ):  # whichever it is: a group lets in no address of the Internet
            fields[group] = "(known after apply)"
        owner = values.get("source_group_owner_id") or values.get("source_group_owner_account")
        if owner and group in fields:
            fields[f"{side}GroupOwnerAccount"] = owner
        list_id, problem = self._prefix_list(one, side, lists)
        if list_id:
            fields[f"{side}PrefixListId"] = list_id
        if problem and not fields:
            later.append(problem)
        return fields, tuple(later)

    def _prefix_list(
        self, one: Instance, side: str, lists: Mapping[str, tuple[str, ...] | Unreadable]
    ) -> tuple[str, str]:
        """The id or address of the prefix list that a rule names, or why it is not known."""
        if isinstance(given := one.values.get("prefix_list_id"), str):
            return given, ""
        block = self._references.block(one.named)
        if not one.unknown.get("prefix_list_id") or not _is_given(block, "prefix_list_id"):
            return "", ""  # the provider computes it where nobody gives one
        origin = self._references.origin(one.named, one.key, "prefix_list_id", LIST)
        same = {lists.get(address) for address in (origin.address, *origin.others)}
        if origin.address in lists and len(same) == 1:
            return origin.address, ""
        return "", f"{side}PrefixListId: prefix_list_id {_LATER}"


_PLAIN = (
    ("IpProtocol", "ip_protocol", ""),
    ("PortRange", "port_range", "-1/-1"),
    ("Policy", "policy", "accept"),
    ("Priority", "priority", 1),
    ("NicType", "nic_type", ""),
    ("Description", "description", ""),
)


def arguments_of(fields: Fields, group_id: str = "") -> dict[str, str | int | None]:
    """The provider's arguments that make a rule of these fields; None for those that it does not give."""
    side = "Dest" if str(fields.get("Direction", "")).lower() == "egress" else "Source"

    def text(name: str) -> str | None:
        return str(fields[name]) if fields.get(name) not in (None, "") else None

    return {
        "security_group_id": group_id or None,
        "type": (text("Direction") or "ingress").lower(),
        "ip_protocol": (text("IpProtocol") or "").lower(),
        "policy": (text("Policy") or "accept").lower(),
        "priority": int(str(fields.get("Priority") or 1)),
        "port_range": text("PortRange"),
        "cidr_ip": text(f"{side}CidrIp"),
        "ipv6_cidr_ip": text(f"Ipv6{side}CidrIp"),
        "source_security_group_id": text(f"{side}GroupId"),
        "source_group_owner_id": text(f"{side}GroupOwnerAccount") if text(f"{side}GroupId") else None,
        "prefix_list_id": text(f"{side}PrefixListId"),
        "nic_type": text("NicType"),
        "description": text("Description"),
    }


def import_id(group_id: str, fields: Fields) -> str:
    """The id by which `import` finds a rule (resource_alicloud_security_group_rule.go: the colons of IPv6 become _)."""
    found = arguments_of(fields)
    peers = ("cidr_ip", "ipv6_cidr_ip", "source_security_group_id", "prefix_list_id")
    peer = next((str(found[name]) for name in peers if found[name]), "")
    kept = [found[name] for name in ("type", "ip_protocol", "port_range")]
    nic_type = found["nic_type"] or "intranet"
    return ":".join(
        map(str, [group_id, *kept, nic_type, peer.replace(":", "_"), found["policy"], found["priority"]])
    )


_NEVER_MATTERS = frozenset({"nic_type", "description"})


def _plain(one: Instance) -> tuple[Fields, tuple[str, ...]]:
    """The fields of a rule but its far end, with the provider's defaults for null, and what is not known of them."""
    values, unknown = one.values, one.unknown
    fields: Fields = {"Direction": values.get("type") or ""}
    later = [f"Direction: type {_LATER}"] if unknown.get("type") else []
    for field, argument, default in _PLAIN:
        value = values.get(argument)
        if unknown.get(argument) and argument not in _NEVER_MATTERS:
            later.append(f"{field}: {argument} {_LATER}")
        elif value not in (None, "") or default:
            fields[field] = default if value in (None, "") else value
    if isinstance(priority := fields.get("Priority"), float) and priority.is_integer():
        fields["Priority"] = int(priority)
    return fields, tuple(later)


def _is_given(block: ConfigResource | None, argument: str) -> bool:
    """Whether the configuration gives the argument; without one, nobody can tell."""
    return block is None or argument in block.expressions


def _entries(one: Instance) -> tuple[str, ...] | Unreadable:
    """The entries of a prefix list, or why they are not known."""
    entries, unknown = one.values.get("entry"), one.unknown.get("entry")
    if one.deferred:
        return Unreadable(one.deferred)
    if unknown is True or not isinstance(entries, list):
        return Unreadable("has entries that are not known until apply")
    missing = unknown if isinstance(unknown, list) else []
    if any(isinstance(flags, dict) and flags.get("cidr") for flags in missing):
        return Unreadable("has an entry that is not known until apply")
    texts = [entry.get("cidr") for entry in entries if isinstance(entry, dict)]
    if len(texts) != len(entries) or not all(isinstance(text, str) for text in texts):
        return Unreadable("has an entry without a block of addresses")
    return tuple([str(text) for text in texts])


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
