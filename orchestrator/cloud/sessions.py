"""The one place where sessions are made: an account, entered by a role, with no more rights than a policy gives."""

from __future__ import annotations

from msgspec.structs import replace

from accounts.credentials import (
    AssumedRole,
    Credentials,
    CredentialSource,
    RoleOrOwn,
    RoleSession,
    role_arn,
)
from orchestrator.cloud.client import AccountSession, Client
from orchestrator.cloud.errors import CloudError, Denied


class Sessions:
    """Makes the sessions of one run, or of one invocation of the function.

    Attributes:
        own: the account whose credentials all others are entered by.
    """

    def __init__(self, client: Client, own: AccountSession, session: RoleSession) -> None:
        """Remember how accounts are entered.

        Args:
            client: speaks to the cloud.
            own: asks STS, and lets into its own account where the role does not exist.
            session: how every session is made, but for its policy.
        """
        self._client = client
        self.own = own
        self._session = session

    def enter(self, account_id: str, role: str, policy: str) -> AccountSession:
        """Return a session that may do what the policy says, and no more than the role. It asks STS when first used.

        Args:
            account_id: to be entered.
            role: the role's name, the same in every account; empty for the own account by its own credentials.
            policy: a RAM policy, see `accounts.ram`.

        Raises:
            Denied: no role is named, and it is another account.
        """
        return AccountSession(self._client, account_id, self._source(account_id, role, policy))

    def _source(self, account_id: str, role: str, policy: str) -> CredentialSource:
        is_own = account_id == self.own.account_id
        if role:
            session = replace(self._session, policy=policy)
            assumed = AssumedRole(self.own, role_arn(account_id, role), session)
            return _Named(RoleOrOwn(assumed, self.own.source) if is_own else assumed, assumed.role_arn)
        if is_own:
            return self.own.source
        message = "it is another account, and no role is named to enter it by (SGSWEEP_REMEDIATION_ROLE)"
        raise Denied(code="NoRole", message=message, account_id=account_id)


class _Named:
    """A source whose refusals name the role, and so the member: AssumeRole is the hub's call, and names the hub."""

    def __init__(self, source: CredentialSource, role: str) -> None:
        self._source = source
        self._role = role

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        try:
            return await self._source.credentials(not_this=not_this)
        except CloudError as error:
            raise _named(error, self._role) from None


def _named(error: CloudError, role: str) -> CloudError:
    """Return the error as one of entering by that role; several may be waiting for the one that it was."""
    found = type(error)(code=error.code, message=f"entering {role}: {error.message}")
    vars(found).update({name: value for name, value in vars(error).items() if name != "message"})
    return found
