"""The rights of one account's roles: what a run needs, what the policies say of it, and the policy that gives it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import msgspec

from accounts import Account
from accounts.ram import Allow, Stated, policy_text
from orchestrator.cloud.client import AccountSession
from orchestrator.cloud.errors import CloudError, Denied
from orchestrator.inventory.policies import Levels, Policies, attached_policies
from orchestrator.inventory.read_probe import Permitted

Does = Literal["reads", "changes"]


class RoleRight(msgspec.Struct, frozen=True):
    """Whether a role of an account may call what a run needs of it.

    Attributes:
        role: its name.
        does: what the action is for: reads or changes.
        permitted: the action, and what was found out.
        is_needed: a run is incomplete without it.
    """

    role: str
    does: Does
    permitted: Permitted
    is_needed: bool = True

    @property
    def is_lacking(self) -> bool:
        """Whether it is needed, and denied."""
        return self.is_needed and self.permitted.right == "denied"


class ToPaste(msgspec.Struct, frozen=True):
    """A RAM policy that gives a role what it lacks.

    Attributes:
        role: whose; "hub" for the hub's own user or role.
        why: what it is for.
        accounts: where it is lacking.
        policy: the document.
    """

    role: str
    why: str
    accounts: tuple[str, ...]
    policy: str


class AccountRights:
    """Judges the rights of one account by the policies that bind its roles, which are read when they are needed.

    Attributes:
        account: the account.
        examiner: a session that reads, and reads policies if its role may.
        is_denied: it may not read the attached policies.
    """

    def __init__(self, account: Account, examiner: AccountSession, control: Levels | CloudError) -> None:
        self.account = account
        self.examiner = examiner
        self.is_denied = False
        self._control = control
        self._attached: dict[str, tuple[Stated, ...] | CloudError] = {}

    async def policies(self, role: str) -> Policies:
        """Return what binds a role, as far as it can be read; who was denied one is not asked for another."""
        if role not in self._attached:
            before = next(iter(self._attached.values()), None) if self.is_denied else None
            self._attached[role] = before if before is not None else await self._read(role)
        return Policies(self._attached[role], self._control)

    async def _read(self, role: str) -> tuple[Stated, ...] | CloudError:
        try:
            return await attached_policies(self.examiner, role)
        except CloudError as error:
            self.is_denied |= isinstance(error, Denied) and error.action != "AssumeRole"
            return error

    async def filled(self, role: str, permitted: Sequence[Permitted]) -> list[Permitted]:
        """Fill in by the policies what asking left open; they are read only where it did."""
        if all(one.right != "not_known" for one in permitted):
            return list(permitted)
        policies = await self.policies(role)
        return [_filled_in(one, policies, self.account) for one in permitted]


def _filled_in(one: Permitted, policies: Policies, account: Account) -> Permitted:
    """Return what the policies say of a right that asking left open."""
    if one.right != "not_known":
        return one
    judged = policies.judge(one.action, account.account_id)
    return one if judged.right == "not_known" else judged


def denied_by(rights: Mapping[str, Sequence[RoleRight]], role: str) -> ToPaste | None:
    """Return the policy that gives a role what it was denied; None if it was denied nothing.

    Args:
        rights: by account.
        role: the role's name.
    """
    where = {
        account_id: [
            one.permitted.action for one in found if one.role == role and one.permitted.right == "denied"
        ]
        for account_id, found in rights.items()
    }
    actions = dict.fromkeys(action for found in where.values() for action in found)
    if not actions:
        return None
    named = tuple([account_id for account_id, found in where.items() if found])
    return ToPaste(role, "what it was denied", named, policy_text(_statements(actions)))


def _statements(actions: Iterable[str]) -> Iterable[Allow]:
    """Yield statements that allow the actions, each on as little as RAM lets it be limited to."""
    by_resource: dict[str, list[str]] = {}
    for action in actions:
        of_groups = action.startswith(("ecs:Revoke", "ecs:DescribeSecurityGroup"))
        by_resource.setdefault("acs:ecs:*:*:securitygroup/*" if of_groups else "*", []).append(action)
    for resource, found in by_resource.items():
        yield Allow(found, (resource,))
