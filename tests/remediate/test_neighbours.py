"""What else stands on the interfaces of a group: how it is read, how often, and in which words it is not known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from orchestrator.cloud.errors import Denied, Unavailable
from orchestrator.emulator import Fault, Group, Kind
from orchestrator.emulator.world.model import Interface
from orchestrator.inventory import ReadSession, RegionReader
from orchestrator.plan import Place
from orchestrator.remediate import ChangeSession
from orchestrator.remediate.neighbours import Around, Neighbours
from orchestrator.securitygroup import Placement
from tests.remediate.crash import Fuse, MortalSession
from tests.remediate.kit import REGION, Cloud, rule


def reader_of(session: ReadSession, region_id: str) -> RegionReader:
    """A reader for the account that is entered."""
    return RegionReader(session, Placement(session.account_id), region_id)


def together(there: Cloud, *sets: tuple[Group, ...]) -> None:
    """Put each of these groups on an interface of their own."""
    there.emulator.world.estate(there.account_id, REGION).interfaces = tuple(
        [
            Interface(
                interface_id=f"eni-{n}",
                group_ids=tuple([group.security_group_id for group in groups]),
                private_ip=f"10.0.0.{n}",
                instance_id=f"i-{n}",
                vpc_id="vpc-1",
            )
            for n, groups in enumerate(sets, 1)
        ]
    )


def place_of(there: Cloud, group: Group) -> Place:
    """Where the group is."""
    return Place(there.account_id, REGION, group.security_group_id)


def ids_of(around: Around) -> list[list[str]]:
    """The ids of the other groups of each interface."""
    return [[group.security_group_id for group in one] for one in around.interfaces]


async def test_the_other_groups_of_each_interface_are_read_once(there: Cloud) -> None:
    """A set of them for each set that shares an interface; a group alone on one has none; what is known is kept."""
    one, two, three = (there.put(rule(n)) for n in (1, 2, 3))
    together(there, (one,), (one, two), (one, two, three))
    neighbours, session = Neighbours(reader_of), there.enter("")
    around = await neighbours.of(session, place_of(there, one))
    assert (ids_of(around), around.unknown) == ([["sg-2"], ["sg-2", "sg-3"]], "")
    assert [rule.rule_id for rule in around.interfaces[0][0].rules] == ["sgr-2"]
    assert ids_of(await neighbours.of(session, place_of(there, three))) == [["sg-1", "sg-2"]]
    assert there.calls()["DescribeSecurityGroupAttribute"] == 3
    assert len(there.emulator.calls.of("DescribeNetworkInterfaces")) == 1


async def test_a_group_that_was_changed_is_read_again(there: Cloud) -> None:
    """Only that one; one of a region that was never read needs not be forgotten."""
    one, two, three = (there.put(rule(n)) for n in (1, 2, 3))
    together(there, (one, two, three))
    neighbours, session = Neighbours(reader_of), there.enter("")
    neighbours.forget(place_of(there, two))
    await neighbours.of(session, place_of(there, one))
    there.put(rule(9), group_id=two.security_group_id)
    neighbours.forget(place_of(there, two))
    around = await neighbours.of(session, place_of(there, one))
    assert [[rule.rule_id for rule in group.rules] for group in around.interfaces[0]] == [
        ["sgr-9"],
        ["sgr-3"],
    ]
    asked = [
        call.parameters["SecurityGroupId"]
        for call in there.emulator.calls.of("DescribeSecurityGroupAttribute")
    ]
    assert sorted(asked) == ["sg-2", "sg-2", "sg-3"]


async def test_a_region_is_read_again_once_that_is_too_old(
    there: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interface that came since is seen then."""
    one, two = (there.put(rule(n)) for n in (1, 2))
    together(there, (one,))
    neighbours, session = Neighbours(reader_of), there.enter("")
    assert ids_of(await neighbours.of(session, place_of(there, one))) == []
    together(there, (one, two))
    assert ids_of(await neighbours.of(session, place_of(there, one))) == []
    monkeypatch.setattr("orchestrator.remediate.neighbours._MAX_AGE_SECONDS", 0.0)
    assert ids_of(await neighbours.of(session, place_of(there, one))) == [["sg-2"]]


async def test_interfaces_that_are_not_shown_are_not_known(there: Cloud) -> None:
    """Refused, unanswered, or an empty list, which a caller without the right gets: said, never taken for none."""
    group = there.put(rule(1))
    together(there)

    async def unknown(session: ChangeSession) -> str:
        around = await Neighbours(reader_of).of(session, place_of(there, group))
        assert around.interfaces == ()
        return around.unknown

    assert await unknown(there.enter("")) == "DescribeNetworkInterfaces names none in this region"
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="DescribeNetworkInterfaces"))
    said = await unknown(there.enter(""))
    request_id = there.emulator.calls.of("DescribeNetworkInterfaces")[-1].request_id
    assert said == f"DescribeNetworkInterfaces: Forbidden.RAM, RequestId {request_id}"

    class Lost(MortalSession):
        async def before(self, action: str) -> None:
            raise Unavailable(code="ConnectionReset", message="gone", action=action)

    said = await unknown(Lost(there.enter(""), Fuse()))
    assert said == "DescribeNetworkInterfaces: ConnectionReset, RequestId none"


async def test_an_account_that_cannot_be_entered_is_no_answer(there: Cloud) -> None:
    """That is told to whoever asks: nothing of the account can be read."""
    group = there.put(rule(1))
    there.emulator.set_faults(Fault(kind=Kind.DENIED, action="AssumeRole"))
    with pytest.raises(Denied) as caught:
        await Neighbours(reader_of).of(there.enter(""), place_of(there, group))
    assert caught.value.action == "AssumeRole"


async def test_each_group_that_cannot_be_read_is_named(there: Cloud) -> None:
    """With the answer and its RequestId; those beside it are known."""
    one, two, three, four = (there.put(rule(n)) for n in (1, 2, 3, 4))
    together(there, (one, two, three, four), (one, two))

    class Partial(MortalSession):
        async def call(
            self,
            action: str,
            region_id: str | None,
            parameters: Mapping[str, object],
            *,
            mutating: bool = False,
        ) -> dict[str, Any]:
            if "sg-2" in str(parameters):
                raise Denied(code="Forbidden.RAM", message="no", action=action, request_id="R-2")
            if "sg-3" in str(parameters):
                raise Unavailable(code="ConnectionReset", message="gone", action=action)
            return await super().call(action, region_id, parameters, mutating=mutating)

    session = Partial(there.enter(""), Fuse())
    around = await Neighbours(reader_of).of(session, place_of(there, one))
    assert ids_of(around) == [["sg-4"]]
    assert around.unknown == (
        "group sg-2: Forbidden.RAM, RequestId R-2; group sg-3: ConnectionReset, RequestId none"
    )
