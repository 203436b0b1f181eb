"""What the changes of a run have left: which of them stand, and which findings they closed."""

from __future__ import annotations

from collections.abc import Iterable

from orchestrator.journal.values import Effect, Outcome, OutcomeKind
from orchestrator.plan import Place
from orchestrator.policy import Finding
from orchestrator.securitygroup import content_digest

RuleKey = tuple[str, str, str, str]
"""Account, region, security group and rule: what a finding and a change have in common."""


def rule_key(one: Finding | Effect | Outcome) -> RuleKey:
    """Return what names the rule in its organization."""
    return one.account_id, one.region_id, one.security_group_id, one.rule_id


class RuleEffects:
    """How the rules of a run were changed, as their findings see it.

    A change that a rollback was begun on closes nothing, however the rollback ended; nor does one that a later
    pass has read the account after: what it found there stands open, whatever was closed before.
    """

    def __init__(self, effects: Iterable[Effect]) -> None:
        self._last: dict[RuleKey, OutcomeKind] = {}
        self._closed: dict[RuleKey, dict[str, frozenset[str] | None]] = {}  # by job, without the bodies
        # what was written in a rule's place, by content: of which rule, and what that said
        self._pieces: dict[Place, dict[str, tuple[str, str]]] = {}
        undone: list[tuple[RuleKey, str]] = []
        for effect in effects:
            key = rule_key(effect)
            if effect.outcome is not None:
                self._last[key] = effect.outcome.outcome
            if effect.undoes:
                undone.append((key, effect.undoes))
                continue
            self._note_pieces(effect)
            if effect.is_read_since:
                continue
            checks = None if effect.closes_rule else effect.closes_checks
            if checks is None or checks:
                self._closed.setdefault(key, {})[effect.job] = checks
        for key, job in undone:
            self._closed.get(key, {}).pop(job, None)

    def _note_pieces(self, effect: Effect) -> None:
        action = effect.action
        if action is not None and action.revokes:
            origin = effect.rule_id, content_digest(action.before)
            for fields in action.inverse.revoke:
                self._pieces.setdefault(effect.place, {})[content_digest(fields)] = origin

    def __bool__(self) -> bool:
        return bool(self._last)

    def outcome(self, finding: Finding) -> OutcomeKind | None:
        """Return what the last change of the finding's rule came to, or None for none."""
        return self._last.get(rule_key(finding))

    def has_closed(self, finding: Finding) -> bool:
        """Tell whether the finding is closed by a change."""
        by_job = self._closed.get(rule_key(finding), {})
        return any(checks is None or finding.check_id in checks for checks in by_job.values())

    def origin(self, finding: Finding) -> RuleKey:
        """Return the rule that the finding is about; of a piece that a change wrote, the rule that it is a piece of.

        One rule is one door, before it was split and after, and after a piece of it was split again.
        """
        place = Place(finding.account_id, finding.region_id, finding.security_group_id)
        rule_id = finding.rule_id
        if pieces := dict(self._pieces.get(place, {})):
            content = content_digest(finding.rule)
            while found := pieces.pop(
                content, None
            ):  # each once: a piece may be what another rule said before
                rule_id, content = found
        return (*place, rule_id)
