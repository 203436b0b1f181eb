"""What roles may do by the text of their policies: those attached to them, and the directory's control policies.

RAM is asked by the account's own identity, the directory by the hub's. Neither is needed to sweep: who may not read
them is told that it is not known, and is never taken for somebody who may, or may not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

from accounts import Account
from accounts.ram import PolicyUnreadableError, Right, Stated, both, judge, parse_policy
from accounts.settings import RESOURCE_MANAGER
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError, Unavailable
from orchestrator.inventory.paging import PagedList
from orchestrator.inventory.read_probe import Permitted

Levels = tuple[tuple[Stated, ...], ...]
"""What must all allow: the statements that stand together, and then those of each further level."""


class _Product:
    """A session that speaks to one central product; what lists of it are read through."""

    def __init__(self, session: AccountSession, product: str) -> None:
        self.account_id = session.account_id
        self._session = session
        self._product = product

    async def call(
        self, action: str, region_id: str | None, parameters: Mapping[str, object]
    ) -> dict[str, Any]:
        return await self._session.call(action, region_id, parameters, product=self._product)

    async def document(self, action: str, parameters: Mapping[str, object], *path: str) -> tuple[Stated, ...]:
        """Return the statements of a policy, by the answer's own text of it.

        Raises:
            Unavailable: it is no policy that is understood.
        """
        found: Any = await self.call(action, None, parameters)
        for key in path:
            found = found.get(key) if isinstance(found, Mapping) else None
        try:
            return parse_policy(found if isinstance(found, str) else "")
        except PolicyUnreadableError as error:
            named = ", ".join(map(str, parameters.values()))
            raise Unavailable(
                code="PolicyUnreadable",
                message=f"policy {named} is not understood: {error}",
                action=action,
                account_id=self.account_id,
            ) from None


async def attached_policies(session: AccountSession, role: str) -> tuple[Stated, ...]:
    """Return what the policies that are attached to a role say (RAM ListPoliciesForRole, GetPolicy).

    Raises:
        CloudError: they cannot be read, or one of them is not understood.
    """
    ram = _Product(session, "ram")
    listing = PagedList(ram, "ListPoliciesForRole", None, ("Policies", "Policy"))
    _, found = await listing.whole({"RoleName": role}, named="PolicyName")
    statements: list[Stated] = []
    for policy in found:
        asked = {"PolicyType": policy.get("PolicyType"), "PolicyName": policy["PolicyName"]}
        statements += await ram.document("GetPolicy", asked, "DefaultPolicyVersion", "PolicyDocument")
    return tuple(statements)


class ControlPolicies:
    """The control policies of the directory, each folder's read once."""

    def __init__(self, hub: AccountSession, api: str) -> None:
        """Remember whom to ask.

        Args:
            hub: the management account, or a delegated administrator.
            api: the version of the directory's API.
        """
        product = "resourcemanager" if api == RESOURCE_MANAGER else "resourcedirectorymaster"
        self._directory = _Product(hub, product)
        self._enabled: asyncio.Task[bool] | None = None
        self._levels: dict[str, asyncio.Task[tuple[Stated, ...]]] = {}
        self._policies: dict[str, asyncio.Task[tuple[Stated, ...]]] = {}

    async def of(self, account: Account) -> Levels:
        """Return what binds an account: a level for each folder above it, and its own; nothing where none bind.

        Raises:
            CloudError: they cannot be read, or one of them is not understood.
        """
        if account.is_management:
            return ()
        if self._enabled is None:
            self._enabled = asyncio.ensure_future(self._is_enabled())
        if not await self._enabled:
            return ()
        if not account.folder_ids:
            raise Unavailable(
                code="FolderUnknown",
                message="it is not known in which folder the account is",
                account_id=account.account_id,
            )
        return tuple([await self._level(one) for one in (*account.folder_ids, account.account_id)])

    async def _is_enabled(self) -> bool:
        answer = await self._directory.call("GetResourceDirectory", None, {})
        directory = answer.get("ResourceDirectory")
        return not isinstance(directory, Mapping) or directory.get("ControlPolicyStatus") != "Disabled"

    async def _level(self, target_id: str) -> tuple[Stated, ...]:
        if target_id not in self._levels:
            self._levels[target_id] = asyncio.ensure_future(self._attached(target_id))
        return await self._levels[target_id]

    async def _attached(self, target_id: str) -> tuple[Stated, ...]:
        path = ("ControlPolicyAttachments", "ControlPolicyAttachment")
        listing = PagedList(self._directory, "ListControlPolicyAttachmentsForTarget", None, path)
        _, found = await listing.whole({"TargetId": target_id}, named="PolicyId")
        statements: list[Stated] = []
        for one in found:
            policy_id = str(one["PolicyId"])
            if policy_id not in self._policies:
                self._policies[policy_id] = asyncio.ensure_future(
                    self._directory.document(
                        "GetControlPolicy", {"PolicyId": policy_id}, "ControlPolicy", "PolicyDocument"
                    )
                )
            statements += await self._policies[policy_id]
        return tuple(statements)


def resource_of(action: str, account_id: str) -> str:
    """Return what RAM asks an action's right for: of changes as it is documented, of reads anything of the product.

    RAM gives RevokeSecurityGroup for groups, and AuthorizeSecurityGroup and ModifySecurityGroupRule for "*" only.
    """
    product, _, name = action.partition(":")
    if name.startswith(("Authorize", "Modify")):
        return "*"
    return f"acs:{product}:*:{account_id}:{'securitygroup/*' if name.startswith('Revoke') else '*'}"


class Policies:
    """What the policies say that bind one role of one account.

    Attributes:
        unread: why not all could be read; empty if they could.
    """

    def __init__(self, attached: tuple[Stated, ...] | CloudError, control: Levels | CloudError) -> None:
        self._attached = attached
        self._control = control
        self.unread = "; ".join(_told(one) for one in (attached, control) if isinstance(one, CloudError))

    def judge(self, action: str, account_id: str) -> Permitted:
        """Return whether they allow an action; not known where those that were read do not tell."""
        resource = resource_of(action, account_id)
        attached = self._by([self._attached], action, resource)
        control = self._by(self._control, action, resource)
        right = both(attached, control)
        if right == "denied":
            is_attached = attached == "denied"
            reason = "no attached policy allows it, or one denies it" if is_attached else "a control policy"
            return Permitted(action, right, "policies" if is_attached else "control policies", reason)
        if right == "allowed":
            return Permitted(action, right, "policies")
        in_part = "the policies allow it for some resources or in some cases only"
        return Permitted(action, right, reason=self.unread or in_part)

    def _by(
        self, levels: Iterable[tuple[Stated, ...] | CloudError] | CloudError, action: str, resource: str
    ) -> Right:
        """Return what all levels allow together; of what could not be read it is not known."""
        if isinstance(levels, CloudError):
            return "not_known"
        right: Right = "allowed"
        for level in levels:
            one: Right = "not_known" if isinstance(level, CloudError) else judge(level, action, resource)
            right = both(right, one)
        return right


def _told(error: CloudError) -> str:
    what = "attached policies" if error.action in {"ListPoliciesForRole", "GetPolicy"} else "control policies"
    return f"the {what} could not be read ({error.action or 'they'}: {error.code})"
