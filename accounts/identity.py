"""Who asks: the identity behind credentials, and the proof of where one arrived."""

from __future__ import annotations

from typing import Any

import msgspec

from accounts.sdk import Call, ask

_STS = "2015-04-01"


class Identity(msgspec.Struct, frozen=True):
    """Who a caller is, as STS GetCallerIdentity says.

    Attributes:
        account_id: the account it belongs to.
        arn: of the user or the session.
    """

    account_id: str
    arn: str


class WrongAccountError(Exception):
    """Credentials lead into another account than the one that was to be entered."""

    code = "WrongAccount"


async def identify(call: Call) -> Identity:
    """Return who asks (STS GetCallerIdentity, which needs no right)."""
    answer: dict[str, Any] = await ask(call, _STS, "GetCallerIdentity")
    if not answer.get("AccountId"):  # an empty id would be equal to another empty id
        raise WrongAccountError("STS GetCallerIdentity does not say which account the credentials belong to")
    return Identity(
        account_id=str(answer.get("AccountId") or ""),
        arn=str(answer.get("Arn") or ""),
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
