"""The answer that another account, region or group would have given to the same question."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

import msgspec

from orchestrator.emulator.framework.bending import BendKind
from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.operations import Answer, Context
from orchestrator.emulator.framework.parameters import Parameters

STRANGER: Final = "1000000000000001"
"""An account of nobody's."""
_ROLE: Final = re.compile(r"acs:ram::(\d{16}):role/(.+)")
_ACCOUNT_KEYS: Final = ("MasterAccountId", "AccountId", "Arn")
_MOST: Final = 8


def answer_elsewhere(
    context: Context, truth: Answer, kind: BendKind, dice: random.Random, *, masked: bool
) -> Answer | None:
    """The answer, or None where no other place has one; `masked`: with the ids that were asked for."""
    for other in _others(context, kind, dice):
        try:
            answer = dict(other.operation.handler(other))
        except ApiError:
            continue
        return _masked(context, answer) if masked else answer
    if kind is BendKind.OTHER_ACCOUNT and not context.operation.regional:
        return _renamed(truth)
    return None


def _others(context: Context, kind: BendKind, dice: random.Random) -> Iterator[Context]:
    if context.operation.action == "AssumeRole":
        yield from _other_roles(context, kind, dice)
    elif not context.operation.regional:
        return
    elif kind is BendKind.OTHER_GROUP:
        yield from _about_others(context, dice, keep=False)
    elif kind is BendKind.OTHER_REGION:
        for region_id in _some(dice, context.state.world.region_ids, context.region_id):
            wire = {**context.parameters.wire, "RegionId": region_id}
            other = replace(context, region_id=region_id, parameters=Parameters(wire))
            yield from _about_others(other, dice, keep=True)
    else:
        for account_id in _some(dice, context.state.world.account_ids, context.account_id):
            caller = replace(context.caller, account_id=account_id)
            yield from _about_others(replace(context, caller=caller), dice, keep=True)


def _some(dice: random.Random, values: Iterable[str], but: str) -> list[str]:
    others = [value for value in values if value != but]
    return dice.sample(others, min(_MOST, len(others)))


def _other_roles(context: Context, kind: BendKind, dice: random.Random) -> Iterator[Context]:
    match = _ROLE.fullmatch(context.parameters.text("RoleArn"))
    if match is None or kind is not BendKind.OTHER_ACCOUNT:
        return
    for account_id in _some(dice, context.state.world.account_ids, match[1]):
        wire = {**context.parameters.wire, "RoleArn": f"acs:ram::{account_id}:role/{match[2]}"}
        yield replace(context, parameters=Parameters(wire))


def _about_others(context: Context, dice: random.Random, *, keep: bool) -> Iterator[Context]:
    """The same question about other things of the place; with `keep` also one that names none, as it is."""
    estate = context.state.world.estate(context.account_id, context.region_id)
    wire = context.parameters.wire
    named: dict[str, Iterable[str]] = {
        "SecurityGroupId": estate.groups,
        "PrefixListId": estate.prefix_lists,
        "PortRangeListId": estate.port_lists,
    }
    for name, there in named.items():
        if wire.get(name):
            for other in _some(dice, there, wire[name]):
                yield replace(context, parameters=Parameters({**wire, name: other}))
            return
    if wire.get("SecurityGroupIds"):
        others = _some(dice, estate.groups, "")
        text = msgspec.json.encode(others).decode()
        yield replace(context, parameters=Parameters({**wire, "SecurityGroupIds": text}))
    elif keep:
        yield context


def _masked(context: Context, answer: Answer) -> Answer:
    wire = context.parameters.wire
    shown = {name: wire[name] for name in answer if wire.get(name)}
    user = answer.get("AssumedRoleUser")
    if isinstance(user, dict):
        arn = f"{wire.get('RoleArn', '')}/{wire.get('RoleSessionName', '')}"
        shown_user = {"AssumedRoleUser": {**user, "Arn": arn}}
        return {**answer, **shown, **shown_user}
    return {**answer, **shown}


def _renamed(answer: Answer) -> Answer:
    """The answer with one account, its own or that of its first item, turned into a stranger."""
    text = msgspec.json.encode(answer).decode()
    key = next((one for one in _ACCOUNT_KEYS if f'"{one}":' in text), "")
    match = re.search(rf'"{key}":"[^"]*?(\d{{16}})', text) if key else None
    if match is None:
        return answer
    found: Answer = msgspec.json.decode(text.replace(match[1], STRANGER))
    return found
