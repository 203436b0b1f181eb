"""How accounts are entered, and the official clients over our transport."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from alibabacloud_ecs20140526 import models as ecs_models
from alibabacloud_ecs20140526.client import Client as Ecs
from alibabacloud_resourcemanager20200331 import models as manager_models
from alibabacloud_resourcemanager20200331.client import Client as ResourceManager
from alibabacloud_sts20150401.client import Client as Sts

from accounts.identity import WrongAccountError, identify, prove
from accounts.sdk import Params, pooled, quiet_official_loggers
from orchestrator.cloud.client import CloudSettingsError
from orchestrator.cloud.errors import NotFound
from orchestrator.emulator import Fault, Kind, Options, World, WorldOutline
from tests.accounts.conftest import hub_of


@pytest.fixture
def world() -> World:
    """Two members, two regions."""
    return World.generate(WorldOutline(seed=7, accounts=2, region_ids=2))


async def test_a_session_proves_the_account_it_is_in(world: World) -> None:
    """GetCallerIdentity says the member's id; another id is an error before any change."""
    async with hub_of(world) as hub:
        member_id = hub.member_ids[0]
        session = hub.sessions.enter(member_id, "sgsweep-read", "")
        identity = await prove(session, member_id)
        assert identity.account_id == member_id
        assert "/sgsweep-read/" in identity.arn
        with pytest.raises(WrongAccountError, match=hub.member_ids[1]):
            await prove(session, hub.member_ids[1])
        assert (await identify(hub.call)).account_id == hub.account_id


# official clients over our transport


async def test_official_clients_run_over_the_pooled_transport(world: World) -> None:
    """ECS, STS and ResourceManager, async, unchanged but for one method; their models come back filled."""
    async with hub_of(world, Options(faults=(Fault(kind=Kind.RESET_BEFORE, count=2),))) as hub:
        session = hub.sessions.enter(hub.member_ids[0], "sgsweep-read", "")
        regions = await pooled(Ecs, session).describe_regions_async(ecs_models.DescribeRegionsRequest())
        region = regions.body.regions.region[0].region_id
        found = await pooled(Ecs, session).describe_security_groups_async(
            ecs_models.DescribeSecurityGroupsRequest(region_id=region, max_results=100)
        )
        assert found.body.security_groups.security_group
        assert found.status_code == 200
        identity = await pooled(Sts, session).get_caller_identity_async()
        assert identity.body.account_id == session.account_id
        listed = await pooled(ResourceManager, hub.call).list_accounts_async(
            manager_models.ListAccountsRequest(page_size=100)
        )
        assert len(listed.body.accounts.account) == 2
        assert hub.client.stats.retried == 2


async def test_an_official_clients_errors_are_ours(world: World) -> None:
    """One error tree, whoever made the call."""
    async with hub_of(world) as hub:
        with pytest.raises(NotFound, match="DescribeSecurityGroupAttribute"):
            await pooled(Ecs, hub.call).describe_security_group_attribute_async(
                ecs_models.DescribeSecurityGroupAttributeRequest(
                    region_id=world.region_ids[0], security_group_id="sg-none"
                )
            )


async def test_the_sync_methods_of_a_pooled_client_say_that_they_do_not_work(world: World) -> None:
    """They would block the loop over another transport."""
    async with hub_of(world) as hub:
        with pytest.raises(TypeError, match="_async"):
            pooled(Sts, hub.call).get_caller_identity()


@pytest.mark.parametrize(
    "params",
    [
        Params("ListBuckets", "2019-05-17"),
        Params("DescribeRegions", "2014-05-26", style="ROA"),
        Params("DescribeRegions", "2014-05-26", body_type="binary"),
    ],
)
async def test_what_this_transport_cannot_carry_is_refused_by_name(params: Params, world: World) -> None:
    """No guess is made for a product or style."""
    async with hub_of(world) as hub:
        with pytest.raises(CloudSettingsError, match=params.action):
            await hub.call.call_api_async(params, Any, None)


def test_the_official_packages_write_nothing_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    """Their debug handlers are off, however often they are imported."""
    quiet_official_loggers()
    logging.getLogger("darabonba-core").debug("a request with its token")
    logging.getLogger("credentials").info("something")
    assert capsys.readouterr().err == ""
