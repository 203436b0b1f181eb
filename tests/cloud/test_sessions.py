"""The one place where sessions are made: by whose credentials an account is entered, and with what rights."""

from __future__ import annotations

import pytest

from accounts.credentials import RoleSession
from orchestrator.cloud.errors import Denied, NotFound
from orchestrator.cloud.sessions import Sessions
from orchestrator.inventory import read_policy
from tests.cloud.asking import groups, revoke
from tests.cloud.conftest import Speaker

READS = read_policy()
REMEDIATE = "sgsweep-remediate"


def sessions_of(speaker: Speaker) -> Sessions:
    """The hub's."""
    return Sessions(speaker.client, speaker.hub, RoleSession("sgsweep-test"))


async def test_a_member_is_entered_by_its_role_with_no_more_rights_than_the_policy(speaker: Speaker) -> None:
    """A role that may change groups only reads through a session that may only read."""
    session = sessions_of(speaker).enter(speaker.member_ids[0], REMEDIATE, READS)
    assert await groups(session)
    with pytest.raises(Denied):
        await revoke(session)
    made = [change for _, change in speaker.emulator.calls.changes() if change["what"] == "session"]
    assert [(one["role"], one["policy"]) for one in made] == [(REMEDIATE, READS)]


async def test_a_refusal_names_the_member_and_its_role(speaker: Speaker) -> None:
    """AssumeRole is a call of the hub's account: that alone would not say which member did not let it in."""
    member = speaker.member_ids[0]
    with pytest.raises(NotFound) as caught:
        await groups(sessions_of(speaker).enter(member, "nobody", READS))
    assert str(caught.value).startswith(
        f"AssumeRole {speaker.hub_id}: EntityNotExist.Role: entering acs:ram::"
    )
    assert f"entering acs:ram::{member}:role/nobody: " in caught.value.message
    assert caught.value.request_id


async def test_only_the_own_account_may_be_entered_by_the_own_keys(speaker: Speaker) -> None:
    """Where the role does not exist, or none is named; a member stays closed then."""
    sessions = sessions_of(speaker)
    for role in ("nobody", ""):
        assert not (await sessions.enter(speaker.hub_id, role, READS).source.credentials()).security_token
    with pytest.raises(NotFound):
        await groups(sessions.enter(speaker.member_ids[0], "nobody", READS))
    with pytest.raises(Denied, match="SGSWEEP_REMEDIATION_ROLE"):
        sessions.enter(speaker.member_ids[0], "", READS)
