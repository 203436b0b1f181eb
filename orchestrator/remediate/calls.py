"""The four calls on a group: read, authorize, modify, revoke."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol
from urllib.parse import quote

from orchestrator.cloud.errors import CloudError, Unavailable
from orchestrator.plan import Fields, Place
from orchestrator.remediate.targets import Rules
from orchestrator.securitygroup import authorize_parameters, content_digest

_BATCH = 100  # rules in one call (ECS RevokeSecurityGroup, AuthorizeSecurityGroup)
# Of these in a call: parameters travel in the request line, of which web servers take 8,192 bytes by default; the
# token, the region and the group take less than 170, the rest of the line 16.
_QUERY_BYTES = 8_000
_RULES_PER_PAGE = 1000  # ECS DescribeSecurityGroupAttribute
_MOST_PAGES = 1_000
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


def bytes_to_remove(rule_id: str) -> int:
    """Return how much of a query the rule takes in RevokeSecurityGroup."""
    return _query_bytes({f"SecurityGroupRuleId.{_BATCH - 1}": rule_id})


def _query_bytes(parameters: Mapping[str, str]) -> int:
    return sum(len(name) + len(quote(value, safe="")) + len("=&") for name, value in parameters.items())


class Session(Protocol):
    """One account by one identity; `orchestrator.cloud.client.AccountSession` is one."""

    @property
    def account_id(self) -> str:
        """The account."""
        ...

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object], *, mutating: bool = False
    ) -> dict[str, Any]:
        """Return the decoded answer of an ECS action, or raise CloudError."""
        ...


def is_open(error: CloudError) -> bool:
    """Tell whether the error leaves open what was done, or could be done: look, and decide by that."""
    return is_rule_gone(error) or isinstance(error, Unavailable)


def is_rule_gone(error: CloudError) -> bool:
    """Tell whether the cloud says that a rule of the call is not there."""
    return error.code in _GONE


def is_group_gone(error: CloudError) -> bool:
    """Tell whether the cloud says that there is no such group. Another 404, a gateway's or a region's, does not."""
    return error.code.startswith("InvalidSecurityGroupId.NotFound")


class GroupCalls:
    """Calls on one group. `check` is asked before each change and may raise to stop."""

    def __init__(self, session: Session, place: Place, job: str, check: Callable[[], None]) -> None:
        self._session = session
        self._place = place
        self._job = job
        self._check = check

    async def read(self) -> Rules:
        """Return the group's rules, of all pages and both directions.

        Raises:
            CloudError: they could not be read in full.
        """
        permissions: list[dict[str, Any]] = []
        seen: set[str] = set()
        token = ""
        while True:
            asked = {"Direction": "all", "MaxResults": _RULES_PER_PAGE, "NextToken": token or None}
            answer = await self._call("DescribeSecurityGroupAttribute", asked, mutating=False)
            permissions += self._items(answer, "Permissions", "Permission")
            token = str(answer.get("NextToken") or "")
            if token in seen:
                raise self._malformed("the page token repeats", answer)
            seen.add(token)
            if len(seen) == _MOST_PAGES:
                raise self._malformed(f"the list has no end after {_MOST_PAGES:,} pages", answer)
            if not token:
                break
        if not permissions:
            await self._check_empty()
        return Rules(permissions)

    async def _check_empty(self) -> None:
        """Make sure that the group has no rule: some answers are empty where they should be refused.

        Raises:
            CloudError: the group's listing counts rules, or cannot be read.
        """
        answer = await self._call("DescribeSecurityGroups", {"MaxResults": 10}, mutating=False)
        mine = self._place.security_group_id
        for listing in self._items(answer, "SecurityGroups", "SecurityGroup"):
            if listing.get("SecurityGroupId") == mine and await self._accounts_for(listing):
                return
        raise self._malformed("the group's rules came back empty, but it is not known to be empty", answer)

    async def _accounts_for(self, listing: Mapping[str, Any]) -> bool:
        """Tell whether no rule is missing: none is counted, or all that are counted are of the other card.

        A classic group counts the rules of both its cards, and reads as those of the Internet one.
        """
        count = listing.get("RuleCount")
        if count in {0, "0", None} or listing.get("VpcId"):
            return count in {0, "0", None}
        asked = {"Direction": "all", "MaxResults": _RULES_PER_PAGE, "NicType": "intranet"}
        answer = await self._call("DescribeSecurityGroupAttribute", asked, mutating=False)
        return len(self._items(answer, "Permissions", "Permission")) >= int(str(count))

    def _items(self, answer: Mapping[str, Any], outer: str, inner: str) -> list[dict[str, Any]]:
        """Return the page's items; a page without a list is an error, never an empty one."""
        found = answer.get(outer)
        items = found.get(inner) if isinstance(found, dict) else None
        if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
            raise self._malformed(f"the answer has no list {outer}.{inner}", answer)
        return items

    def _malformed(self, message: str, answer: Mapping[str, Any]) -> Unavailable:
        return Unavailable(
            code="MalformedAnswer",
            message=message,
            request_id=str(answer.get("RequestId") or ""),
            status=200,
            action="DescribeSecurityGroupAttribute",
            account_id=self._place.account_id,
            region_id=self._place.region_id,
        )

    async def authorize(self, rules: Sequence[Fields], direction: str, attempt: int) -> str:
        """Add rules, at most 100; one that stands already is no error. Return the RequestId.

        Raises:
            CloudError: it is not known that all of them stand.
        """
        wire: dict[str, object] = {}
        for index, fields in enumerate(rules, 1):
            wire |= authorize_parameters(fields, index)
        wire["ClientToken"] = self._token("authorize", sorted(map(content_digest, rules)), attempt)
        return await self._change(f"AuthorizeSecurityGroup{_suffix(direction)}", wire)

    async def revoke(self, rule_ids: Sequence[str], direction: str, attempt: int) -> str:
        """Remove rules by id, at most 100. Return the RequestId.

        Raises:
            CloudError: it is not known that all of them are gone.
        """
        wire = {
            "SecurityGroupRuleId": list(rule_ids),
            "ClientToken": self._token("revoke", sorted(rule_ids), attempt),
        }
        return await self._change(f"RevokeSecurityGroup{_suffix(direction)}", wire)

    async def modify(self, rule_id: str, fields: Fields, direction: str, attempt: int) -> str:
        """Give a rule other fields; it keeps its id. Return the RequestId.

        Raises:
            CloudError: it is not known that the rule has them.
        """
        words = [rule_id, *(f"{key}={value}" for key, value in sorted(fields.items()))]
        wire = {
            **fields,
            "SecurityGroupRuleId": rule_id,
            "ClientToken": self._token("modify", words, attempt),
        }
        return await self._change(f"ModifySecurityGroup{_suffix(direction)}Rule", wire)

    async def _change(self, action: str, parameters: Mapping[str, object]) -> str:
        self._check()
        answer = await self._call(action, parameters, mutating=True)
        return str(answer.get("RequestId") or "")

    async def _call(self, action: str, parameters: Mapping[str, object], *, mutating: bool) -> dict[str, Any]:
        region_id = self._place.region_id
        where = {"RegionId": region_id, "SecurityGroupId": self._place.security_group_id}
        return await self._session.call(action, region_id, {**where, **parameters}, mutating=mutating)

    def _token(self, what: str, items: Iterable[str], attempt: int) -> str:
        """Return the ClientToken (ASCII, at most 64 characters; ECS).

        The same intent sent again has the same token, after a crash too, so the provider does it once. `attempt`
        tells a repetition of a call that was answered, and yet did not take, from one that got no answer.
        """
        text = "\n".join((self._job, *self._place, what, str(attempt), *items))
        return hashlib.sha256(text.encode()).hexdigest()


def _suffix(direction: str) -> str:
    return "Egress" if direction == "egress" else ""
