"""Whether the changing role may change rules, really tried: one harmless rule, put into one named group and taken back.

The group is the one that [canary] names, and no other is touched. The rule drops one port from an address that is only
for documentation (192.0.2.0/24, RFC 5737), so it lets nothing in and keeps nothing out. It carries a mark in its
description: what a crash has left there is known by it, and goes with the next try.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from accounts import Account
from accounts.identity import prove
from accounts.ram import Allow, session_policy
from orchestrator.cloud.errors import ApiError, CloudError, Denied, NotFound, Unavailable
from orchestrator.config import Canary
from orchestrator.inventory import GROUP_ACTIONS, Permitted, RegionReader
from orchestrator.run.hub import Hub, placement
from orchestrator.run.refusals import UsageError
from orchestrator.securitygroup import modify_parameters

MARK = "sgsweep canary: harmless, and taken back at once"
_ADD, _MODIFY, _REVOKE = "AuthorizeSecurityGroup", "ModifySecurityGroupRule", "RevokeSecurityGroup"
CHANGES = (f"ecs:{_REVOKE}", f"ecs:{_ADD}", f"ecs:{_MODIFY}")
"""What a run changes rules by, as RAM names it; ingress."""

_NO_GROUP, _NO_RULE = "sg-sgsweep0canary", "sgr-sgsweep0canary"  # nothing has such an id
_ANOTHERS = "InvalidOperation.SecurityGroupNotAuthorized"  # ECS, of a group of another account
_TRIES = 4  # to take back what was added
_NOT_ADDED = "not tried: nothing was added to try it on"


class CanaryTried(msgspec.Struct, frozen=True, kw_only=True):
    """What trying came to.

    Attributes:
        account_id: of the group.
        region_id: of the group.
        security_group_id: the group.
        permitted: each change, by what it answered.
        left: what could not be taken back, and what to do, for people; empty if the group is as it was.
        settle_seconds: how long the added rule or its removal took to show, the longer of both; None if neither did.
        rights_first: see `config.facts.Facts`; None where it was not found out, and so the others.
        bad_id_refuses: the same.
        gone_rule: the same.
    """

    account_id: str
    region_id: str
    security_group_id: str
    permitted: tuple[Permitted, ...]
    left: str = ""
    settle_seconds: float | None = None
    rights_first: bool | None = None
    bad_id_refuses: bool | None = None
    gone_rule: str | None = None


async def try_canary(hub: Hub, accounts: Sequence[Account], canary: Canary) -> CanaryTried:
    """Try the changes on the canary group.

    Raises:
        UsageError: no group is named, or not one that may be tried on; nothing was changed.
        CloudError: its account cannot be entered, or the group not be read; nothing was changed.
    """
    if not canary.group:
        raise UsageError(
            "--probe-writes changes one security group for a moment, and the configuration names none: give account, "
            "region and group in [canary]"
        )
    account = next((one for one in accounts if one.account_id == canary.account), None)
    if account is None:
        raise UsageError(f"[canary] account {canary.account} is not among the accounts of this command")
    return await _Canary(hub, account, canary).run()


class _Canary:
    """One try on one group."""

    def __init__(self, hub: Hub, account: Account, canary: Canary) -> None:
        resource = f"acs:ecs:{canary.region}:*:securitygroup/{canary.group}"
        anywhere = Allow((*GROUP_ACTIONS, f"ecs:{_ADD}", f"ecs:{_MODIFY}"))
        policy = session_policy([anywhere, Allow((f"ecs:{_REVOKE}",), (resource,))])
        self._account = account
        self._canary = canary
        self._session = hub.writer(account, policy)
        self._powerless = hub.writer(account, session_policy([Allow(GROUP_ACTIONS)]))
        # RuleCount is no question here: what is looked for is one rule
        self._reader = RegionReader(self._session, placement(account), canary.region, check_counts=False)
        self._wait = hub.config.remediation.wait_seconds
        self._first_wait = hub.config.remediation.first_wait_seconds
        self._permitted: dict[str, Permitted] = {}
        self._settled: list[float] = []
        self._address = ""
        self._may_stand = False  # the rule may have been added, and has not been seen yet

    async def run(self) -> CanaryTried:
        try:
            await prove(self._session, self._account.account_id)
            self._address = await self._free_address()
            may_revoke = await self._may_revoke()
        except CloudError as error:
            return self._ended([Permitted(one, "not_known", reason=str(error)) for one in CHANGES])
        bad_id_refuses, gone_rule, left = None, None, ""
        if may_revoke:
            try:
                rule_id = await self._add()
                if rule_id:
                    await self._modify(rule_id)
                    bad_id_refuses = await self._revoke_with_bad_id(rule_id)
                    gone_rule = await self._revoke(rule_id)
            finally:
                left = await self._take_back()
        untried = {one: Permitted(one, "not_known", reason=_NOT_ADDED) for one in CHANGES}
        return msgspec.structs.replace(
            self._ended([self._permitted.get(one, untried[one]) for one in CHANGES]),
            left=left,
            settle_seconds=round(max(self._settled), 3) if self._settled else None,
            rights_first=await self._rights_first(),
            bad_id_refuses=bad_id_refuses,
            gone_rule=gone_rule,
        )

    def _ended(self, permitted: Sequence[Permitted]) -> CanaryTried:
        return CanaryTried(
            account_id=self._account.account_id,
            region_id=self._canary.region,
            security_group_id=self._canary.group,
            permitted=tuple(permitted),
        )

    async def _free_address(self) -> str:
        """Return an address for documentation that no rule of the group names but one of ours that was left.

        Raises:
            UsageError: the group is not there, or is a cloud service's.
        """
        named = f"[canary] group {self._canary.group}"
        try:
            seen = await self._reader.look(self._canary.group)
        except NotFound as error:
            raise UsageError(
                f"{named}: account {self._account.account_id} has no such group in {self._canary.region} "
                f"({error.code}, RequestId {error.request_id}). If it is another account's, name that one"
            ) from None
        except Denied as error:
            if error.code != _ANOTHERS:
                raise
            raise UsageError(
                f"{named} is another account's than {self._account.account_id}: name that one"
            ) from None
        if seen.group.service_managed:
            raise UsageError(f"{named} belongs to a cloud service, which alone changes it: name another")
        taken = {str(rule.get("SourceCidrIp") or "") for rule in seen.permissions if not _is_marked(rule)}
        blocks = (f"192.0.2.{number}/32" for number in range(1, 255))
        free = next((one for one in blocks if one not in taken), "")
        if not free:
            raise UsageError(f"{named} has rules for every address of 192.0.2.0/24: name another")
        return free

    async def _may_revoke(self) -> bool:
        """Ask whether a rule could be removed before one is added, by the id of no rule; False if not."""
        try:
            await self._call(_REVOKE, SecurityGroupRuleId=[_NO_RULE])
        except Denied as error:
            self._keep(_REVOKE, error)
            return False
        except (NotFound, ApiError):
            pass  # refused for what was asked, not for who asked
        return True

    async def _add(self) -> str:
        """Add the rule; return its id, "" if it does not stand."""
        rule = {
            "IpProtocol": "TCP",
            "PortRange": "1/1",
            "SourceCidrIp": self._address,
            "Policy": "drop",
            "Priority": "100",
            "Description": MARK,
        }
        self._may_stand = True
        if not await self._tried(_ADD, Permissions=[rule]):
            return ""
        ids = await self._until(is_there=True)
        self._may_stand = not ids
        return ids[0] if ids else ""

    async def _modify(self, rule_id: str) -> None:
        rules = [one for one in await self._marked() if one.get("SecurityGroupRuleId") == rule_id]
        for rule in rules:
            fields = modify_parameters({**rule, "Priority": 99})
            await self._tried(_MODIFY, SecurityGroupRuleId=rule_id, **fields)

    async def _revoke_with_bad_id(self, rule_id: str) -> bool | None:
        """Revoke the rule together with one that is not there; return whether that was refused as a whole."""
        try:
            await self._call(_REVOKE, SecurityGroupRuleId=[rule_id, _NO_RULE])
        except (NotFound, ApiError):
            settled = 4 * max(self._settled, default=0.0)
            return rule_id in await self._until(is_there=False, at_most=max(settled, self._first_wait))
        except CloudError:
            return None
        return False

    async def _revoke(self, rule_id: str) -> str | None:
        """Revoke the rule, then once more; return the code for one that is gone, "success" if there is none."""
        if rule_id in await self._ids():
            if not await self._tried(_REVOKE, SecurityGroupRuleId=[rule_id]):
                return None
        else:
            self._permitted[f"ecs:{_REVOKE}"] = Permitted(f"ecs:{_REVOKE}", "allowed", "tried")
        if await self._until(is_there=False):
            return None
        try:
            await self._call(_REVOKE, SecurityGroupRuleId=[rule_id])
        except (NotFound, ApiError) as error:
            return error.code
        except CloudError:
            return None
        return "success"

    async def _take_back(self) -> str:
        """Remove every rule of ours from the group; return what is left, and what to do about it."""
        ids: list[str] = []
        said = ""
        for number in range(_TRIES):
            try:
                ids = await (self._until(is_there=True) if self._may_stand else self._ids())
                self._may_stand = False
                if not ids:
                    return ""
                await self._call(_REVOKE, SecurityGroupRuleId=ids)
                ids = await self._until(is_there=False)
            except CloudError as error:
                said = f" ({error.code}: {error.message})"
                await asyncio.sleep(self._first_wait * 2**number)
        if not ids and not said:
            return ""
        named = ", ".join(ids) or "the rule"
        return (
            f"{named} of group {self._canary.group} in {self._canary.region}, account {self._account.account_id}, "
            f"could not be taken back{said}: it drops TCP 1 from {self._address} and nothing else. Remove it by hand, "
            "or run this again"
        )

    async def _rights_first(self) -> bool | None:
        """Return whether one without the right to change is told so of a group that does not exist."""
        asked = {"RegionId": self._canary.region, "SecurityGroupId": _NO_GROUP}
        try:
            await self._powerless.call(
                _REVOKE, self._canary.region, {**asked, "SecurityGroupRuleId": [_NO_RULE]}, mutating=True
            )
        except Denied:
            return True
        except NotFound:
            return False
        except CloudError:
            return None
        return None

    async def _tried(self, action: str, **parameters: object) -> bool:
        """Make a change, keep what that says of the right, and return whether it was carried out."""
        try:
            answer = await self._call(action, **parameters)
        except CloudError as error:
            self._keep(action, error)
            self._may_stand &= action != _ADD or isinstance(
                error, Unavailable
            )  # else it was refused for sure
            return False
        name, request_id = f"ecs:{action}", str(answer.get("RequestId") or "")
        self._permitted[name] = Permitted(name, "allowed", "tried", request_id=request_id)
        return True

    def _keep(self, action: str, error: CloudError) -> None:
        name = f"ecs:{action}"
        told = f"{error.code}: {error.message}"
        right = Permitted(name, "denied" if isinstance(error, Denied) else "not_known", "tried", told)
        self._permitted[name] = msgspec.structs.replace(right, request_id=error.request_id)

    async def _call(self, action: str, **parameters: object) -> dict[str, Any]:
        where = {"RegionId": self._canary.region, "SecurityGroupId": self._canary.group}
        return await self._session.call(action, self._canary.region, {**where, **parameters}, mutating=True)

    async def _until(self, *, is_there: bool, at_most: float = math.inf) -> list[str]:
        """Read until our rule shows, or no longer does, as long as a change is given to show; return what is there."""
        loop = asyncio.get_running_loop()
        began, pause, wait = loop.time(), self._first_wait, min(self._wait, at_most)
        while True:
            ids = await self._ids()
            seconds = loop.time() - began
            if bool(ids) == is_there:
                self._settled.append(seconds)
                return ids
            if seconds >= wait:
                return ids
            await asyncio.sleep(min(pause, wait - seconds))
            pause *= 2

    async def _ids(self) -> list[str]:
        return [str(one.get("SecurityGroupRuleId")) for one in await self._marked()]

    async def _marked(self) -> list[Mapping[str, Any]]:
        """Return our rules as they stand."""
        rules = await self._reader.rules(self._canary.group)
        return [one for one in rules.permissions if _is_marked(one)]


def _is_marked(rule: Mapping[str, Any]) -> bool:
    """Tell whether a rule is one of ours, whole: the mark alone could have been copied onto another."""
    return (
        rule.get("Description") == MARK
        and str(rule.get("PortRange")) == "1/1"
        and str(rule.get("Policy")).lower() == "drop"
        and str(rule.get("SourceCidrIp") or "").startswith("192.0.2.")
    )
