"""The calls that change a group: authorize, modify, revoke. What it looks like is `inventory`'s to say."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, Protocol
from urllib.parse import quote

from orchestrator.cloud.errors import CloudError, Unavailable
from orchestrator.inventory import ReadSession as Reading
from orchestrator.plan import Fields, Place, is_old_default
from orchestrator.securitygroup import authorize_parameters, content_digest, modify_parameters

RevokeBy = Literal["id", "content"]
_BATCH = 100  # rules in one call (ECS RevokeSecurityGroup, AuthorizeSecurityGroup)
# Of these in a call: parameters travel in the request line, of which web servers take 8,192 bytes by default; the
# token, the region and the group take less than 170, the rest of the line 16.
_QUERY_BYTES = 8_000
# ECS RevokeSecurityGroup, RevokeSecurityGroupEgress and ModifySecurityGroupRule, for a rule that is not there
_GONE = (
    "InvalidParam.SecurityGroupRuleId",
    "InvalidSecurityGroupRule.RuleNotExist",
    "InvalidSecurityGroupRuleId.NotFound",
    "SecurityGroupRule.NotFound",
)


def batches(sizes: Mapping[str, int]) -> list[list[str]]:
    """Return the names in as few calls as their number and their sizes, in bytes of the query, allow."""
    found: list[list[str]] = []
    room = 0
    for name, size in sizes.items():
        if not found or size > room or len(found[-1]) == _BATCH:
            found.append([])
            room = _QUERY_BYTES
        found[-1].append(name)
        room -= size
    return found


def bytes_to_add(fields: Fields) -> int:
    """Return how much of a query the rule takes in AuthorizeSecurityGroup."""
    return _query_bytes(authorize_parameters(fields, _BATCH - 1))


def _query_bytes(parameters: Mapping[str, str]) -> int:
    return sum(len(name) + len(quote(value, safe="")) + len("=&") for name, value in parameters.items())


class ChangeTurn(Protocol):
    """The turn of one call that changes something; `orchestrator.cloud.client.Turn` is one."""

    async def call(self, parameters: Mapping[str, object], *, not_after: float) -> dict[str, Any]:
        """Make the call and return its decoded answer.

        Args:
            parameters: of the action.
            not_after: the last moment, by the loop's clock, at which it may be sent.

        Raises:
            TooLate: that moment had passed; nothing was sent.
            CloudError: the subclass says what to do next; a Throttled one was not carried out.
        """
        ...


class ChangeSession(Reading, Protocol):
    """One account by one identity, to read and to change; `orchestrator.cloud.client.AccountSession` is one."""

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object], *, mutating: bool = False
    ) -> dict[str, Any]:
        """Return the decoded answer of an ECS action, or raise CloudError."""
        ...

    def turn(
        self, action: str, region_id: str | None, *, hurried: bool = False
    ) -> AbstractAsyncContextManager[ChangeTurn]:
        """Take the turn of a call that changes something, to read within it and then to call at once.

        `hurried`: what is read within it goes ahead of its quota.
        """
        ...


def is_open(error: CloudError) -> bool:
    """Tell whether the error leaves open what was done, or could be done: look, and decide by that."""
    return is_rule_gone(error) or isinstance(error, Unavailable)


def is_rule_gone(error: CloudError) -> bool:
    """Tell whether the cloud says that a rule of the call is not there."""
    return error.code in _GONE


class GroupCalls:
    """Calls on one group, each in its turn. `check` is asked before each change and may raise to stop."""

    def __init__(
        self,
        session: ChangeSession,
        place: Place,
        job: str,
        check: Callable[[], None],
        *,
        revoke_by: RevokeBy,
    ) -> None:
        self.place = place
        self._session = session
        self._job = job
        self._check = check
        self._revoke_by = revoke_by

    def turn(self, kind: str, direction: str, *, hurried: bool) -> AbstractAsyncContextManager[ChangeTurn]:
        """Take the turn of a call: "Authorize", "Modify" or "Revoke"."""
        suffix = "Egress" if direction == "egress" else ""
        action = f"{kind}SecurityGroup{suffix}{'Rule' if kind == 'Modify' else ''}"
        return self._session.turn(action, self.place.region_id, hurried=hurried)

    async def authorize(
        self, turn: ChangeTurn, rules: Sequence[Fields], attempt: int, not_after: float
    ) -> str:
        """Add rules, at most 100; one that stands already is no error. Return the RequestId.

        Raises:
            CloudError: it is not known that all of them stand.
        """
        token = self._token("authorize", sorted(map(content_digest, rules)), attempt)
        return await self._change(turn, {**_permissions(rules), "ClientToken": token}, not_after)

    def bytes_to_revoke(self, rule_id: str, fields: Fields) -> int:
        """Return how much of a query the rule takes in RevokeSecurityGroup."""
        if self._revoke_by == "content":
            return bytes_to_add(fields)
        return _query_bytes({f"SecurityGroupRuleId.{_BATCH - 1}": rule_id})

    async def revoke(
        self, turn: ChangeTurn, rules: Mapping[str, Fields], attempt: int, not_after: float
    ) -> str:
        """Remove rules, at most 100, given by id as they were just read. Return the RequestId.

        By content, a rule that was changed since cannot match; that it does not is answered with success, and the next
        reading shows that it stands (ECS RevokeSecurityGroup). Priority 110 cannot be sent: there ids name the rules.

        Raises:
            CloudError: it is not known that all of them are gone.
        """
        wire: dict[str, object] = {"SecurityGroupRuleId": list(rules)}
        items = sorted(rules)
        if self._revoke_by == "content" and not any(map(is_old_default, rules.values())):
            wire = dict(_permissions(rules.values()))
            items = sorted(map(content_digest, rules.values()))
        return await self._change(
            turn, {**wire, "ClientToken": self._token("revoke", items, attempt)}, not_after
        )

    async def modify(
        self, turn: ChangeTurn, rule_id: str, fields: Fields, attempt: int, not_after: float
    ) -> str:
        """Give a rule these fields, all of them; it keeps its id. Return the RequestId.

        Raises:
            CloudError: it is not known that the rule has them.
        """
        all_fields = modify_parameters(fields)
        words = [rule_id, *(f"{key}={value}" for key, value in sorted(all_fields.items()))]
        token = self._token("modify", words, attempt)
        return await self._change(
            turn, {**all_fields, "SecurityGroupRuleId": rule_id, "ClientToken": token}, not_after
        )

    async def _change(self, turn: ChangeTurn, parameters: Mapping[str, object], not_after: float) -> str:
        self._check()
        where = {"RegionId": self.place.region_id, "SecurityGroupId": self.place.security_group_id}
        answer = await turn.call({**where, **parameters}, not_after=not_after)
        return str(answer.get("RequestId") or "")

    def _token(self, what: str, items: Iterable[str], attempt: int) -> str:
        """Return the ClientToken (ASCII, at most 64 characters; ECS).

        The same intent sent again has the same token, after a crash too, so the provider does it once. `attempt`
        tells a repetition of a call that was answered, and yet did not take, from one that got no answer.
        """
        text = "\n".join((self._job, *self.place, what, str(attempt), *items))
        return hashlib.sha256(text.encode()).hexdigest()


def _permissions(rules: Iterable[Fields]) -> dict[str, str]:
    wire: dict[str, str] = {}
    for index, fields in enumerate(rules, 1):
        wire |= authorize_parameters(fields, index)
    return wire
