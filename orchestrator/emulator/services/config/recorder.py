"""Cloud Config 2020-09-07: what it has recorded of security groups, its rules, their results and remediations.

The recorder knows a group from the moment it changes or is asked for, and lags behind ECS by `lag_seconds`. A custom
rule and a remediation call a function through `invoke`, which Function Compute's stand-in gives.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

import msgspec

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context, operation
from orchestrator.emulator.framework.state import State
from orchestrator.emulator.world.model import Group, Rule, stored

VERSION: Final = "2020-09-07"
GROUP: Final = "ACS::ECS::SecurityGroup"
COMPLIANCE: Final = ("COMPLIANT", "NON_COMPLIANT", "NOT_APPLICABLE", "INSUFFICIENT_DATA")
Invoke = Callable[[str, bytes, Callable[[str], None]], None]
"""Calls a function asynchronously: its ARN, the event, and what is told in the end: "" or how it failed."""


class Key(NamedTuple):
    """A security group."""

    account_id: str
    region_id: str
    group_id: str


@dataclass(slots=True)
class Recorded:
    """A group as Cloud Config has it."""

    group: Group
    rules: tuple[Rule, ...]
    at: float


@dataclass(slots=True)
class EvaluationResult:
    """What a rule last said of a group."""

    compliance: str
    annotation: str
    at: float


@dataclass(slots=True)
class Execution:
    """One start of a remediation."""

    execution_id: str
    rule_id: str
    key: Key
    at: float
    status: str = "Success"
    message: str = ""


@dataclass(slots=True)
class ConfigRule:
    """A rule of an account, or, with an aggregator, of all of the directory's."""

    rule_id: str
    name: str
    owner: str
    identifier: str
    account_id: str
    aggregator_id: str = ""
    parameters: dict[str, str] = field(default_factory=dict)
    excluded: frozenset[str] = frozenset()
    results: dict[Key, EvaluationResult] = field(default_factory=dict)
    function_arn: str = ""
    """Of the remediation; empty for none."""
    automatic: bool = False

    def covers(self, key: Key) -> bool:
        """Whether the rule is about a group."""
        return (
            self.aggregator_id != "" or key.account_id == self.account_id
        ) and key.group_id not in self.excluded


@dataclass(slots=True)
class ConfigRecorder:
    """Cloud Config of one running cloud."""

    lag_seconds: float = 0.0
    flat_permissions: bool = False
    """Configuration holds a bare list Permissions[], as an older sample has it, and not Permissions.Permission[]."""
    rules: dict[str, ConfigRule] = field(default_factory=dict)
    aggregators: dict[str, str] = field(default_factory=dict)
    recorded: dict[Key, Recorded] = field(default_factory=dict)
    executions: list[Execution] = field(default_factory=list)
    tokens: dict[str, tuple[str, Key | None]] = field(default_factory=dict)
    invoke: Invoke | None = None

    def add_rule(self, rule: ConfigRule) -> ConfigRule:
        """Keep a rule."""
        self.rules[rule.rule_id] = rule
        return rule


def config_of(state: State) -> ConfigRecorder:
    """The Cloud Config of a running cloud."""
    return state.of(ConfigRecorder)


# --- recording and judging


def record(state: State, key: Key) -> Recorded | None:
    """Take down a group as it is now; None where it does not exist."""
    group = state.world.estate(key.account_id, key.region_id).groups.get(key.group_id)
    if group is None:
        return None
    found = Recorded(group, group.rules, state.clock())
    config_of(state).recorded[key] = found
    return found


def recorded(state: State, key: Key) -> Recorded | None:
    """A group as Cloud Config has it: taken down now if it never was."""
    return config_of(state).recorded.get(key) or record(state, key)


def changed(state: State, key: Key) -> None:
    """Cloud Config has noticed a change: the rules that cover the group look at it."""
    if record(state, key) is None:
        return
    for rule in config_of(state).rules.values():
        if rule.covers(key):
            evaluate(state, rule, key)


def evaluate(state: State, rule: ConfigRule, key: Key) -> None:
    """Let a rule look at a group as it is recorded."""
    found = recorded(state, key)
    if found is None:
        rule.results.pop(key, None)
    elif rule.owner == "ALIYUN":
        settle(state, rule, key, *_managed_verdict(rule, found))
    else:
        _ask(state, rule, key, found)


def settle(state: State, rule: ConfigRule, key: Key, compliance: str, annotation: str) -> None:
    """Keep what a rule says, and start its remediation where that is automatic."""
    rule.results[key] = EvaluationResult(compliance, annotation, state.clock())
    if compliance == "NON_COMPLIANT" and rule.automatic and rule.function_arn:
        remediate(state, rule, key)


def remediate(state: State, rule: ConfigRule, key: Key) -> Execution:
    """Call the remediation's function about one group."""
    config = config_of(state)
    execution = Execution(f"crn-{secrets.token_hex(8)}", rule.rule_id, key, state.clock())
    config.executions.append(execution)
    event = [
        {
            "accountId": key.account_id,
            "regionId": key.region_id,
            "resourceId": key.group_id,
            "resourceType": GROUP,
            "configRuleId": rule.rule_id,
        }
    ]

    def ended(error: str) -> None:
        execution.status, execution.message = ("Failed" if error else "Success"), error

    if config.invoke is None:
        ended("there is no such function")
    else:
        config.invoke(rule.function_arn, msgspec.json.encode(event), ended)
    return execution


def _managed_verdict(rule: ConfigRule, found: Recorded) -> tuple[str, str]:
    """sg-risky-ports-check as its page describes it: 0.0.0.0/0 and nothing else counts."""
    if found.group.service_managed:
        return "NOT_APPLICABLE", ""
    ports = {int(port) for port in rule.parameters.get("ports", "22,3389").split(",")}
    for one in found.rules:
        if one.direction == "ingress" and one.policy == "Accept" and one.source_cidr_ip == "0.0.0.0/0":
            first, _, last = one.port_range.partition("/")
            whole = one.port_range in {"-1/-1", ""}
            if any(whole or int(first) <= port <= int(last) for port in ports):
                reason = {
                    "property": "$.Permissions",
                    "configuration": one.port_range,
                    "operator": "NotContains",
                }
                return "NON_COMPLIANT", msgspec.json.encode(reason).decode()
    return "COMPLIANT", ""


def _ask(state: State, rule: ConfigRule, key: Key, found: Recorded) -> None:
    config = config_of(state)
    token = secrets.token_urlsafe(24)
    config.tokens[token] = (rule.rule_id, key)
    now = int(state.clock() * 1000)
    event = {
        "invokingEvent": {
            "messageType": "ConfigurationItemChangeNotification",
            "notificationCreationTimestamp": now,
            "accountId": key.account_id,
            "configurationType": "COMMON",
            "configurationItem": {
                "accountId": key.account_id,
                "regionId": key.region_id,
                "resourceId": key.group_id,
                "resourceName": found.group.name,
                "resourceType": GROUP,
                "captureTime": now,
                "configuration": configuration(state, found),
            },
        },
        "ruleParameters": rule.parameters,
        "resultToken": token,
        "orderingTimestamp": now,
    }
    if config.invoke is not None:
        config.invoke(rule.identifier, msgspec.json.encode(event), lambda _: None)


def configuration(state: State, found: Recorded) -> str:
    """The group as JSON text, with one of the two shapes seen."""
    rows = [stored(rule) for rule in found.rules]
    shape: object = rows if config_of(state).flat_permissions else {"Permission": rows}
    return msgspec.json.encode(
        {
            "SecurityGroupId": found.group.security_group_id,
            "SecurityGroupName": found.group.name,
            "ServiceManaged": found.group.service_managed,
            "VpcId": found.group.vpc_id,
            "Permissions": shape,
        }
    ).decode()


# --- what operations share


def rule_of(context: Context) -> ConfigRule:
    """The rule of ConfigRuleId, within the account or the aggregator asked for."""
    rule_id = context.parameters.required("ConfigRuleId")
    rule = config_of(context.state).rules.get(rule_id)
    aggregator_id = context.parameters.text("AggregatorId")
    if rule is None or rule.account_id != context.account_id or rule.aggregator_id != aggregator_id:
        raise ApiError(404, "ConfigRuleNotExists", "The specified rule does not exist.")
    return rule


def known_aggregator(context: Context) -> str:
    """AggregatorId, if it is one of the caller's; "" for calls about one account."""
    if "Aggregate" not in context.operation.action:
        return ""
    aggregator_id = context.parameters.required("AggregatorId")
    if config_of(context.state).aggregators.get(aggregator_id) != context.account_id:
        raise ApiError(400, "Invalid.AggregatorId.Value", "The specified AggregatorId does not exist.")
    return aggregator_id


def both(
    action: str, **options: object
) -> Callable[[Callable[[Context], Answer]], Callable[[Context], Answer]]:
    """Register an operation for one account and its twin for an account group."""
    for verb in ("Get", "List", "Start", "Create"):
        if action.startswith(verb):
            twin = f"{verb}Aggregate{action[len(verb) :]}"

    def register(handler: Callable[[Context], Answer]) -> Callable[[Context], Answer]:
        operation("config", VERSION, action, **options)(handler)
        operation("config", VERSION, twin, **options)(handler)
        return handler

    return register


def keys_of(results: Iterable[Key], context: Context) -> Iterator[Key]:
    """The groups that a listing's filters leave."""
    account_id = context.parameters.text("ResourceAccountId")
    regions = context.parameters.text("Regions")
    for key in sorted(results):
        if account_id in {"", key.account_id} and (not regions or key.region_id in regions.split(",")):
            yield key
