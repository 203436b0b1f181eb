"""How an account is entered: which role, by whose credentials, and the proof of where one arrived."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts import Account
from accounts.credentials import AssumedRole, CredentialSource, RoleOrOwn, Session, role_arn
from accounts.official import Call, ask

_STS = "2015-04-01"


class Identity(msgspec.Struct, frozen=True):
    """Who a caller is, as STS GetCallerIdentity says.

    Attributes:
        account_id: the account it belongs to.
        arn: of the user or the session.
        kind: Account, RAMUser or AssumedRoleUser.
    """

    account_id: str
    arn: str
    kind: str


class WrongAccountError(Exception):
    """Credentials lead into another account than the one that was to be entered."""

    code = "WrongAccount"


def entrance(
    account: Account, role: str, session: Session, hub: Call, own: CredentialSource
) -> CredentialSource:
    """Return the source of credentials for an account.

    Args:
        account: to be entered.
        role: the role's name, the same in every account.
        session: how the session is made.
        hub: asks STS.
        own: the hub's own credentials, for its own account where that role does not exist.
    """
    assumed = AssumedRole(hub, role_arn(account.account_id, role), session)
    return RoleOrOwn(assumed, own) if account.is_hub else assumed


async def identify(call: Call) -> Identity:
    """Return who asks (STS GetCallerIdentity, which needs no right)."""
    answer: dict[str, Any] = await ask(call, _STS, "GetCallerIdentity")
    if not answer.get("AccountId"):  # an empty id would be equal to another empty id
        raise WrongAccountError("STS GetCallerIdentity does not say which account the credentials belong to")
    return Identity(
        account_id=str(answer.get("AccountId") or ""),
        arn=str(answer.get("Arn") or ""),
        kind=str(answer.get("IdentityType") or ""),
    )


async def prove(call: Call, account_id: str) -> Identity:
    """Return who asks, having made sure that it is in the account meant. Before any change.

    Raises:
        WrongAccountError: it is another account, or STS does not say.
    """
    identity = await identify(call)
    if identity.account_id != account_id:
        raise WrongAccountError(
            f"the credentials for {account_id} belong to {identity.account_id or 'none'} ({identity.arn})"
        )
    return identity
