"""What a run did while owners changed their groups, judged from the cloud's own record, in the order of its effects.

The record has every call that was answered and what it changed, ours and the owner's. It is folded over the world as it
was: before and after each change of ours, which packets pass? Which of them had the owner opened or kept meanwhile?
What the owner did is excused to us only where no reading could have shown it: it came after the last reading of what it
touched, and no more than two seconds before our change was sent.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import msgspec

from orchestrator.emulator import InProcess, Moment, Rule
from orchestrator.emulator.framework.call_log import LoggedCall
from orchestrator.exposure import NO_PACKETS, PacketSet, effective, packets_of
from orchestrator.plan import Action
from orchestrator.remediate.reconcile import NO_ANSWER
from orchestrator.securitygroup import Lists, content_digest, parse_rule
from tests.remediate.kit import RISKY, WRITABLE, raw_of

OLDEST_READING_SECONDS = 2.0
_EPSILON = 1e-6
_LISTS = {"prefix list": "pl-1", "port list": "prl-1"}
_WRITES = ("Authorize", "Revoke", "Modify")


class _World(NamedTuple):
    """What there is at one moment. Its parts are values, so a copy is one."""

    rules: Mapping[str, tuple[Rule, ...]]
    lists: Mapping[str, tuple[str, ...]]
    protected: frozenset[str]


class _Touch(NamedTuple):
    """What an owner did: to a group's rules, to a list, or to a group's protection; and where it is in the record."""

    place: int
    time: float
    thing: tuple[str, str]


class _Reading(NamedTuple):
    """An answer that we had, of a group's rules, of a list, of a group's listing; and where it is in the record."""

    place: int
    sent_at: float


@dataclass
class Phase:
    """One command.

    Attributes:
        name: apply, close, rollback.
        first: where it begins in the record.
        last: where it ends, excluded.
        said: what it says of each rule in the end.
        is_refused: it refused to begin, or to go on.
    """

    name: str
    first: int
    judge: Judge
    last: int = 0
    said: list[dict[str, Any]] = field(default_factory=list)
    is_refused: bool = False

    def end(self, said: list[dict[str, Any]]) -> None:
        """Note where it ends, and what it says."""
        self.last = len(self.judge.calls)
        self.said = said


class Judge:
    """Judges one run.

    Attributes:
        counts: of what could not have been seen: what came while our change was on its way ("round trip"), and what
            came after the reading but before it was sent ("reading").
    """

    def __init__(
        self,
        cloud: InProcess,
        account_id: str,
        region_id: str,
        sent: Mapping[int, float],
        *,
        check_age: bool = True,
    ) -> None:
        self.check_age = check_age
        self.calls = cloud.calls
        self.counts: Counter[str] = Counter()
        self._sent = sent
        self._sent_at: dict[int, float] = {}  # by index in the record
        self._answered: set[int] = set()
        self._epoch = cloud.state.clock()
        self._actions: dict[tuple[str, str], Action] = {}
        self._phases: list[Phase] = []
        self._planned_at = 0
        estate = cloud.world.estate(account_id, region_id)
        self._worlds = [
            _World(
                {key: group.rules for key, group in estate.groups.items()},
                {
                    "pl-1": estate.prefix_lists["pl-1"].entries,
                    "prl-1": estate.port_lists["prl-1"].entries,
                },
                frozenset(),
            )
        ]  # one before each entry of the record, one after the last
        self._readings: dict[tuple[str, str], list[_Reading]] = {}
        self._touches: list[_Touch] = []
        self._packets: dict[object, PacketSet] = {}

    # what is noted on the way

    def note(self, moment: Moment) -> None:
        """Take note of an answer that was just computed."""
        if moment.reply is not None:
            index = len(self.calls) - 1
            self._sent_at[index] = self._sent[moment.number]
            if moment.reply.fault is None:
                self._answered.add(index)

    def plan(self, actions: Iterable[Action]) -> None:
        """Take note of what is planned."""
        self._actions.update({(one.security_group_id, one.rule_id): one for one in actions})
        self._planned_at = len(self.calls)

    def begin(self, name: str) -> Phase:
        """Take note that a command begins."""
        phase = Phase(name, len(self.calls), self)
        self._phases.append(phase)
        return phase

    def removed(self) -> list[tuple[str, Rule]]:
        """What was removed until now, by whomever."""
        changes = (change for call in self.calls for change in call.changes if change["what"] == "revoke")
        return [(str(one["security_group_id"]), msgspec.convert(one["rule"], Rule)) for one in changes]

    def added(self) -> set[str]:
        """The ids of the rules that we have added until now."""
        calls = (call for call in self.calls if not _is_owners(call))
        return {str(one["rule_id"]) for call in calls for one in call.changes if one["what"] == "authorize"}

    # the judgement

    def check(self) -> None:
        """Raise where we did what we must not do, or said what is not so."""
        self._fold()
        closed: dict[str, PacketSet] = {}  # by owners, and not opened again by them
        before: dict[
            str, PacketSet
        ] = {}  # what may be opened: what passed when it was planned, what we have closed
        for phase in self._phases:
            base = self._base(phase)
            for index in range(phase.first, phase.last):
                self._step(index, phase, base, before, closed)
            self._check_words(phase)

    def _fold(self) -> None:
        world = self._worlds[0]
        for index, call in enumerate(self.calls):
            for change in call.changes:
                world = _changed(world, change)
            self._worlds.append(world)
            if _is_owners(call):
                self._touches += [_Touch(index, call.time - self._epoch, thing) for thing in _touched(call)]
            elif index in self._answered and call.status == 200:
                for thing in _read(call, world.rules):
                    self._readings.setdefault(thing, []).append(_Reading(index, self._sent_at[index]))

    def _base(self, phase: Phase) -> dict[tuple[str, str], int]:
        """Where the readings are that the plan was made from."""
        phase = (
            next(one for one in self._phases if one.name != "rollback") if phase.name == "rollback" else phase
        )
        until = self._planned_at
        if phase.name == "close":
            entered = (
                index
                for index in range(phase.first, phase.last)
                if "sgsweep-remediate" in self.calls[index].parameters.get("RoleArn", "")
            )
            until = next(entered, phase.last)
        return {
            thing: max((one.place for one in readings if one.place < until), default=-1)
            for thing, readings in self._readings.items()
        }

    def _step(
        self,
        index: int,
        phase: Phase,
        base: Mapping[tuple[str, str], int],
        before: dict[str, PacketSet],
        closed: dict[str, PacketSet],
    ) -> None:
        call, was, now = self.calls[index], self._worlds[index], self._worlds[index + 1]
        if not call.changes:
            return
        groups = {str(one["security_group_id"]) for one in call.changes if "security_group_id" in one}
        if _is_owners(call):
            for group in groups or was.rules:
                gone = self._passing(was, group) - self._passing(now, group)
                come = self._passing(now, group) - self._passing(was, group)
                closed[group] = (closed.get(group, NO_PACKETS) | gone) - come
            return
        for group in groups & was.rules.keys():
            passed, passes = self._passing(was, group), self._passing(now, group)
            change = _Change(self, index, group, phase, base)
            change.check_removed(passed - passes)
            if phase.name == "rollback":
                change.check_opened(passes - passed, before.get(group, NO_PACKETS), NO_PACKETS)
            else:
                at_first = self._passing(self._worlds[base.get(("rules", group), -1) + 1], group)
                change.check_opened(passes - passed, at_first | passed, closed.get(group, NO_PACKETS))
                before[group] = before.get(group, NO_PACKETS) | (passed - passes) | change.undoing()
            change.check_age()

    def _passing(self, world: _World, group: str) -> PacketSet:
        rules = world.rules[group]
        key = (rules, world.lists["pl-1"], world.lists["prl-1"])
        found = self._packets.get(key)
        if found is None:
            lists = _lists(world)
            parsed = [parse_rule(raw_of(one), lists) for one in rules]
            found = self._packets[key] = effective(parsed) & WRITABLE
        return found

    # the words

    def _check_words(self, phase: Phase) -> None:
        ours = list(self._ours(phase))
        for one in phase.said:
            action = self._actions[one["security_group_id"], one["rule_id"]]
            Words(self, phase, action, one, ours).check()

    def _ours(self, phase: Phase) -> Iterator[tuple[int, LoggedCall]]:
        for index in range(phase.first, phase.last):
            call = self.calls[index]
            if not _is_owners(call) and call.action.startswith(_WRITES):
                yield index, call

    def story(self) -> str:
        """What happened since the first command began, for whoever looks into a failure."""
        first = self._phases[0].first if self._phases else 0
        begins = {phase.first: phase.name for phase in self._phases}
        lines = []
        for index in range(first, len(self.calls)):
            if index in begins:
                lines.append(f"--- {begins[index]}")
            lines.append(self._line(index))
        planned = [f"{one.action} {one.rule_id} of {one.security_group_id}" for one in self._actions.values()]
        said = [
            f"{one['rule_id']}: {one['outcome']}: {one['reason']}" for p in self._phases for one in p.said
        ]
        return "\n".join(["planned:", *planned, "record:", *lines, "said:", *said])

    def _line(self, index: int) -> str:
        call = self.calls[index]
        who = "OWNER" if _is_owners(call) else "we"
        told = [f"{one['what']} {one.get('rule_id', '')} {_brief(one)}" for one in call.changes]
        at, sent = call.time - self._epoch, self._sent_at.get(index)
        when = f"{at:9.3f}" + (f" (sent {sent:.3f})" if sent is not None else "")
        return f"{index:4} {when} {who} {call.action} {call.parameters.get('SecurityGroupId', '')} {call.code} {told}"


class _Change:
    """One change of ours."""

    def __init__(
        self, judge: Judge, index: int, group: str, phase: Phase, base: Mapping[tuple[str, str], int]
    ) -> None:
        self._judge = judge
        self._index = index
        self._group = group
        self._phase = phase
        self._base = base
        self._was = judge._worlds[index]
        self._sent_at = judge._sent_at[index]
        self._call = judge.calls[index]

    def check_removed(self, closed: PacketSet) -> None:
        """Nothing that an owner opened or kept meanwhile was closed, and nothing but what is risky."""
        lists = _lists(self._was)
        drops = any(self._is_drop(one) for one in self._call.changes)
        for one in self._was.rules[self._group]:
            touches = self._touches(one) if drops or self._is_gone(one) else []
            if not touches:
                continue  # what stands lets in what it did, but for a new drop
            hit = closed & self._let_in([one], lists)
            is_planned = (self._group, one.security_group_rule_id) in self._judge._actions
            if hit.is_empty and not (is_planned and self._is_gone(one)):
                continue  # it lets in what others let in, too
            self._excuse(
                touches, f"{one.security_group_rule_id} is its owner's by now; closed {hit.describe()}"
            )
        more = closed - RISKY - self._taken_back()
        if self._phase.name != "rollback" and not more.is_empty:
            self._excuse(self._unseen(), f"closed what is not risky: {more.describe()}")

    def check_opened(self, opened: PacketSet, before: PacketSet, closed: PacketSet) -> None:
        """Nothing was opened that was closed before the run, or that an owner closed while it closed."""
        if not (opened - before).is_empty:
            what = "we had not closed" if self._phase.name == "rollback" else "was closed before"
            self._excuse(self._unseen(), f"opened what {what}: {(opened - before).describe()}")
        if not (opened & closed).is_empty:
            self._excuse(self._unseen(), f"opened what its owner had closed: {(opened & closed).describe()}")

    def check_age(self) -> None:
        """What a removal relies on was asked for after our last addition, two seconds before it was sent at most."""
        if not self._call.action.startswith("Revoke") or not self._judge.check_age:
            return
        added = self._added()
        readings = [
            one
            for one in self._judge._readings.get(("rules", self._group), ())
            if max(added, default=-1) < one.place < self._index
        ]
        youngest = max((one.sent_at for one in readings), default=float("-inf"))
        if youngest < self._sent_at - OLDEST_READING_SECONDS - _EPSILON:
            self._fail(f"it relies on a reading that was sent {self._sent_at - youngest:.1f} s before it")

    def _added(self) -> list[int]:
        """When we had added rules to the group, in the record."""
        return [
            index
            for index in range(self._phase.first, self._index)
            if self._judge.calls[index].action.startswith("Authorize")
            and not _is_owners(self._judge.calls[index])
            and any(one.get("security_group_id") == self._group for one in self._judge.calls[index].changes)
        ]

    def undoing(self) -> PacketSet:
        """What undoing it may open: the planned rules that it removed or changed, as they were planned."""
        ids = {one["rule_id"] for one in self._call.changes if one["what"] != "authorize"}
        world = self._judge._worlds[self._base.get(("rules", self._group), -1) + 1]
        rules = [one for one in world.rules[self._group] if one.security_group_rule_id in ids]
        return self._let_in(rules, _lists(world))

    def _taken_back(self) -> PacketSet:
        """What goes with rules that we had added ourselves."""
        added = self._judge.added()
        rules = [one for one in self._was.rules[self._group] if one.security_group_rule_id in added]
        return self._let_in([one for one in rules if self._is_gone(one)], _lists(self._was))

    @staticmethod
    def _let_in(rules: Iterable[Rule], lists: Lists) -> PacketSet:
        found = NO_PACKETS
        for one in rules:
            if one.policy == "Accept":
                found |= packets_of(parse_rule(raw_of(one), lists))
        return found

    @staticmethod
    def _is_drop(change: Mapping[str, Any]) -> bool:
        return change["what"] != "revoke" and str(change["rule"].get("Policy")) == "Drop"

    def _is_gone(self, rule: Rule) -> bool:
        return rule not in self._judge._worlds[self._index + 1].rules[self._group]

    def _touches(self, rule: Rule) -> list[_Touch]:
        """What an owner did to the rule since the plan was made, so that it is not what was planned any more."""
        if rule.security_group_rule_id in self._owned():
            found = [self._last(("rules", self._group))]
        elif rule.security_group_rule_id in self._judge.added():
            return []  # by us, for a change that is not made: it goes, whatever it names, and though it be protected
        else:
            found = []
        for thing in _lists_of(rule):
            planned = self._judge._worlds[self._base.get(thing, -1) + 1]
            if _matched(rule, self._was) != _matched(rule, planned):
                found.append(self._last(thing))
        if self._group in self._was.protected and self._phase.name != "rollback":
            found.append(self._last(("listing", self._group)))
        return found

    def _owned(self) -> set[str]:
        """The rules that an owner changed or added since the plan was made, and that are not as they were again."""
        base = self._base.get(("rules", self._group), -1)
        planned = {
            one.security_group_rule_id: one for one in self._judge._worlds[base + 1].rules[self._group]
        }
        owned: dict[str, bool] = {}
        for call in (self._judge.calls[index] for index in range(base + 1, self._index)):
            for change in call.changes:
                if change.get("security_group_id") == self._group and "rule_id" in change:
                    owned[str(change["rule_id"])] = _is_owners(call)
        now = {one.security_group_rule_id: one for one in self._was.rules[self._group]}
        theirs = {rule_id for rule_id, is_theirs in owned.items() if is_theirs and rule_id in now}
        return {one for one in theirs if one not in planned or not _is_alike(now[one], planned[one])}

    def _last(self, thing: tuple[str, str]) -> _Touch:
        return max(one for one in self._judge._touches if one.thing == thing and one.place < self._index)

    def _unseen(self) -> list[_Touch]:
        """What an owner did to anything that the group's packets depend on, and no reading could have shown."""
        things = {("rules", self._group), *(("list", one) for one in _LISTS.values())}
        found = [one for one in self._judge._touches if one.thing in things and one.place < self._index]
        return [one for one in found if self._is_unseen(one)]

    def _is_unseen(self, touch: _Touch) -> bool:
        """Whether it came when no reading that had to be made could have shown it.

        The listing is read in the same look, before the rules: as long as these waited for their quota, it is older.
        """
        readings = [one for one in self._judge._readings.get(touch.thing, ()) if one.place < self._index]
        was_seen = any(touch.place < reading.place for reading in readings)
        if touch.thing[0] == "listing" and not was_seen:
            return max((one.place for one in readings), default=-1) > max(self._added(), default=-1)
        return not was_seen and touch.time >= self._sent_at - OLDEST_READING_SECONDS - _EPSILON

    def _excuse(self, touches: list[_Touch], what: str) -> None:
        """Fail, unless there is an excuse, and every part of it is one."""
        for one in touches:
            if not self._is_unseen(one):
                self._fail(f"{what}; what the owner did is entry {one.place} of the record")
        if not touches:
            self._fail(what)
        on_the_way = all(one.time >= self._sent_at - _EPSILON for one in touches)
        self._judge.counts["round trip" if on_the_way else "reading"] += 1

    def _fail(self, what: str) -> None:
        raise AssertionError(
            f"{self._phase.name}: entry {self._index}, {self._call.action} of {self._group}: {what}"
        )


_MISSING = "what was to take its place does not stand"


class Words:
    """What is said of one rule in the end, held against the record."""

    def __init__(
        self,
        judge: Judge,
        phase: Phase,
        action: Action,
        said: Mapping[str, Any],
        ours: list[tuple[int, LoggedCall]],
    ) -> None:
        self._phase = phase
        self._action = action
        self._said = said
        group = action.security_group_id
        self._calls = [
            (index, call) for index, call in ours if call.parameters.get("SecurityGroupId") == group
        ]
        wrote = max((index for index, _ in self._calls), default=phase.first)
        read = [one.place for one in judge._readings.get(("rules", group), ()) if one.place < phase.last]
        since = [place for place in read if place > wrote] or read[-1:]
        self._reads = [judge._worlds[place + 1].rules.get(group, ()) for place in since]
        self._end = judge._worlds[phase.last].rules.get(group, ())
        others = [one for key, one in judge._actions.items() if key[0] == group and one is not action]
        self._shared = {content_digest(fields) for one in others for fields in one.adds}
        self._judge = judge

    def check(self) -> None:
        """Raise where it is not so: it is said of one of the readings since our last change, and none shows it."""
        failures = []
        for read in self._reads or [()]:
            try:
                self._check(read)
            except AssertionError as error:
                failures.append(error)
            else:
                return
        raise failures[-1]

    def _check(self, read: tuple[Rule, ...]) -> None:
        self._read = read
        word, reason = str(self._said["outcome"]), str(self._said["reason"])
        is_taken = "somebody else has taken away part" in reason
        removed_by_us = self._removed_by_us()
        stands = any(one.security_group_rule_id == self._action.rule_id for one in self._read)
        match word:
            case "revoked" | "split":
                self._hold(not stands, "the rule stands")
                is_doubted = NO_ANSWER in reason and self._was_named()
                self._hold(removed_by_us or self._may_have() or is_doubted, "none of our calls removed it")
                self._hold(is_taken or self._stand(self._action.adds), _MISSING)
            case "narrowed":
                self._hold(is_taken or self._stand(self._action.adds), _MISSING)
            case "blocked":
                self._hold(self._stand(self._action.adds), "the drop does not stand")
            case "already_absent":
                self._hold(not removed_by_us, "one of our calls removed it")
                self._hold(
                    all(one in reason for one in self._left()), "what was added is left, and not named"
                )
            case "rolled_back":
                is_back = self._stand(self._action.inverse.authorize)
                self._hold(is_back or not self._was_made(), "what was removed does not stand again")
            case "drifted" | "skipped" | "failed":
                unknown = "not known" in reason
                self._hold(
                    self._phase.name == "rollback" or not removed_by_us or unknown, "it was removed by us"
                )
                self._hold(
                    self._phase.name == "rollback" or unknown or all(one in reason for one in self._left()),
                    "what was added is left, and not named",
                )
            case _:
                self._hold(fine=False, what="nobody knows the word")

    def _removed_by_us(self) -> bool:
        return any(
            change["what"] == "revoke" and change["rule_id"] == self._action.rule_id
            for _, call in self._calls
            for change in call.changes
        )

    def _was_made(self) -> bool:
        """Whether the change was told as made before it was undone; of another, what was added goes."""
        name = (self._action.security_group_id, self._action.rule_id)
        told = [
            str(one["outcome"])
            for phase in self._judge._phases
            if phase is not self._phase
            for one in phase.said
            if (one["security_group_id"], one["rule_id"]) == name
        ]
        return bool(set(told) & {"revoked", "split", "narrowed", "blocked"})

    def _was_named(self) -> bool:
        """Whether a call of ours asked for it to be removed, with others perhaps."""
        return any(
            call.action.startswith("Revoke") and self._action.rule_id in call.parameters.values()
            for _, call in self._calls
        )

    def _may_have(self) -> bool:
        """Whether the answer to a call of ours that named it was lost: then nobody can tell who removed it."""
        return any(
            self._action.rule_id in call.parameters.values() and index not in self._judge._answered
            for index, call in self._calls
        )

    def _stand(self, wanted: Iterable[Mapping[str, Any]]) -> bool:
        read = {content_digest(raw_of(one)) for one in self._read}
        return all(content_digest(fields) in read for fields in wanted)

    def _left(self) -> list[str]:
        """What was added for it alone, by us, and still stands."""
        mine = {content_digest(fields) for fields in self._action.adds} - self._shared
        added = {
            str(change["rule_id"])
            for _, call in self._calls
            for change in call.changes
            if change["what"] == "authorize"
        }
        return [
            one.security_group_rule_id
            for one in self._end
            if one.security_group_rule_id in added and content_digest(raw_of(one)) in mine
        ]

    def _hold(self, fine: bool, what: str) -> None:  # noqa: FBT001 - what is held
        if not fine:
            raise AssertionError(
                f"{self._phase.name} says {self._action.rule_id} is {self._said['outcome']} "
                f"({self._said['reason']}), but {what}"
            )


def _is_owners(call: LoggedCall) -> bool:
    return call.caller_arn.endswith(":user/owner") or (not call.caller_arn and bool(call.changes))


def _changed(world: _World, change: Mapping[str, Any]) -> _World:
    what = change["what"]
    if what in _LISTS:
        return world._replace(lists={**world.lists, _LISTS[what]: tuple(change["entries"])})
    group = str(change.get("security_group_id", ""))
    if what == "protect":
        protected = world.protected | {group} if change["protected"] else world.protected - {group}
        return world._replace(protected=protected)
    if what not in {"revoke", "authorize", "modify"}:
        return world
    new = msgspec.convert(change["rule"], Rule)
    rules = [one for one in world.rules[group] if one.security_group_rule_id != new.security_group_rule_id]
    if what != "revoke":
        rules.append(new)
    return world._replace(rules={**world.rules, group: tuple(rules)})


def _touched(call: LoggedCall) -> set[tuple[str, str]]:
    found = set()
    for change in call.changes:
        what = str(change["what"])
        if what in _LISTS:
            found.add(("list", _LISTS[what]))
        else:
            found.add(("listing" if what == "protect" else "rules", str(change["security_group_id"])))
    return found


def _read(call: LoggedCall, groups: Iterable[str]) -> Iterator[tuple[str, str]]:
    asked = call.parameters
    match call.action:
        case "DescribeSecurityGroupAttribute":
            yield "rules", asked["SecurityGroupId"]
        case "DescribeSecurityGroups":
            for group in groups:
                if group in asked.get("SecurityGroupIds", group):
                    yield "listing", group
        case "DescribePrefixListAttributes":
            yield "list", asked["PrefixListId"]
        case "DescribePortRangeListEntries":
            yield "list", asked["PortRangeListId"]


def _is_alike(one: Rule, other: Rule) -> bool:
    return content_digest(raw_of(one)) == content_digest(raw_of(other))


def _lists_of(rule: Rule) -> Iterator[tuple[str, str]]:
    if rule.source_prefix_list_id:
        yield "list", rule.source_prefix_list_id
    if rule.port_range_list_id:
        yield "list", rule.port_range_list_id


def _lists(world: _World) -> Lists:
    return Lists({"pl-1": world.lists["pl-1"]}, {"prl-1": world.lists["prl-1"]})


def _matched(rule: Rule, world: _World) -> PacketSet:
    return packets_of(parse_rule(raw_of(rule), _lists(world)))


def _brief(change: Mapping[str, Any]) -> str:
    rule = change.get("rule")
    if not isinstance(rule, dict):
        return str({key: value for key, value in change.items() if key != "what"})
    shown = (
        "Policy",
        "IpProtocol",
        "PortRange",
        "PortRangeListId",
        "SourceCidrIp",
        "SourcePrefixListId",
        "Priority",
    )
    return " ".join(str(rule[key]) for key in shown if rule.get(key))
