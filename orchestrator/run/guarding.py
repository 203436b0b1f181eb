"""What keeps a plan to what was judged: protections, the proof from what the scan kept, and today's judgement."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from accounts import Account
from orchestrator.config import Config
from orchestrator.exposure import listener_rules
from orchestrator.journal import Journal, Reader
from orchestrator.plan import Action, Place, protection, prove
from orchestrator.remediate import Guard, Settings
from orchestrator.run.criteria import criteria_of
from orchestrator.run.hub import placement
from orchestrator.run.planning import judge_of
from orchestrator.run.refusals import RefusedError
from orchestrator.run.scanning import now
from orchestrator.securitygroup import NOT_BALANCED, Balancing


def refuse_protected(actions: Iterable[Action], settings: Settings, reader: Reader) -> None:
    """Refuse changes of what is protected by now, though it was not when the plan was made.

    Raises:
        RefusedError: names the first such group, or one that the run does not know.
    """
    for place in dict.fromkeys(action.place for action in actions):
        where = f"group {place.security_group_id} in {place.region_id} of account {place.account_id}"
        seen = reader.observed_group(*place)
        if seen is None:
            raise RefusedError(
                f"the run did not keep {where}: nobody knows whether it is protected. Scan anew"
            )
        if why := protection(seen.group(), settings):
            raise RefusedError(
                f"{where}: {why}. Make the plan again, or change it all the same with "
                f"--change-protected {place.security_group_id}"
            )


def refuse_unjustified(actions: Iterable[Action], settings: Settings, reader: Reader) -> None:
    """Refuse a plan that would do more than close what its own scan found: it was not made by `plan`, or was edited.

    Raises:
        RefusedError: names the first such rule, and what its change would do.
    """
    criteria = criteria_of(reader.header)
    judge = judge_of(criteria, datetime.fromisoformat(reader.header.created_at))
    by_place: dict[Place, list[Action]] = {}
    for action in actions:
        by_place.setdefault(action.place, []).append(action)
    for place, mine in by_place.items():
        seen = reader.observed_group(*place)
        if seen is None:
            continue  # refused before
        group = seen.group()
        there = {rule.rule_id for rule in (*group.rules, *listener_rules(group))}
        proved = prove(group, mine, judge, settings)
        for action in mine:
            why = proved.refused.get(action.rule_id)
            if why is not None or action.rule_id not in there:
                reason = why.reason if why else "the scan did not see such a rule"
                raise RefusedError(
                    f"rule {action.rule_id} of group {place.security_group_id} in {place.region_id} of account "
                    f"{place.account_id}: what the plan would do is not what closes its findings: {reason}. Make the "
                    "plan again with `sgsweep plan`"
                )


def guard_of(journal: Journal, config: Config, account: Account) -> Guard:
    """Return what the changes of an account are held against: the scan's checks, and the exemptions of today."""

    def balancing(place: Place) -> Balancing:
        seen = journal.observed_group(*place)
        return NOT_BALANCED if seen is None else seen.balancing

    return Guard(
        checks=criteria_of(journal.header).checks,
        now=now,
        exemptions=config.exemptions,
        placement=placement(account),
        balancing=balancing,
    )
