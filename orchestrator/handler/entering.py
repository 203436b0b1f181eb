"""Sessions: which identity reads and changes the groups of an account, and the proof of where it is."""

from __future__ import annotations

from accounts import Account
from accounts.credentials import CredentialSource, Session, read_policy, session_name
from accounts.entry import Identity, entrance, identify, prove
from orchestrator.cloud.client import AccountSession, Client
from orchestrator.cloud.errors import CloudError, Denied
from orchestrator.handler.settings import Run, Settings


class Sessions:
    """Makes the sessions of one invocation."""

    def __init__(self, client: Client, settings: Settings, run: Run, own: CredentialSource) -> None:
        self._client = client
        self._settings = settings
        self._run = run
        self._own = own
        self._own_account = run.account_id
        self._readers: dict[str, AccountSession] = {}
        self._proven: dict[str, Identity] = {}

    @property
    def own(self) -> AccountSession:
        """The function's own account with its own credentials."""
        return AccountSession(self._client, self._own_account, self._own)

    async def reader(self, account_id: str) -> AccountSession:
        """Return a session that may read and nothing else, whatever the role allows.

        Raises:
            CloudError: there is no way into the account.
        """
        if not self._own_account:  # not every context tells it
            self._own_account = (await identify(self.own)).account_id
        if account_id not in self._readers:
            self._readers[account_id] = self.enter(account_id, read_policy())
        return self._readers[account_id]

    def enter(self, account_id: str, policy: str) -> AccountSession:
        """Return a session that may do what the policy says, and no more than the role; `reader` comes first.

        Raises:
            Denied: there is no way into the account.
        """
        is_own = account_id == self._own_account
        if not self._settings.role:
            if is_own:
                return AccountSession(self._client, account_id, self._own)
            message = "it is another account, and SGSWEEP_REMEDIATION_ROLE names no role to enter it by"
            raise Denied(code="NoRole", message=message, account_id=account_id)
        session = Session(
            name=session_name(self._run.request_id), external_id=self._settings.external_id, policy=policy
        )
        account = Account(account_id=account_id, is_hub=is_own)
        source = entrance(account, self._settings.role, session, self.own, self._own)
        return AccountSession(self._client, account_id, source)

    async def prove(self, session: AccountSession) -> Identity:
        """Return who the session is, having made sure that it is in its account.

        Raises:
            CloudError: it cannot be told.
            WrongAccountError: it is in another.
        """
        if session.account_id not in self._proven:
            self._proven[session.account_id] = await prove(session, session.account_id)
        return self._proven[session.account_id]


def reason_of(error: BaseException) -> str:
    """Return an error as text; one of the cloud tells its code and RequestId."""
    return str(error) if isinstance(error, CloudError) else f"{type(error).__name__}: {error}"
