"""Bound to what was judged: the reading's age, the lists, the protections, and what else stands on an interface."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from msgspec.structs import replace

from orchestrator.emulator import Fault, Kind
from orchestrator.emulator.world.model import Interface, PrefixList, Tag
from orchestrator.journal import Journal, Outcome
from orchestrator.plan import Action
from orchestrator.policy import Exemption
from orchestrator.remediate import Brake, Settings, remediate_account, roll_back_account, rollback_job, undos
from orchestrator.securitygroup import Lists
from tests.remediate.crash import Fuse, MortalSession, MortalTurn
from tests.remediate.kit import (
    CHECKS,
    HASTE,
    NOW,
    REGION,
    Cloud,
    apply,
    guard,
    order,
    planned,
    rule,
    rules_of,
    words,
)

BY_CONTENT = replace(HASTE, revoke_by="content")


class Owner(MortalSession):
    """A session beside which somebody else acts: `deeds` come right before the first calls of an action, one each."""

    def __init__(self, there: Cloud, policy: str, action: str, *deeds: Any) -> None:
        super().__init__(there.enter(policy), Fuse())
        self._action = action
        self._deeds = list(deeds)
        self.hurried: list[bool] = []

    @asynccontextmanager
    async def turn(
        self, action: str, region_id: str | None, *, hurried: bool = False
    ) -> AsyncIterator[MortalTurn]:
        """Note which turns are hurried."""
        self.hurried.append(hurried)
        async with super().turn(action, region_id, hurried=hurried) as turn:
            yield turn

    async def before(self, action: str) -> None:
        """Do the next deed, late in the turn: the group was read, and the call is about to leave."""
        if action == self._action and self._deeds and (deed := self._deeds.pop(0)) is not None:
            found = deed()
            if found is not None:
                await found


async def beside(
    there: Cloud,
    journal: Journal,
    actions: list[Action],
    action: str,
    *deeds: Any,
    settings: Settings = HASTE,
    **fields: Any,
) -> list[Outcome]:
    """Carry out the actions beside an owner."""
    owner = Owner(there, "", action, *deeds)
    held = guard(there.account_id, CHECKS, **fields)
    ended = await remediate_account(lambda _: owner, journal, actions, order(), Brake(), held, settings)
    assert ended is not None
    return ended


def too_long() -> Any:
    """Wait longer than a reading may be old, in the turn."""
    return asyncio.sleep(0.15)


@pytest.fixture
def short_lived(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading is good for a tenth of a second."""
    monkeypatch.setattr("orchestrator.remediate.group_state.MAX_AGE_SECONDS", 0.1)


@pytest.mark.usefixtures("short_lived")
async def test_a_reading_that_grew_too_old_is_made_again(there: Cloud, journal: Journal) -> None:
    """Two turns were too late: nothing was sent in them; the third sends what its own reading shows."""
    actions = planned([there.put(rule(1))], there.account_id)
    ended = await beside(there, journal, actions, "RevokeSecurityGroup", too_long, too_long)
    assert words(ended) == {"sgr-1": "revoked"}
    assert there.calls()["RevokeSecurityGroup"] == 1
    assert there.calls()["DescribeSecurityGroupAttribute"] == 4


@pytest.mark.usefixtures("short_lived")
async def test_a_turn_is_hurried_once_one_was_too_late(there: Cloud, journal: Journal) -> None:
    """Its readings go ahead of their quota then, for waiting for that is what may have taken too long."""
    actions = planned([there.put(rule(1, "20/30"))], there.account_id)
    owner = Owner(there, "", "RevokeSecurityGroup", too_long, too_long)
    ended = await remediate_account(
        lambda _: owner, journal, actions, order(), Brake(), guard(there.account_id), HASTE
    )
    assert words(ended) == {"sgr-1": "split"}
    assert owner.hurried == [False, False, True, True]  # to add; to revoke, three times


@pytest.mark.usefixtures("short_lived")
async def test_what_is_always_too_late_fails_and_takes_its_additions_back(
    there: Cloud, journal: Journal
) -> None:
    """After five turns it is failed, with the reason; nothing is left half done."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    late = [too_long] * 5
    (outcome,) = await beside(there, journal, actions, "RevokeSecurityGroup", *late)
    assert (outcome.outcome, outcome.request_id) == ("failed", "")
    assert outcome.reason == (
        f"RevokeSecurityGroup {there.account_id} {REGION}: ReadingTooOld: 5 times the call could not be sent "
        "within 2 s of reading the group: the cloud, its quota or this machine is too slow. Nothing was changed on an "
        "old reading; the same command tries again"
    )
    assert rules_of(there, group) == {"sgr-1": group.rules[0]}


@pytest.mark.usefixtures("short_lived")
async def test_a_rule_repaired_while_the_process_stood_still_is_left_alone(
    there: Cloud, journal: Journal
) -> None:
    """Between the reading and the call the owner repairs the rule: the call is too late, and the next look sees it."""
    group = there.put(rule(1, "20/30"))
    actions = planned([group], there.account_id)
    repaired = rule(1, "20/30", source="203.0.113.0/24")

    async def repair() -> None:
        others = [one for key, one in rules_of(there, group).items() if key != "sgr-1"]
        there.put(repaired, *others, group_id=group.security_group_id)
        await asyncio.sleep(0.15)

    ended = await beside(there, journal, actions, "RevokeSecurityGroup", repair)
    assert words(ended) == {"sgr-1": "drifted"}
    assert rules_of(there, group) == {"sgr-1": repaired}


async def test_revoking_by_content_spares_a_rule_repaired_in_the_last_moment(
    there: Cloud, journal: Journal
) -> None:
    """By id the repaired rule goes: that is the window of one round trip. By content it cannot match, and stays."""
    repaired = rule(1, "22/22", source="203.0.113.0/24")
    for settings, left in ((BY_CONTENT, {"sgr-1": repaired}), (HASTE, {})):
        group = there.put(rule(1))
        actions = planned([group], there.account_id)

        def repair(group_id: str = group.security_group_id) -> None:
            there.put(repaired, group_id=group_id)

        held = order(f"apply:{settings.revoke_by}")
        owner = Owner(there, "", "RevokeSecurityGroup", repair)
        ended = await remediate_account(
            lambda _, owner=owner: owner,  # type: ignore[misc]  # bound
            journal,
            actions,
            held,
            Brake(),
            guard(there.account_id),
            settings,
        )
        assert rules_of(there, group) == left
        assert words(ended) == {"sgr-1": "drifted" if left else "revoked"}


async def test_content_closes_what_the_id_does(there: Cloud, journal: Journal) -> None:
    """A batch of rules with descriptions, IPv6, another direction of priority; and one of priority 110, by its id."""
    group = there.put(
        rule(1, description="by hand"),
        rule(2, "6379/6379", "::/0", priority=7),
        rule(3, "20/30", ip_protocol="TCP"),
        rule(4, "22/22", "0.0.0.0/0", priority=110),
    )
    actions = planned([group], there.account_id)
    ended = await beside(there, journal, actions, "nothing", settings=BY_CONTENT)
    assert set(words(ended).values()) == {"revoked", "split"}
    assert not {"sgr-1", "sgr-2", "sgr-3", "sgr-4"} & rules_of(there, group).keys()


async def test_a_prefix_list_repaired_after_the_plan_is_drift(there: Cloud, journal: Journal) -> None:
    """The rule looks as it did; what it opens does not."""
    estate = there.emulator.world.estate(there.account_id, REGION)
    estate.prefix_lists["pl-1"] = PrefixList(prefix_list_id="pl-1", name="all", entries=("0.0.0.0/0",))
    listed = rule(1, "22/22", source="", source_cidr_ip="", source_prefix_list_id="pl-1")
    group = there.put(listed)
    actions = planned([group], there.account_id, lists=Lists({"pl-1": ("0.0.0.0/0",)}))
    assert [one.lists for one in actions] == [{"pl-1": ("0.0.0.0/0",)}]
    estate.prefix_lists["pl-1"] = PrefixList(prefix_list_id="pl-1", name="all", entries=("203.0.113.0/24",))
    (outcome,) = await apply(there, journal, actions)
    assert (outcome.outcome, "pl-1" in outcome.reason) == ("drifted", True)
    assert rules_of(there, group) == {"sgr-1": listed}


async def test_a_protection_that_came_after_the_plan_is_respected(there: Cloud, journal: Journal) -> None:
    """A tag, or an exemption of today, that was set after the plan was made: skipped, with the reason."""
    groups = [there.put(rule(1)), there.put(rule(2))]
    actions = planned(groups, there.account_id)
    there.put(rule(1), group_id=groups[0].security_group_id, tags=(Tag("sgsweep", "protected"),))
    waiver = Exemption(id="w-1", owner="ops", reason="r", expires=NOW.replace(year=2099), rule=("sgr-2",))
    ended = await apply(there, journal, actions, exemptions=(waiver,))
    assert words(ended) == {"sgr-1": "skipped", "sgr-2": "skipped"}
    assert "protected by its tag" in ended[0].reason
    assert "w-1" in ended[1].reason
    assert not there.calls()["RevokeSecurityGroup"]


async def test_undoing_that_would_open_more_than_the_rule_did_is_refused(
    there: Cloud, journal: Journal
) -> None:
    """Whatever the journal says was there before: the rule that would be added must be the one of the record."""
    group = there.put(rule(1), rule(2, "6379/6379"))
    await apply(there, journal, planned([group], there.account_id))
    first, second = undos(journal.all_effects())
    wider = {**first.action.inverse.authorize[0], "PortRange": "1/65535"}
    forged = replace(first.action, inverse=replace(first.action.inverse, authorize=(wider,)))
    undoing = [replace(first, action=forged), second]
    job = order(rollback_job(undoing))
    ended = await roll_back_account(there.enter, journal, undoing, job, Brake(), HASTE) or []
    assert [(one.outcome, one.reason) for one in ended] == [
        ("drifted", "what it would add is not the rule as it was"),
        ("rolled_back", ""),
    ]
    assert [one.port_range for one in rules_of(there, group).values()] == ["6379/6379"]


async def test_an_outcome_says_who_else_lets_the_same_in(there: Cloud, journal: Journal) -> None:
    """Closed here, and open through another group of an interface; where interfaces are not seen, that is said."""
    group, *others = [there.put(rule(n)) for n in range(1, 4)]
    estate = there.emulator.world.estate(there.account_id, REGION)
    estate.interfaces = tuple(
        [
            Interface(
                interface_id=f"eni-{n}",
                group_ids=(group.security_group_id, other.security_group_id),
                private_ip=f"10.0.0.{n}",
                instance_id=f"i-{n}",
                vpc_id="vpc-1",
            )
            for n, other in enumerate(others)
        ]
    )
    (outcome,) = await apply(there, journal, planned([group], there.account_id))
    assert (outcome.outcome, outcome.reason) == (
        "revoked",
        "still_reachable_via: sg-2, sg-3: another group of an interface lets the same in",
    )
    alone = there.put(rule(3))
    (outcome,) = await apply(there, journal, planned([alone], there.account_id), job="apply:2")
    assert (outcome.outcome, outcome.reason) == ("revoked", "")
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribeNetworkInterfaces"))
    unseen = there.put(rule(4))
    (outcome,) = await apply(there, journal, planned([unseen], there.account_id), job="apply:3")
    request_id = there.emulator.calls.of("DescribeNetworkInterfaces")[-1].request_id
    assert outcome.outcome == "revoked"
    assert outcome.reason == (
        "others_unknown: whether another group of an interface lets the same in is not known "
        f"(DescribeNetworkInterfaces: Forbidden.RAM, RequestId {request_id})"
    )
