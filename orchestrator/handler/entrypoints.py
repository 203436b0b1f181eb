"""The three entry points, and what they share: an invocation with its time, its sessions and its end."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Literal

import msgspec

from accounts import Unreachable
from orchestrator import inventory
from orchestrator.cloud.client import Client
from orchestrator.cloud.errors import CloudError
from orchestrator.handler import answering
from orchestrator.handler.entering import Entrances, entrances, reason_of
from orchestrator.handler.events import (
    MOST,
    EvaluationRequest,
    EventError,
    GroupToJudge,
    fairly,
    parse,
    question,
    test_event,
)
from orchestrator.handler.function_log import Voice
from orchestrator.handler.ledger_store import Store, open_store
from orchestrator.handler.remedy import GroupResult, Remedy
from orchestrator.handler.settings import (
    PlatformContext,
    Settings,
    kept_exemptions,
    own_credentials,
    read_context,
    read_settings,
)
from orchestrator.plan import Place
from orchestrator.remediate import Brake

_GROUPS_AT_ONCE = 8


class RemediationFailed(Exception):  # noqa: N818 - the platform shows the name
    """Some groups could not be dealt with. Raised at the end, so that the platform sees it and delivers again."""


class Invocation(msgspec.Struct, frozen=True):
    """What one invocation works with."""

    settings: Settings
    run: PlatformContext
    client: Client
    entrances: Entrances
    remedy: Remedy
    brake: Brake
    voice: Voice


def handler(event: object, context: object = None) -> dict[str, Any]:
    """Remedy the groups that Cloud Config (or EventBridge) names; the function's entry `index.handler`.

    Raises:
        RemediationFailed: some of the groups could not be dealt with; all others were.
        EventError: the event is no JSON.
        SettingsError: an SGSWEEP_ variable is wrong; nothing was done.
    """
    return asyncio.run(_invoke(context, lambda invocation: _remedy(invocation, event)))


def on_event(event: object, context: object = None) -> dict[str, Any]:
    """Judge the group that an ActionTrail event is about, and remedy it; the function's entry `index.on_event`.

    Raises:
        RemediationFailed, EventError, SettingsError: as `handler`.
    """
    return handler(event, context)


def evaluate(event: object, context: object = None) -> dict[str, Any]:
    """Answer a custom Cloud Config rule by our judgement; the function's entry `index.evaluate`. Changes nothing.

    Raises:
        RemediationFailed: a group could not be read, so there is no answer about it.
        EventError: the event is no such question.
        SettingsError: an SGSWEEP_ variable is wrong.
    """
    return asyncio.run(_invoke(context, lambda invocation: _answer(invocation, event), judging=True))


async def _invoke(
    context: object, work: Callable[[Invocation], Awaitable[dict[str, Any]]], *, judging: bool = False
) -> dict[str, Any]:
    run = read_context(context, os.environ)
    voice = Voice(run.request_id)
    try:
        environment = {**os.environ, "SGSWEEP_MODE": "plan"} if judging else os.environ
        settings = read_settings(environment)
        async with _open(settings, run, context, voice) as invocation:
            return await work(invocation)
    except Exception as error:
        voice.alarm("failed", error=type(error).__name__, reason=reason_of(error))
        raise


@asynccontextmanager
async def _open(
    settings: Settings, run: PlatformContext, context: object, voice: Voice
) -> AsyncIterator[Invocation]:
    brake = Brake()
    # Between two changes, not in the middle of one: what was begun is finished or stands in the ledger.
    alarm = asyncio.get_running_loop().call_later(
        run.seconds, brake.press, "the function's time is nearly over"
    )
    try:
        async with Client(settings.cloud) as client:
            own = own_credentials(context, os.environ, client.carry)
            ways = await entrances(client, settings, run, own)
            if settings.exemptions_at:
                folder, _, name = settings.exemptions_at.rpartition("/")
                kept = await _store(folder, settings, client, ways, run).get(name)
                exemptions = kept_exemptions(settings.exemptions_at, kept, settings.checks)
                settings = msgspec.structs.replace(settings, exemptions=exemptions)
            store = _store(settings.ledger, settings, client, ways, run) if settings.mode == "apply" else None
            remedy = Remedy(client, settings, ways, store, brake, voice, run.request_id)
            try:
                yield Invocation(settings, run, client, ways, remedy, brake, voice)
            finally:
                await remedy.close()
    finally:
        alarm.cancel()


def _store(at: str, settings: Settings, client: Client, ways: Entrances, run: PlatformContext) -> Store:
    return open_store(at, client, ways.own, run.region_id, internal=settings.oss_network == "internal")


# Remedying ------------------------------------------------------------------------------------------------


async def _remedy(invocation: Invocation, event: object) -> dict[str, Any]:
    if group_id := test_event(event):
        return await _arrived(invocation, group_id)
    resources, ignored = parse(event)
    for one in ignored:
        invocation.voice.tell("ignored", reason=one.reason, what=one.what)
    resources, further = fairly(resources)
    results = await _all(invocation, resources)
    changed = [result for result in results if result.has_changed]
    results += _too_many(invocation.voice, further)
    await _evaluate_again(invocation, changed, resources)
    counts: dict[str, int] = {}
    for result in results:
        counts[result.state] = counts.get(result.state, 0) + 1
    bad = [result for result in results if result.is_unsettled]
    invocation.voice.tell("done", mode=invocation.settings.mode, groups=counts, ignored=len(ignored))
    if bad:
        named = "; ".join(
            f"{one.account_id}/{one.security_group_id} {one.state}: {one.reason}" for one in bad[:5]
        )
        raise RemediationFailed(f"{len(bad)} of {len(results)} groups: {named}")
    return {"mode": invocation.settings.mode, "groups": counts, "results": msgspec.to_builtins(results)}


def _too_many(voice: Voice, further: Sequence[GroupToJudge]) -> list[GroupResult]:
    """Say which groups of an event are not worked on, because it names too many."""
    if not further:
        return []
    reason = f"the event names more than {MOST} groups: send those that are left in an event of their own"
    voice.alarm(
        "too many groups", left=len(further), account_ids=sorted({one.account_id for one in further})[:20]
    )
    return [_left(voice, resource, "left", reason) for resource in further]


async def _arrived(invocation: Invocation, group_id: str) -> dict[str, Any]:
    """Tell whoever sent a test event that it arrived: in the log, and in the ledger whatever the mode."""
    settings, run = invocation.settings, invocation.run
    invocation.voice.tell("test event", security_group_id=group_id)
    if settings.ledger:
        store = _store(settings.ledger, settings, invocation.client, invocation.entrances, run)
        await store.put(f"arrivals/{group_id}.json", b"{}", only_new=True)
    return {"mode": settings.mode, "groups": {}, "results": []}


async def _all(invocation: Invocation, resources: Iterable[GroupToJudge]) -> list[GroupResult]:
    """Work on the groups, a few at a time; whatever happens, return a result for each of them."""
    gate = asyncio.Semaphore(_GROUPS_AT_ONCE)

    async def one(resource: GroupToJudge) -> GroupResult:
        async with gate:
            return await invocation.remedy.of(resource)

    tasks = {asyncio.ensure_future(one(resource)): resource for resource in resources}
    if not tasks:
        return []
    _, hanging = await asyncio.wait(tasks, timeout=invocation.run.limit_seconds)
    for task in hanging:
        task.cancel()
    if hanging:
        await asyncio.wait(hanging)
    return [_result_of(invocation.voice, task, resource) for task, resource in tasks.items()]


def _result_of(voice: Voice, task: asyncio.Future[GroupResult], resource: GroupToJudge) -> GroupResult:
    error = None if task.cancelled() else task.exception()
    if error is None and not task.cancelled():
        return task.result()
    reason = reason_of(error) if error else "the function's time was over while it was being worked on"
    return _left(voice, resource, "failed" if error else "left", reason)


def _left(voice: Voice, resource: GroupToJudge, state: Literal["failed", "left"], reason: str) -> GroupResult:
    result = GroupResult(
        account_id=resource.account_id,
        region_id=resource.region_id,
        security_group_id=resource.security_group_id,
        state=state,
        reason=reason,
    )
    voice.tell("group", **msgspec.to_builtins(result))
    return result


async def _evaluate_again(
    invocation: Invocation, changed: list[GroupResult], resources: Iterable[GroupToJudge]
) -> None:
    """Have the rules that named the changed groups looked at again. That it fails changes nothing about the fix."""
    if not changed:
        return
    groups = {(one.account_id, one.region_id, one.security_group_id) for one in changed}
    named = [
        rule_id
        for one in resources
        if (one.account_id, one.region_id, one.security_group_id) in groups
        for rule_id in one.config_rule_ids
    ]
    for rule_id in dict.fromkeys((*named, *invocation.settings.config_rule_ids)):
        try:
            await answering.evaluate_again(
                invocation.entrances.own, rule_id, invocation.settings.aggregator_id
            )
        except CloudError as error:  # noqa: PERF203 - each rule may fail
            invocation.voice.tell("not evaluated again", config_rule_id=rule_id, reason=reason_of(error))
        else:
            invocation.voice.tell("evaluated again", config_rule_id=rule_id)


# Answering ------------------------------------------------------------------------------------------------


async def _answer(invocation: Invocation, event: object) -> dict[str, Any]:
    asked = question(event)
    answers: list[answering.Judged] = []
    unread: list[str] = []
    looking = _look_at_one if asked.resource else _look_at_all
    run, own = invocation.run, invocation.entrances.own
    if not await invocation.entrances.admit(asked.account_id):
        raise RemediationFailed(f"no answer about account {asked.account_id}: it is none of ours")
    try:
        await asyncio.wait_for(looking(invocation, asked, answers, unread), run.seconds)
    except asyncio.TimeoutError:
        unread.append("the rest, for the function's time was nearly over")
    putting = answering.put_evaluations(invocation.client, own, asked, answers)
    try:
        await asyncio.wait_for(putting, run.limit_seconds - run.seconds)
    except asyncio.TimeoutError:
        raise RemediationFailed("Cloud Config did not take the answers in time") from None
    counts: dict[str, int] = {}
    for one in answers:
        counts[one.compliance] = counts.get(one.compliance, 0) + 1
    invocation.voice.tell("answered", account_id=asked.account_id, answers=counts, unread=len(unread))
    if unread:
        raise RemediationFailed(f"no answer about {len(unread)}: {'; '.join(unread[:5])}")
    return {"answers": msgspec.to_builtins(answers)}


async def _look_at_one(
    invocation: Invocation, asked: EvaluationRequest, answers: list[answering.Judged], unread: list[str]
) -> None:
    resource = asked.resource
    if resource is None:
        raise EventError("the question is about no resource")
    place = Place(resource.account_id, resource.region_id, resource.security_group_id)
    found = await invocation.remedy.look(place)
    if not isinstance(found, Unreachable):
        answers.append(answering.judged(found, invocation.remedy.judge(found)))
    elif gone := answering.unseen(found, asked.resource_name):
        answers.append(gone)
    else:
        unread.append(f"{found.code}: {found.message}")


async def _look_at_all(
    invocation: Invocation, asked: EvaluationRequest, answers: list[answering.Judged], unread: list[str]
) -> None:
    """A scheduled run asks about an account: look at every group in every region, while there is time."""
    session = invocation.entrances.reader(asked.account_id)
    for region_id in await inventory.regions(session):
        reader = invocation.remedy.reader(session, region_id)
        try:
            async for page in inventory.security_groups(session, region_id):
                for seen in await asyncio.gather(*(reader.read(listing) for listing in page)):
                    found = await invocation.remedy.whole(session, seen)
                    if isinstance(found, Unreachable):
                        unread.append(f"{found.security_group_id}: {found.code}")
                    else:
                        answers.append(answering.judged(found, invocation.remedy.judge(found)))
        except Exception as error:  # noqa: BLE001 - the other regions are still answered about
            unread.append(f"{region_id}: {reason_of(error)}")
