"""Sessions: which identity reads and changes the groups of an account, and the proof of where it is."""

from __future__ import annotations

from datetime import datetime, timezone

from accounts.credentials import CredentialSource, RoleSession, session_name
from accounts.identity import Identity, identify, prove
from orchestrator.cloud.client import AccountSession, Client
from orchestrator.cloud.errors import CloudError, Denied
from orchestrator.cloud.sessions import Sessions
from orchestrator.handler.members import Members
from orchestrator.handler.settings import PlatformContext, Settings
from orchestrator.inventory import read_policy


class Entrances:
    """The ways into the accounts of one invocation.

    Attributes:
        own: the function's own account with its own credentials.
    """

    def __init__(self, sessions: Sessions, role: str, members: Members) -> None:
        self.own = sessions.own
        self._members = members
        self._admitted = {self.own.account_id}
        self._sessions = sessions
        self._role = role
        self._readers: dict[str, AccountSession] = {}
        self._proven: dict[str, Identity] = {}

    async def admit(self, account_id: str) -> bool:
        """Tell whether the account is ours; only then it may be entered.

        Raises:
            CloudError, DiscoveryError: that cannot be told.
        """
        # without a role no other account can be entered, and the error that says so needs no directory
        if account_id not in self._admitted and (not self._role or await self._members.has(account_id)):
            self._admitted.add(account_id)
        return account_id in self._admitted

    def reader(self, account_id: str) -> AccountSession:
        """Return a session that may read and nothing else, whatever the role allows.

        Raises:
            Denied: there is no way into the account.
        """
        if account_id not in self._readers:
            self._readers[account_id] = self.enter(account_id, read_policy())
        return self._readers[account_id]

    def enter(self, account_id: str, policy: str) -> AccountSession:
        """Return a session that may do what the policy says, and no more than the role.

        Raises:
            Denied: there is no way into the account, or nobody has said that it is ours.
        """
        if account_id not in self._admitted:
            message = "it is not known to be one of ours, so no role of it is asked for"
            raise Denied(code="NotAMember", message=message, account_id=account_id)
        return self._sessions.enter(account_id, self._role, policy)

    async def prove(self, session: AccountSession) -> Identity:
        """Return who the session is, having made sure that it is in its account.

        Raises:
            CloudError: it cannot be told.
            WrongAccountError: it is in another.
        """
        if session.account_id not in self._proven:
            self._proven[session.account_id] = await prove(session, session.account_id)
        return self._proven[session.account_id]


async def entrances(
    client: Client, settings: Settings, run: PlatformContext, own: CredentialSource
) -> Entrances:
    """Return the ways into the accounts.

    Raises:
        CloudError: the context does not tell the function's own account, and STS does not either.
    """
    account_id = run.account_id or (await identify(AccountSession(client, "", own))).account_id
    session = RoleSession(name=session_name(run.request_id), external_id=settings.external_id)
    sessions = Sessions(client, AccountSession(client, account_id, own), session)
    members = Members(sessions.own, settings.accounts, lambda: datetime.now(timezone.utc))
    return Entrances(sessions, settings.role, members)


def reason_of(error: BaseException) -> str:
    """Return an error as text; one of the cloud tells its code and RequestId."""
    return str(error) if isinstance(error, CloudError) else f"{type(error).__name__}: {error}"
