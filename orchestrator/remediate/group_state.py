"""What is known of one group while it is changed: how it was last read, what was begun, and what is left to do."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Sequence
from typing import NamedTuple

from msgspec.structs import replace

from orchestrator.cloud.errors import CloudError
from orchestrator.inventory import Observation, RegionReader
from orchestrator.journal import Effect, Intent, OutcomeKind
from orchestrator.plan import Action, Fields, Place, Settings
from orchestrator.remediate.desired_state import End, GroupRules, Need, NeedOrEnd, Removal, Target
from orchestrator.remediate.guard import Guard, GuardResult, hold, left_open
from orchestrator.remediate.neighbours import NOTHING_AROUND, Around
from orchestrator.remediate.records import key_of
from orchestrator.securitygroup import content_digest, parse_rule

MAX_AGE_SECONDS = 2.0  # of the reading that a call relies on, when its first byte leaves
_FRESH_SECONDS = MAX_AGE_SECONDS / 2  # younger, an addition relies on the reading there is


class Shut(Exception):  # noqa: N818 - named by what is the case; it never leaves the room
    """The account cannot be entered, and nothing was called."""

    def __init__(self, error: CloudError) -> None:
        super().__init__()
        self.error = error


class Todo(NamedTuple):
    """A target, and what is left to do for it."""

    target: Target
    need: Need

    @property
    def key(self) -> str:
        """What names the change within its group."""
        return key_of(self.target)

    @property
    def direction(self) -> str:
        """Of the rule: which of the API's pairs of actions is meant."""
        return self.target.action.direction


class GroupView:
    """One group, as it is looked at again and again.

    Attributes:
        targets: of the group, those that had not ended before.
        rules: as last read.
        begun: keys of changes of which an intent was written, now or in an earlier delivery.
        intended: keys of those whose intent stands without an outcome.
        touched: keys of those of which a call that takes the rule away or modifies it may have been carried out.
        added: by key, the contents that the change was intended to add.
        unread: why the group could not be read the last time; None if it could.
    """

    def __init__(
        self,
        reader: RegionReader,
        place: Place,
        settings: Settings,
        guard: Guard | None,
        find_around: Callable[[], Awaitable[Around]],
    ) -> None:
        self._reader = reader
        self._group_id = place.security_group_id
        self._settings = settings
        self._guard = guard
        self._find_around = find_around
        self._around = NOTHING_AROUND
        self._seen: Observation | None = None
        self._held = GuardResult()
        self._held_as: object = None  # what that was found of
        self._made: tuple[Action, ...] = ()  # by earlier deliveries
        self._expected: Sequence[Fields] = ()  # rules of which the group will have some
        self._sent_at = -math.inf  # when the last look was asked for, by the loop's clock
        self.targets: tuple[Target, ...] = ()
        self.rules = GroupRules(())
        self.is_whole = False
        self.begun: set[str] = set()
        self.intended: set[str] = set()
        self.touched: set[str] = set()
        self.added: dict[str, frozenset[str]] = {}
        self._sent: list[frozenset[str]] = []  # contents that were asked for together, and do not show yet
        self._added_ids: dict[str, frozenset[str]] = {}  # by content, the rules that came of it
        self.unread: CloudError | None = None

    def remember(self, targets: Sequence[Target], effects: Iterable[Effect]) -> None:
        """Take over what earlier deliveries have left."""
        known = {effect.key: effect for effect in effects}
        self.begun = {key for key, effect in known.items() if effect.intended}
        self.intended = {key for key in self.begun if known[key].outcome is None}
        self.touched = {key for key in self.begun if known[key].touches_rule}
        self.added = {key: frozenset((known[key].body or {}).get("added", ())) for key in self.begun}
        self._sent = [frozenset([digest]) for digest in frozenset[str]().union(*self.added.values())]
        self.targets = tuple([one for one in targets if not _has_ended(known.get(key_of(one)))])
        to_come = [fields for one in self.targets for fields in (*one.adds, one.action.modify or {})]
        self._expected = (*to_come, *[one.action.before for one in self.targets])
        left = {key_of(one) for one in self.targets}
        self._made = tuple(
            [one.action for one in targets if key_of(one) in self.touched and key_of(one) not in left]
        )

    def intend(self, intents: Iterable[Intent]) -> None:
        """Note what was written down. An earlier delivery's intent stands: what it was to add is ours, too."""
        for intent in intents:
            before = self.added.get(intent.key, frozenset())
            self.added[intent.key] = before | frozenset(intent.body.get("added", ()))
            self.intended.add(intent.key)
            self.begun.add(intent.key)
            if intent.touches_rule:
                self.touched.add(intent.key)

    def sent(self, digests: Iterable[str]) -> None:
        """Note that the cloud is asked to add rules of these contents, in one call."""
        together = frozenset(digests)
        self._sent = [*[left for one in self._sent if (left := one - together)], together]
        for digest in together:
            self._added_ids.pop(digest, None)

    def ours(self, target: Target) -> list[str]:
        """Return the ids of the rules that stand because they were added for this change, by the last reading.

        One of the same content that stood before, or that came after ours had gone, is somebody else's.
        """
        added = self.added.get(key_of(target), frozenset())
        contents = [digest for fields in target.adds if (digest := content_digest(fields)) in added]
        return [
            rule_id
            for digest in contents
            for rule_id in self.rules.of_content(digest)
            if rule_id in self._added_ids.get(digest, ())
        ]

    def ours_alone(self, target: Target, kept: Container[str]) -> list[str]:
        """Return those of `ours` that a change which removes its rule has added for itself alone.

        Args:
            target: the change.
            kept: contents that other changes need.
        """
        if not isinstance(target, Removal):
            return []
        return [one for one in self.ours(target) if content_digest(self.rules.by_id[one]) not in kept]

    def _show(self, rules: GroupRules, *, whole: bool) -> None:
        """Take over what was just read.

        Where one rule of a call shows, they all do: what is missing then was taken away, and what of it comes later is
        not ours.
        """
        self.unread, self.rules, self.is_whole = None, rules, whole
        for together in [one for one in self._sent if any(map(rules.of_content, one))]:
            self._sent.remove(together)
            self._added_ids |= {digest: frozenset(rules.of_content(digest)) for digest in together}

    @property
    def was_seen(self) -> bool:
        """Whether the group was ever read in full."""
        return self._seen is not None

    @property
    def is_fresh(self) -> bool:
        """Whether the last look is young enough for a call that will be made soon."""
        return asyncio.get_running_loop().time() - self._sent_at <= _FRESH_SECONDS

    @property
    def not_after(self) -> float:
        """The last moment, by the loop's clock, at which a call that relies on the last look may be sent."""
        return self._sent_at + MAX_AGE_SECONDS

    async def look_around(self) -> None:
        """Read what else stands on the group's interfaces, if that was not done within the last minute.

        Raises:
            Shut: the account cannot be entered, and nothing was called.
        """
        try:
            self._around = await self._find_around()
        except CloudError as error:
            if not self.was_seen:
                raise Shut(error) from None
            self._around = Around((), str(error))

    async def look(self) -> None:
        """Read the whole group, listing and lists too, and hold what is planned against it and what stands around it.

        Raises:
            CloudError: it could not be read, or not in full.
            Shut: the account cannot be entered, and nothing was called.
        """
        await self.look_around()
        asked_at = asyncio.get_running_loop().time()
        try:
            last = self._seen.permissions if self._seen else ()
            seen = await self._reader.look(self._group_id, [*self._expected, *last])
            seen = await self._reader.with_lists(seen, self._expected)
        except CloudError as error:
            if error.action == "AssumeRole" and not self.was_seen:
                raise Shut(error) from None
            self.unread = error
            raise
        self._sent_at = max(
            asked_at, seen.sent_at_seconds
        )  # long ago: it counts no rule, and none were asked for
        self._seen = seen
        self._show(GroupRules(seen.permissions), whole=True)
        ours = frozenset[str]().union(*self.added.values())
        # Holding a group of many rules takes time, and the reading grows old: what looks as it did is held already.
        held_as = (replace(seen, sent_at_seconds=0.0), self._around, frozenset(self.touched), ours)
        if held_as != self._held_as:
            self._held_as = held_as
            self._held = hold(
                self._guard,
                seen.group,
                self.targets,
                self._settings,
                self._around,
                touched=[*self._made, *[one.action for one in self.targets if key_of(one) in self.touched]],
                ours=ours,
            )

    async def read(self) -> None:
        """Read the rules again, in one call a page."""
        await self._read(whole=False)

    async def read_whole(self) -> None:
        """Read the rules again, as many as the listing counts: a reading that was cut would lie about an end."""
        await self._read(whole=True)

    async def _read(self, *, whole: bool) -> None:
        try:
            asked = self._reader.whole_rules if whole else self._reader.rules
            found = await asked(self._group_id)
        except CloudError as error:
            self.unread = error
            raise
        self._show(GroupRules(found.permissions), whole=whole)

    def judged(self, target: Target) -> NeedOrEnd:
        """Return what is left to do for a target, or how it ended, by the last reading."""
        key = key_of(target)
        verdict = target.judge(self.rules, begun=key in self.begun, touched=key in self.touched)
        return self._held.ends.get(key, verdict) if isinstance(verdict, Need) else verdict

    def todos(self, targets: Iterable[Target]) -> list[Todo]:
        """Return what is left to do."""
        verdicts = [(target, self.judged(target)) for target in targets]
        return [Todo(target, verdict) for target, verdict in verdicts if isinstance(verdict, Need)]

    def ended(self, targets: Iterable[Target]) -> list[Target]:
        """Return those for which nothing is left to do."""
        return [target for target in targets if isinstance(self.judged(target), End)]

    def notes(self, target: Target) -> Iterator[str]:
        """Yield what must be said of a change that was made: what it closed may be open elsewhere."""
        if self._seen is None or not isinstance(target, Removal):
            return
        group = self._seen.group
        rules = tuple(
            [parse_rule(raw, self._seen.lists, classic=group.classic) for raw in self.rules.by_id.values()]
        )
        failing = self._held.failing.get(key_of(target), ())
        if self._guard is not None:
            yield from left_open(self._guard, replace(group, rules=rules), failing, self._around)


def _has_ended(effect: Effect | None) -> bool:
    """Tell whether nothing is left to try; what failed is tried again by the next delivery."""
    return (
        effect is not None and effect.outcome is not None and effect.outcome.outcome is not OutcomeKind.failed
    )
