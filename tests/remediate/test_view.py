"""What is known of a group while it is changed: what earlier deliveries left, what is ours, how old the reading is."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable

import pytest
from msgspec.structs import replace

from orchestrator.cloud.errors import CloudError, Denied, Unavailable
from orchestrator.emulator import Fault, Group, Kind
from orchestrator.inventory import ReadSession, RegionReader
from orchestrator.journal import Effect, OutcomeKind
from orchestrator.plan import Action, Place
from orchestrator.policy import Check, parse_port
from orchestrator.remediate import Guard, Removal, Restoral, Target
from orchestrator.remediate.desired_state import End, Need
from orchestrator.remediate.group_state import GroupView, Shut
from orchestrator.remediate.neighbours import Around, nothing_around
from orchestrator.remediate.records import intent_of
from orchestrator.securitygroup import Placement, content_digest
from tests.remediate.crash import Fuse, MortalSession
from tests.remediate.kit import (
    HASTE,
    REGION,
    Cloud,
    effect_of,
    guard,
    order,
    planned,
    rule,
    rules_of,
)


def view_of(
    there: Cloud,
    group: Group,
    *,
    around: Callable[[], Awaitable[Around]] = nothing_around,
    held: Guard | None = None,
    session: ReadSession | None = None,
) -> GroupView:
    """A view of the group, by a session that may do anything, unless another is given."""
    place = Place(there.account_id, REGION, group.security_group_id)
    reader = RegionReader(session or there.enter(""), Placement(there.account_id), REGION)
    return GroupView(reader, place, HASTE, held, around)


def split_of(there: Cloud) -> tuple[Group, Action, list[str]]:
    """A group, a split planned for its rule, and the contents of the two rules that it adds."""
    group = there.put(rule(1, "20/30"))
    (action,) = planned([group], there.account_id)
    return group, action, [content_digest(fields) for fields in action.adds]


def stand(there: Cloud, group: Group, **ports: str) -> None:
    """Only these rules of the group stand besides the one that is to be split."""
    beside = [replace(rule(0, span), security_group_rule_id=f"sgr-{key}") for key, span in ports.items()]
    there.put(rule(1, "20/30"), *beside, group_id=group.security_group_id)


async def test_earlier_deliveries_leave_what_they_began(there: Cloud) -> None:
    """What ended is not done again, what failed is; what was begun, touched and added is told from what was not."""
    rules = [rule(n, "20/30", priority=n) for n in range(1, 7)]
    group = there.put(*rules)
    actions = planned([group], there.account_id)
    first = content_digest(actions[0].adds[0])

    def left(at: int, kind: OutcomeKind | None, **fields: object) -> Effect:
        return replace(effect_of(actions[at], kind), **fields)

    effects = [
        left(0, None, body={**(effect_of(actions[0], None).body or {}), "added": [first]}),
        left(1, OutcomeKind.failed, touches_rule=False),
        left(2, OutcomeKind.split_),
        left(3, OutcomeKind.skipped, intended=False),
        left(4, None, body=None, touches_rule=False),
    ]
    view = view_of(there, group)
    view.remember([Removal(one) for one in actions], effects)
    assert [one.action.rule_id for one in view.targets] == ["sgr-1", "sgr-2", "sgr-5", "sgr-6"]
    assert view.begun == {"sgr-1", "sgr-2", "sgr-3", "sgr-5"}
    assert view.intended == {"sgr-1", "sgr-5"}
    assert view.touched == {"sgr-1", "sgr-3"}
    nothing: frozenset[str] = frozenset()
    assert view.added == {"sgr-1": {first}, "sgr-2": nothing, "sgr-3": nothing, "sgr-5": nothing}


async def test_an_intent_adds_to_what_an_earlier_delivery_was_to_add(there: Cloud) -> None:
    """Both are ours; that the rule may have been touched is noted once a call that touches it is about to be sent."""
    group, action, (first, second) = split_of(there)
    target = Removal(action)
    view = view_of(there, group)
    view.remember([target], [])
    assert (view.begun, view.intended, view.touched, view.added) == (set(), set(), set(), {})
    intent = intent_of(target, view.rules, order(), touches_rule=False)
    view.intend([replace(intent, body={**intent.body, "added": [first]})])
    assert (view.begun, view.intended, view.touched) == ({"sgr-1"}, {"sgr-1"}, set())
    view.intend([replace(intent, body={**intent.body, "added": [second]}, touches_rule=True)])
    assert view.touched == {"sgr-1"}
    assert view.added == {"sgr-1": {first, second}}


async def begun(there: Cloud) -> tuple[GroupView, Group, Target, list[str]]:
    """A view of a group whose split was intended, with the contents that it adds."""
    group, action, contents = split_of(there)
    target = Removal(action)
    view = view_of(there, group)
    view.remember([target], [])
    await view.read()
    view.intend([intent_of(target, view.rules, order(), touches_rule=False)])
    return view, group, target, contents


async def test_what_shows_after_we_asked_for_it_is_ours(there: Cloud) -> None:
    """By its id: of the same content, one that is there before we asked, or comes after ours had gone, is not."""
    view, group, target, contents = await begun(there)
    stand(there, group, a="20/21")
    await view.read()
    assert view.ours(target) == []  # nobody asked for it yet
    view.sent(contents)
    stand(there, group, b="20/21", c="23/30")
    await view.read()
    assert view.ours(target) == ["sgr-b", "sgr-c"]
    stand(there, group, b="20/21", d="23/30")
    await view.read()
    assert view.ours(target) == ["sgr-b"]


async def test_rules_of_one_call_show_together(there: Cloud) -> None:
    """What is missing when the others show was taken away: what comes of it later is somebody else's."""
    view, group, target, contents = await begun(there)
    view.sent(contents)
    await view.read()
    assert view.ours(target) == []  # none shows yet
    stand(there, group, a="20/21")
    await view.read()
    stand(there, group, a="20/21", b="23/30")
    await view.read()
    assert view.ours(target) == ["sgr-a"]
    view.sent([contents[1]])  # asked for anew
    await view.read()
    assert view.ours(target) == ["sgr-a", "sgr-b"]


async def test_rules_of_two_calls_may_show_one_after_the_other(there: Cloud) -> None:
    """One of the first call's rules was asked for again: it is of the second call then, the other of the first."""
    view, group, target, contents = await begun(there)
    view.sent(contents)
    view.sent(contents[1:])
    stand(there, group, b="23/30")
    await view.read()
    assert view.ours(target) == ["sgr-b"]
    stand(there, group, a="20/21", b="23/30")
    await view.read()
    assert view.ours(target) == ["sgr-a", "sgr-b"]


async def test_what_an_earlier_delivery_was_to_add_is_ours_once_it_shows(there: Cloud) -> None:
    """Each by itself, for it is not known in which calls they were asked for; what was not to be added is not."""
    group, action, contents = split_of(there)
    target, view = Removal(action), view_of(there, group)
    effect = effect_of(action, None)
    view.remember([target], [replace(effect, body={**(effect.body or {}), "added": contents})])
    stand(there, group, a="20/21")
    await view.read()
    stand(there, group, a="20/21", b="23/30")
    await view.read()
    assert view.ours(target) == ["sgr-a", "sgr-b"]
    view = view_of(there, group)
    view.remember([target], [replace(effect, body={**(effect.body or {}), "added": contents[:1]})])
    await view.read()
    assert view.ours(target) == ["sgr-a"]


async def test_only_two_kinds_of_reading_are_whole(there: Cloud) -> None:
    """A look and a whole reading are held against the group's listing; a plain one is not."""
    group, action, _ = split_of(there)
    view = view_of(there, group)
    view.remember([Removal(action)], [])
    assert (view.is_whole, view.was_seen) == (False, False)
    await view.read()
    assert (view.is_whole, view.was_seen) == (False, False)
    assert there.calls() == {"DescribeSecurityGroupAttribute": 1}
    await view.read_whole()
    assert (view.is_whole, view.was_seen) == (True, False)
    assert there.calls() == {"DescribeSecurityGroupAttribute": 2, "DescribeSecurityGroups": 1}
    await view.read()
    assert not view.is_whole
    await view.look()
    assert (view.is_whole, view.was_seen) == (True, True)
    assert set(view.rules.by_id) == set(rules_of(there, group))


async def test_a_reading_that_failed_is_kept_until_one_succeeds(there: Cloud) -> None:
    """Whichever kind of reading: why the group could not be read the last time."""
    group, action, _ = split_of(there)
    view = view_of(there, group)
    view.remember([Removal(action)], [])
    for reading in (view.read, view.read_whole, view.look):
        there.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribeSecurityGroupAttribute"))
        with pytest.raises(Denied) as caught:
            await reading()
        assert view.unread is caught.value
        there.emulator.set_faults()
        await reading()
        assert view.unread is None


async def test_how_long_a_reading_is_good_for(there: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second for an addition that relies on it, two for the call itself; none before there was a look."""
    group, action, _ = split_of(there)
    view = view_of(there, group)
    view.remember([Removal(action)], [])
    assert (view.is_fresh, view.not_after) == (False, -math.inf)
    loop = asyncio.get_running_loop()
    before = loop.time()
    await view.look()
    after = loop.time()
    assert before <= view.not_after - 2 <= after
    assert view.is_fresh
    for later_seconds, fresh in ((0.99, True), (1.01, False)):
        with monkeypatch.context() as patched:
            patched.setattr(loop, "time", lambda at=view.not_after - 2 + later_seconds: at)
            assert view.is_fresh is fresh
    await view.read()  # no look: it counts no rule
    assert before <= view.not_after - 2 <= after


async def test_an_account_that_is_shut_is_told_apart_before_anything_was_seen(there: Cloud) -> None:
    """Nothing was called then, and nothing is known; later it is a reading like any other that failed."""
    group, action, _ = split_of(there)

    async def refused() -> Around:
        raise Denied(code="NoPermission", message="no", action="AssumeRole")

    view = view_of(there, group, around=refused)
    view.remember([Removal(action)], [])
    with pytest.raises(Shut) as caught:
        await view.look()
    assert (caught.value.error.code, caught.value.error.action) == ("NoPermission", "AssumeRole")
    assert view.unread is None
    assert not there.emulator.calls

    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="AssumeRole"))
    view = view_of(there, group)
    view.remember([Removal(action)], [])
    with pytest.raises(Shut) as caught:
        await view.look()
    assert caught.value.error.action == "AssumeRole"
    assert view.unread is None


async def test_once_it_was_seen_an_account_that_is_shut_is_an_error_of_the_reading(there: Cloud) -> None:
    """What stands around it is not known then; the rules cannot be read, and that is kept."""
    group, action, _ = split_of(there)
    shut: list[CloudError] = []

    async def around() -> Around:
        if shut:
            raise shut[0]
        return Around()

    class Shutting(MortalSession):
        async def before(self, action: str) -> None:  # noqa: ARG002 - whichever it is
            if len(shut) > 1:
                raise shut[1]

    view = view_of(
        there, group, around=around, held=guard(there.account_id), session=Shutting(there.enter(""), Fuse())
    )
    target = Removal(action)
    view.remember([target], [])
    await view.look()
    shut.append(Unavailable(code="Lost", message="gone", action="AssumeRole"))
    await view.look()
    (note,) = view.notes(target)
    assert note.endswith("is not known (AssumeRole: Lost: gone)")
    shut.append(Denied(code="NoPermission", message="no", action="AssumeRole"))
    with pytest.raises(Denied):
        await view.look()
    assert view.unread is shut[1]


async def test_what_may_not_be_changed_any_more_is_no_longer_to_be_done(there: Cloud) -> None:
    """Today's judgement ends what is left to do; what is at its end already stays as it ended."""
    group, action, _ = split_of(there)
    target = Removal(action)
    harmless = guard(there.account_id, checks=())
    view = view_of(there, group, held=harmless)
    view.remember([target], [])
    await view.read()
    assert isinstance(view.judged(target), Need)
    assert [todo.key for todo in view.todos([target])] == ["sgr-1"]
    assert view.ended([target]) == []
    await view.look()
    end = view.judged(target)
    assert isinstance(end, End)
    assert end.reason.startswith("it no longer fails ssh")
    assert view.todos([target]) == []
    assert view.ended([target]) == [target]
    there.put(group_id=group.security_group_id)
    await view.read()
    assert view.judged(target) == End(OutcomeKind.already_absent, "the rule was gone already")


@pytest.mark.parametrize(
    ("kind", "touched", "acquitted"),
    [
        (OutcomeKind.revoked, True, False),
        (OutcomeKind.failed, True, False),
        (OutcomeKind.failed, False, True),
        (OutcomeKind.already_absent, False, True),
        (None, True, False),
        (None, False, True),
    ],
)
async def test_of_rules_that_fail_together_none_is_acquitted_by_another_that_we_closed(
    there: Cloud,
    kind: OutcomeKind | None,
    touched: bool,  # noqa: FBT001 - a case
    acquitted: bool,  # noqa: FBT001 - the same
) -> None:
    """What an earlier delivery may have taken away counts as there; what its owner deleted does not."""
    check = Check(id="ssh", ports=(parse_port("tcp/22"),), ipv4_prefix=8, action="revoke")
    largest, *small = rule(1, source="11.0.0.0/9"), *[rule(n, source=f"{n}.0.0.0/10") for n in range(12, 17)]
    group = there.put(largest, *small)
    actions = {one.rule_id: one for one in planned([group], there.account_id, [check])}
    second = actions.pop("sgr-1")
    first = next(iter(actions.values()))
    beside = next(one for one in small if one.security_group_rule_id != first.rule_id)
    there.put(largest, beside, group_id=group.security_group_id)  # fails with the first, and not without it
    view = view_of(there, group, held=guard(there.account_id, checks=[check]))
    targets = [Removal(first), Removal(second)]
    view.remember(targets, [effect_of(first, kind, touches_rule=touched)])
    await view.look()
    assert isinstance(view.judged(targets[1]), End) is acquitted


async def test_of_what_is_undone_or_was_never_seen_nothing_is_to_be_said(there: Cloud) -> None:
    """What was closed may be open elsewhere; that is said of what was closed alone."""
    group, action, _ = split_of(there)

    async def unknown() -> Around:
        return Around((), "no right")

    view = view_of(there, group, around=unknown, held=guard(there.account_id))
    view.remember([Removal(action)], [])
    assert list(view.notes(Removal(action))) == []
    await view.look()
    assert len(list(view.notes(Removal(action)))) == 1
    assert list(view.notes(Restoral(action))) == []
    view = view_of(there, group, around=unknown)
    view.remember([Removal(action)], [])
    await view.look()
    assert list(view.notes(Removal(action))) == []
