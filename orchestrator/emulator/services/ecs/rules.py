"""ECS 2014-05-26, writing: Revoke, Authorize and Modify of security group rules, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from secrets import token_hex
from typing import Final
from urllib.parse import urlencode

from msgspec.structs import replace

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, Handler, operation
from orchestrator.emulator.framework.quirks import Quirks
from orchestrator.emulator.services.ecs.groups import VERSION, find_group, group_arn
from orchestrator.emulator.services.ecs.permission import bad, meaning, read_rule
from orchestrator.emulator.world.model import Group, Rule, stored
from orchestrator.emulator.world.regions import BY_ID

_MAX_CLIENT_TOKEN: Final = 64


# --- what all writes share


def writable_group(context: Context) -> Group:
    """The group to change; 403 where a cloud service manages it."""
    group = find_group(context)
    if group.service_managed:
        message = "The security group is managed by a cloud product and can't be operated by the user."
        raise ApiError(403, "InvalidOperation.ResourceManagedByCloudProduct", message)
    return group


def once(context: Context, change: Callable[[], None]) -> Answer:
    """Carry out a change, but only once for a ClientToken."""
    token = context.parameters.text("ClientToken")
    if len(token) > _MAX_CLIENT_TOKEN or not token.isascii():
        raise ApiError(
            400, "InvalidParameter.ClientToken", "The specified parameter ClientToken is not valid."
        )
    key = (context.account_id, context.operation.action, token)
    wire = urlencode(
        {name: value for name, value in context.parameters.wire.items() if name != "ClientToken"}
    )
    known = context.state.tokens.recall(key, context.now) if token else None
    if known is not None:
        if known[0] != wire:
            message = "The request uses the same client token as a previous, but non-identical request."
            raise ApiError(400, "IdempotentParameterMismatch", message)
        return dict(known[1])
    change()
    if token:
        context.state.tokens.remember(key, context.now, wire, {})
    return {}


def _set_rules(context: Context, group: Group, rules: Iterable[Rule]) -> None:
    if context.state.quirks.read_lag_seconds:
        context.state.history.setdefault(group.security_group_id, []).append((context.now, group.rules))
    group.rules = tuple(rules)


def _note(context: Context, what: str, group: Group, rule: Rule, before: Rule | None = None) -> None:
    details: dict[str, object] = {
        "security_group_id": group.security_group_id,
        "rule_id": rule.security_group_rule_id,
        "rule": stored(rule),
    }
    if before is not None:
        details["before"] = stored(before)
    context.changed(what, **details)


def _permissions(context: Context) -> list[dict[str, str]]:
    """`Permissions.N.*`, or the one permission of the older flat parameters."""
    found = context.parameters.structs("Permissions")
    if found or not context.parameters.text("IpProtocol"):
        return found
    return [dict(context.parameters.wire)]


def _read_all(context: Context, group: Group, direction: str) -> list[Rule]:
    rules = [read_rule(context, group, wire, direction) for wire in _permissions(context)]
    if len({meaning(rule) for rule in rules}) < len(rules):
        raise bad("InvalidParam.DuplicatePermissions", "There are duplicate permissions in the request.")
    return rules


def _revoking(direction: str) -> Handler:
    def revoke(context: Context) -> Answer:
        group = writable_group(context)
        ids = context.parameters.items("SecurityGroupRuleId")
        if ids and _permissions(context):
            raise bad(
                "InvalidParam.Permissions", "SecurityGroupRuleId and Permissions cannot be given together."
            )
        if len(set(ids)) < len(ids):
            raise bad("InvalidParam.SecurityGroupRuleIdRepeated", "The SecurityGroupRuleId is repeated.")
        if ids:
            return once(context, lambda: _revoke_ids(context, group, ids, direction))
        asked = _read_all(context, group, direction)
        if not asked:
            context.parameters.required("SecurityGroupRuleId.1")
        return once(context, lambda: _revoke_permissions(context, group, asked))

    return revoke


def _revoke_ids(context: Context, group: Group, ids: list[str], direction: str) -> None:
    quirks = context.state.quirks
    known = {
        rule.security_group_rule_id
        for rule in group.rules
        if rule.direction == direction or quirks.other_direction_revokes
    }
    gone = (quirks.gone_rule if direction == "ingress" else quirks.gone_rule_egress).refusal()
    missing = gone is not None and not known.issuperset(ids)
    if not (missing and quirks.atomic_batch):
        _remove(context, group, known.intersection(ids))
    if missing and gone is not None:
        raise gone.error()


def _revoke_permissions(context: Context, group: Group, asked: list[Rule]) -> None:
    wanted = {meaning(rule) for rule in asked}
    found = {rule.security_group_rule_id: meaning(rule) for rule in group.rules if meaning(rule) in wanted}
    refusal = context.state.quirks.gone_permission.refusal()
    if refusal is not None and len(set(found.values())) < len(wanted):
        raise refusal.error()
    _remove(context, group, set(found))


def _remove(context: Context, group: Group, ids: set[str]) -> None:
    going = [rule for rule in group.rules if rule.security_group_rule_id in ids]
    context.state.refusals.check(context, group, going)
    for rule in going:
        _note(context, "revoke", group, rule)
    if ids:
        _set_rules(context, group, (rule for rule in group.rules if rule.security_group_rule_id not in ids))


# --- authorize


def _authorizing(direction: str) -> Handler:
    def authorize(context: Context) -> Answer:
        group = writable_group(context)
        asked = _read_all(context, group, direction)
        if not asked:
            raise ApiError(
                403, "MissingParameter", "The input parameter Permissions is mandatory for this action."
            )
        return once(context, lambda: _add(context, group, asked))

    return authorize


def _add(context: Context, group: Group, asked: list[Rule]) -> None:
    context.state.refusals.check(context, group, asked)
    known = {meaning(rule) for rule in group.rules}
    code = BY_ID[context.region_id].id_code if context.region_id in BY_ID else "xx0"
    created = datetime.fromtimestamp(context.now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    new = [
        replace(rule, security_group_rule_id=f"sgr-{code}{token_hex(8)}", create_time=created)
        for rule in asked
        if meaning(rule) not in known
    ]
    if not new:
        return
    allowed = group.rules_allowed or context.state.quirks.rules_per_group
    if sum(_weight(context, rule) for rule in (*group.rules, *new)) > allowed:
        raise context.state.quirks.authorization_limit.error()
    _check_group_sources(context, group, new)
    _set_rules(context, group, (*group.rules, *new))
    for rule in new:
        _note(context, "authorize", group, rule)


def _check_group_sources(context: Context, group: Group, new: Iterable[Rule]) -> None:
    added = [rule for rule in new if _names_group(rule)]
    if (
        added
        and sum(map(_names_group, group.rules)) + len(added) > context.state.quirks.group_rules_per_group
    ):
        message = "The limit of rules that name a security group is reached."
        raise bad("AuthorizedGroupRule.LimitExceed", message)


def _names_group(rule: Rule) -> bool:
    return bool(rule.source_group_id or rule.dest_group_id)


def _weight(context: Context, rule: Rule) -> int:
    """What a rule counts against the limit: one with a prefix list counts as the list's capacity."""
    prefix_list = context.estate.prefix_lists.get(rule.source_prefix_list_id or rule.dest_prefix_list_id)
    return prefix_list.max_entries if prefix_list else 1


# --- modify

_MODIFIABLE: Final = (
    "IpProtocol", "PortRange", "PortRangeListId", "SourcePortRange", "Policy", "Priority", "Description",
    "SourceCidrIp", "Ipv6SourceCidrIp", "SourceGroupId", "SourceGroupOwnerAccount", "SourceGroupOwnerId",
    "SourcePrefixListId", "DestCidrIp", "Ipv6DestCidrIp", "DestGroupId", "DestGroupOwnerAccount",
    "DestGroupOwnerId", "DestPrefixListId",
)  # fmt: skip
_PEER_KINDS: Final = ("{}CidrIp", "Ipv6{}CidrIp", "{}GroupId", "{}PrefixListId")


def _modifying(direction: str) -> Handler:
    def modify(context: Context) -> Answer:
        group = writable_group(context)
        rule_id = context.parameters.required("SecurityGroupRuleId")
        known = [rule for rule in group.rules if rule.security_group_rule_id == rule_id]
        rule = known[0] if known and known[0].direction == direction else None
        if rule is None:
            raise ApiError(
                404, "SecurityGroupRule.NotFound", "The specified security group rule does not exist."
            )
        new = _modified(context, group, rule, direction)
        return once(context, lambda: _replace(context, group, rule, new))

    return modify


def _modified(context: Context, group: Group, rule: Rule, direction: str) -> Rule:
    wire = context.parameters.wire
    given = {name: wire[name] for name in _MODIFIABLE if name in wire}
    old = {key.replace("OwnerAccount", "OwnerId"): str(value) for key, value in stored(rule).items()}
    if not given or any(not value and old.get(name) for name, value in given.items()):
        raise bad(
            "InvalidParam.InvalidModifyRuleRequest", "Nothing is modified, or a field would become empty."
        )
    quirks = context.state.quirks
    if "NicType" in wire and not (quirks.modify_takes_nic_type and wire["NicType"].lower() == rule.nic_type):
        raise bad("InvalidOperation.ModifyNicType", "NicType cannot be modified.")
    _check_same_kind(old, given, "Source" if direction == "ingress" else "Dest")
    if given.get("PortRange"):
        old.pop("PortRangeListId", None)
    elif given.get("PortRangeListId"):
        old.pop("PortRange", None)
    merged = {**{name: old[name] for name in _written(old) - _forgotten(quirks, direction)}, **given}
    if any(name.endswith("OwnerAccount") for name in given):
        merged = {name: value for name, value in merged.items() if name in given or "OwnerId" not in name}
    try:
        new = read_rule(context, group, merged, direction, rule.security_group_rule_id)
    except ApiError as error:
        if error.code == "OperationDenied":
            raise bad("InvalidParam.ProtocolAndPortRangeMismatch", error.message) from None
        raise
    kept = "Priority" not in given and not quirks.modify_resets
    return replace(new, priority=rule.priority if kept else new.priority, create_time=rule.create_time)


def _written(old: Mapping[str, str]) -> set[str]:
    """The fields of a rule that stay as they are where Modify is not sent them; a priority of 110 reads as none."""
    return {name for name in old if name != "Priority"}


def _forgotten(quirks: Quirks, direction: str) -> set[str]:
    """The fields that have a default, to which Modify resets them where it does so."""
    own = "Dest" if direction == "ingress" else "Source"
    return (
        {"Policy", "Description", "SourcePortRange", f"{own}CidrIp", f"Ipv6{own}CidrIp"}
        if quirks.modify_resets
        else set()
    )


def _check_same_kind(old: Mapping[str, str], given: Mapping[str, str], word: str) -> None:
    names = [kind.format(word) for kind in _PEER_KINDS]
    if any(given.get(name) and not old.get(name) for name in names):
        message = "The kind of source or destination of a rule cannot be modified."
        raise bad("InvalidOperation.ModifySgRuleEntityType", message)


def _replace(context: Context, group: Group, rule: Rule, new: Rule) -> None:
    context.state.refusals.check(context, group, (new,))
    _set_rules(context, group, (new if one is rule else one for one in group.rules))
    _note(context, "modify", group, new, rule)


def _register() -> None:
    """Both directions of every write. Only Revoke has resource-level authorization in RAM."""
    for suffix, direction in (("", "ingress"), ("Egress", "egress")):
        revoke = operation(
            "ecs", VERSION, f"RevokeSecurityGroup{suffix}", resources=group_arn, regional=True, mutating=True
        )
        revoke(_revoking(direction))
        operation("ecs", VERSION, f"AuthorizeSecurityGroup{suffix}", regional=True, mutating=True)(
            _authorizing(direction)
        )
        operation("ecs", VERSION, f"ModifySecurityGroup{suffix}Rule", regional=True, mutating=True)(
            _modifying(direction)
        )


_register()
