"""The doctor under every other answer to an open question: nothing is claimed to lack, and nothing stays changed."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from orchestrator import run
from orchestrator.cli.exit_codes import of_doctor
from orchestrator.config import Canary
from orchestrator.emulator import Options, World, WorldOutline
from orchestrator.emulator.framework.variants import VARIANTS
from orchestrator.emulator.world.model import Group
from orchestrator.run import Filters, Progress
from tests.run.conftest import MakeDesk

HERE = "cn-hangzhou"


@pytest.mark.parametrize("name", VARIANTS)
def test_a_right_that_is_there_is_never_said_to_lack(desk_at: MakeDesk, name: str) -> None:
    """Reads asked for, changes tried on the canary group and taken back, in an organization where all is allowed."""
    world = World.generate(WorldOutline(11, 2, region_ids=2, groups_per_account=6))
    member = next(iter(world.organization.members))
    world.put(member, HERE, Group("sg-canary", "canary", vpc_id="vpc-1"))
    desk = desk_at(world, Options(quirks=VARIANTS[name]))
    config = msgspec.structs.replace(
        desk.changed(remediation={"wait_seconds": 2.0, "first_wait_seconds": 0.02}),
        canary=Canary(account=member, region=HERE, group="sg-canary"),
    )
    before = world.snapshot()
    work = run.list_accounts(config, Filters(), Progress(), check=True, probe_writes=True)
    listed = asyncio.run(work)
    assert of_doctor(listed) == 0
    assert not [one for visit in listed.visits for one in visit.rights if one.permitted.right == "denied"]
    assert listed.examined is not None
    assert listed.examined.canary is not None
    assert {one.right for one in listed.examined.canary.permitted} == {"allowed"}
    assert listed.examined.canary.left == ""
    assert world.snapshot() == before
