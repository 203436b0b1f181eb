"""What a group's rules should be, and how far they are from it: pure, decided anew from every reading."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, Protocol, Union

import msgspec

from orchestrator.exposure import packets_of
from orchestrator.journal import STANDS_AGAIN, OutcomeKind
from orchestrator.plan import Action, Fields
from orchestrator.securitygroup import content_digest, parse_rule

_CHANGED = "the rule changed since the plan was made: scan and plan anew"


class GroupRules:
    """A group's rules as just read, by id and by content."""

    def __init__(self, permissions: Iterable[Mapping[str, Any]]) -> None:
        self.by_id: dict[str, Fields] = {}
        self._by_content: defaultdict[str, list[str]] = defaultdict(list)
        for raw in permissions:
            rule_id = str(raw.get("SecurityGroupRuleId", ""))
            self.by_id[rule_id] = dict(raw)
            self._by_content[content_digest(raw)].append(rule_id)

    def like(self, fields: Mapping[str, object]) -> list[str]:
        """Return the ids of the rules that mean the same as these fields."""
        return self.of_content(content_digest(fields))

    def of_content(self, digest: str) -> list[str]:
        """Return the ids of the rules with this content digest."""
        return self._by_content.get(digest, [])

    def missing(self, wanted: Iterable[Fields]) -> tuple[Fields, ...]:
        """Return those of the wanted rules that do not stand."""
        return tuple(fields for fields in wanted if not self.like(fields))


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What is left to do; in this order.

    Attributes:
        add: rules to authorize.
        modify: fields to give to the rule.
        remove: ids of rules to revoke, once all of `add` stand.
    """

    add: tuple[Fields, ...] = ()
    modify: Fields | None = None
    remove: tuple[str, ...] = ()


class End(msgspec.Struct, frozen=True):
    """Nothing is left to do: how it ended, and why."""

    outcome: OutcomeKind
    reason: str = ""


NeedOrEnd = Union[Need, End]  # noqa: UP007 - an alias evaluated at run time, on 3.10 too


class Target(Protocol):
    """A state to reach for one rule of a plan."""

    @property
    def action(self) -> Action:
        """The plan's action it comes from."""
        ...

    @property
    def adds(self) -> tuple[Fields, ...]:
        """The rules that have to stand in the end."""
        ...

    @property
    def modifies(self) -> bool:
        """Whether ModifySecurityGroupRule is called."""
        ...

    @property
    def removes(self) -> bool:
        """Whether rules are revoked."""
        ...

    def judge(self, rules: GroupRules, *, begun: bool, touched: bool) -> NeedOrEnd:
        """Return what is left to do, or how it ended.

        Args:
            rules: the group's rules now.
            begun: an intent stands, so what is there already may be our own doing.
            touched: the rule itself may have been taken away or modified by us. All that was to be added stood then:
                what of it is missing, somebody else took away, and it is not added again.
        """
        ...

    def body(self, rules: GroupRules | None) -> dict[str, Any]:
        """Return what is kept of the change, to go on after a crash and to undo it later.

        Args:
            rules: the group's rules before anything is done; None if nothing was.
        """
        ...


class Removal(msgspec.Struct, frozen=True):
    """A planned change: the rule's risky part closed, nothing else."""

    action: Action

    @property
    def adds(self) -> tuple[Fields, ...]:
        """The plan's additions."""
        return self.action.adds

    @property
    def modifies(self) -> bool:
        """A narrowing that keeps the rule's id."""
        return self.action.modify is not None

    @property
    def removes(self) -> bool:
        """All but a block and a modification."""
        return self.action.revokes

    @property
    def only_removes(self) -> bool:
        """Whether nothing stands in the rule's place."""
        return self.removes and not self.adds

    def judge(self, rules: GroupRules, *, begun: bool, touched: bool) -> NeedOrEnd:
        """Return what is left to close, or how it ended."""
        action = self.action
        now = rules.by_id.get(action.rule_id)
        if action.is_balancers:
            missing = rules.missing(action.adds)
            return Need(add=missing) if missing else self._reached(begun=begun)
        if now is None:
            return self._gone(rules, touched=touched)
        if action.modify is not None:
            return self._modified(rules, now, touched=touched)
        if content_digest(now) != content_digest(action.before):
            return End(OutcomeKind.drifted, _CHANGED)
        missing = rules.missing(action.adds)
        if action.revokes:
            return Need(add=missing, remove=(action.rule_id,))
        return Need(add=missing) if missing else self._reached(begun=begun)

    def _gone(self, rules: GroupRules, *, touched: bool) -> End:
        if touched and self.removes:
            return self._closed(rules)
        if same := rules.like(self.action.before):
            return End(OutcomeKind.already_absent, f"{STANDS_AGAIN}{same[0]}: scan and plan anew")
        return End(OutcomeKind.already_absent, "the rule was gone already")

    def _modified(self, rules: GroupRules, now: Fields, *, touched: bool) -> NeedOrEnd:
        """Return what is left of a narrowing: the further blocks of its allow-list, then the rule itself."""
        action = self.action
        found, missing = content_digest(now), rules.missing(action.adds)
        if found == content_digest(action.before):
            return Need(add=missing, modify=action.modify)
        if found == content_digest({**action.before, **(action.modify or {})}):
            if touched:
                return self._closed(rules)
            if not missing:
                return self._reached(begun=False)
        return End(OutcomeKind.drifted, _CHANGED)

    def _closed(self, rules: GroupRules) -> End:
        """What was ours to close is closed."""
        return End(
            OutcomeKind.of(self.action.action),
            "somebody else has taken away part of what stood in its place"
            if rules.missing(self.action.adds)
            else "",
        )

    def _reached(self, *, begun: bool) -> End:
        if begun:
            return End(OutcomeKind.of(self.action.action))
        return End(OutcomeKind.already_absent, "the group was as planned already")

    def body(self, rules: GroupRules | None) -> dict[str, Any]:
        """Return the action, and which of its rules are not there yet: only those are ours to remove later."""
        added = [content_digest(fields) for fields in rules.missing(self.action.adds)] if rules else []
        return {"action": msgspec.to_builtins(self.action), "added": added}


class Restoral(msgspec.Struct, frozen=True):
    """A change to be undone: the rule as it was, and what was added for it gone.

    Attributes:
        action: what was done.
        ours: the rules that were added for it and that nothing else needs.
        of: the job that did it.
    """

    action: Action
    ours: tuple[Fields, ...] = ()
    of: str = ""

    @property
    def adds(self) -> tuple[Fields, ...]:
        """The rule, if it was removed."""
        return self.action.inverse.authorize

    @property
    def modifies(self) -> bool:
        """It was modified."""
        return self.action.inverse.modify is not None

    @property
    def removes(self) -> bool:
        """Something was added."""
        return bool(self.ours)

    def judge(self, rules: GroupRules, *, begun: bool, touched: bool) -> NeedOrEnd:  # noqa: ARG002 - a target's signature
        """Return what is left to undo, or how it ended. What somebody else changed is left alone."""
        if self.modifies:
            return self._modified(rules)
        missing = rules.missing(self.adds)
        standing = tuple(rule_id for fields in self.ours for rule_id in rules.like(fields))
        if not missing and not standing:
            if not self.adds and not begun:
                return End(OutcomeKind.already_absent, "nothing of the change is left to undo")
            return self._reached(rules)
        if missing and len(standing) < len(self.ours) and not begun:
            return End(OutcomeKind.drifted, "what the change had added is no longer as it was left")
        return Need(add=missing, remove=standing)

    def _modified(self, rules: GroupRules) -> NeedOrEnd:
        action = self.action
        now = rules.by_id.get(action.rule_id)
        if now is None:
            return End(OutcomeKind.drifted, "the rule is gone")
        standing = tuple(rule_id for fields in self.ours for rule_id in rules.like(fields))
        if content_digest(now) == content_digest(action.before):
            return Need(remove=standing) if standing else self._reached(rules)
        if content_digest(now) == content_digest({**action.before, **(action.modify or {})}):
            return Need(modify=action.inverse.modify, remove=standing)
        return End(OutcomeKind.drifted, "the rule changed since")

    def _reached(self, rules: GroupRules) -> End:
        """Prove by the packets, not by the spelling, that what was there is there again."""
        before = packets_of(parse_rule(self.action.before))
        for fields in self.adds:
            for rule_id in rules.like(fields)[:1]:
                if packets_of(parse_rule(rules.by_id[rule_id])) != before:
                    return End(
                        OutcomeKind.failed, f"{rule_id} does not let the same packets through as before"
                    )
        if self.adds and str(self.action.before.get("Priority")) == "110":
            return End(OutcomeKind.rolled_back, "priority 110 can no longer be written; 100 was")
        return End(OutcomeKind.rolled_back)

    def body(self, rules: GroupRules | None) -> dict[str, Any]:  # noqa: ARG002 - a target's signature
        """Return what is undone."""
        return {"action": msgspec.to_builtins(self.action), "undoes": self.of}
