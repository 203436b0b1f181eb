"""The emulator in a process of its own: `python -m benchmarks.emulated SPEC`, SPEC as JSON.

It prints where it listens and the hub's keys. For each line on its input it prints what was called since the line
before: calls and throttled answers by action, calls by group, and when groups were changed. It ends with its input.
"""

from __future__ import annotations

import asyncio
import sys
from collections import Counter
from typing import Any

import msgspec

from benchmarks.worlds import MAKERS
from orchestrator.emulator import Emulator, Options, Throttle

GROUP_CALLS = frozenset(
    {
        "DescribeSecurityGroupAttribute", "AuthorizeSecurityGroup", "AuthorizeSecurityGroupEgress",
        "RevokeSecurityGroup", "RevokeSecurityGroupEgress", "ModifySecurityGroupRule", "ModifySecurityGroupEgressRule",
    }
)  # fmt: skip


class Spec(msgspec.Struct, frozen=True):
    """What to emulate.

    Attributes:
        world: the name of a maker of `benchmarks.worlds`.
        arguments: of the maker.
        latency_seconds: of every answer.
        throttle: fields of the emulator's Throttle.
    """

    world: str
    arguments: dict[str, Any]
    latency_seconds: float = 0.0
    throttle: dict[str, Any] = {}


class Listening(msgspec.Struct, frozen=True):
    """Where it listens, and the hub's keys."""

    url: str
    access_key_id: str
    access_key_secret: str


class Report(msgspec.Struct, frozen=True):
    """What was called since the report before.

    Attributes:
        calls: by action.
        throttled: by action.
        by_group: calls on each group, by id.
        changed_at: seconds since 1970 of every call that took a rule away, in order.
    """

    calls: dict[str, int]
    throttled: dict[str, int]
    by_group: dict[str, int]
    changed_at: list[float]


def _report(emulator: Emulator) -> Report:
    calls: Counter[str] = Counter()
    throttled: Counter[str] = Counter()
    by_group: Counter[str] = Counter()
    changed_at = []
    for call in emulator.calls:
        calls[call.action] += 1
        throttled[call.action] += call.code.startswith("Throttling")
        if call.action in GROUP_CALLS:
            by_group[call.parameters["SecurityGroupId"]] += 1
        if call.changes and call.action.startswith("Revoke"):
            changed_at.append(call.time)
    emulator.calls.clear()
    return Report(calls, throttled, by_group, changed_at)


def _give(value: object) -> None:
    print(msgspec.json.encode(value).decode(), flush=True)


async def _main(spec: Spec) -> None:
    options = Options(latency_seconds=spec.latency_seconds, throttle=Throttle(**spec.throttle), control=False)
    async with Emulator(MAKERS[spec.world](**spec.arguments), options) as emulator:
        keys = emulator.hub_credentials
        _give(Listening(emulator.http_url, keys.access_key_id, keys.access_key_secret))
        while await asyncio.to_thread(sys.stdin.readline):
            _give(_report(emulator))


if __name__ == "__main__":
    asyncio.run(_main(msgspec.json.decode(sys.argv[1], type=Spec)))
