"""The cloud as one command needs it: who the hub is, which accounts there are, a session for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec

from accounts import Account
from accounts.credentials import (
    AssumedRole,
    Credentials,
    CredentialSource,
    HubCredentials,
    RoleOrOwn,
    Session,
    read_policy,
    role_arn,
    session_name,
)
from accounts.discovery import Discovered, Filters, OrganizationSettings, discover
from orchestrator.cloud.client import AccountSession, Client, CloudSettings, Limits
from orchestrator.cloud.errors import CloudError
from orchestrator.config import CloudTable, Config
from orchestrator.securitygroup import Placement


class WrongAccountError(Exception):
    """A session turned out to be in another account than the one it was made for."""


class Identity(msgspec.Struct, frozen=True):
    """Who the hub's credentials are (STS GetCallerIdentity)."""

    account_id: str
    arn: str


class Hub:
    """Makes sessions: to read by the read role, to change by the remediation role, never one by the other."""

    def __init__(self, config: Config, run_id: str, client: Client, source: CredentialSource) -> None:
        self.client = client
        self.config = config
        self._source = source
        self._run_id = run_id
        self.identity = Identity("", "")

    async def identify(self) -> Identity:
        """Ask who the hub is.

        Raises:
            CloudError: the credentials are refused.
        """
        session = AccountSession(self.client, "", self._source)
        answer = await session.call("GetCallerIdentity", None, {}, product="sts")
        self.identity = Identity(str(answer["AccountId"]), str(answer["Arn"]))
        return self.identity

    async def discover(self, filters: Filters) -> Discovered:
        """Return the accounts a sweep visits."""
        return await discover(
            self._hub_session(), organization_settings(self.config), filters, self.identity.account_id
        )

    def reader(self, account: Account) -> AccountSession:
        """Return a session that may read and nothing else, whatever the role allows."""
        return self._session(account, self.config.organization.role, read_policy())

    def writer(self, account: Account, policy: str) -> AccountSession:
        """Return a session that may do what the policy says, by the remediation role."""
        return self._session(account, self.config.organization.remediation_role, policy)

    def _hub_session(self) -> AccountSession:
        return AccountSession(self.client, self.identity.account_id, self._source)

    def _session(self, account: Account, role: str, policy: str) -> AccountSession:
        organization = self.config.organization
        assumed: CredentialSource = AssumedRole(
            self._hub_session(),
            role_arn(account.account_id, role),
            Session(
                name=session_name(self._run_id),
                external_id=organization.external_id,
                source_identity=organization.source_identity,
                duration_seconds=organization.session_seconds,
                policy=policy,
            ),
        )
        if account.account_id == self.identity.account_id:
            assumed = RoleOrOwn(assumed, self._source)
        return AccountSession(self.client, account.account_id, assumed)


async def prove(session: AccountSession) -> str:
    """Return the caller's ARN, sure that the session is in the account it was made for.

    Raises:
        WrongAccountError: it is in another.
        CloudError: it cannot be asked.
    """
    answer = await session.call("GetCallerIdentity", None, {}, product="sts")
    if str(answer.get("AccountId")) != session.account_id:
        raise WrongAccountError(
            f"the session made for account {session.account_id} is in account {answer.get('AccountId')}: "
            "nothing is changed there"
        )
    return str(answer["Arn"])


@asynccontextmanager
async def opened(config: Config, run_id: str) -> AsyncIterator[Hub]:
    """Open the client, and know who the hub is, before anything else is asked.

    Raises:
        CloudSettingsError: the configured endpoint, proxy or certificates cannot be used.
        HubCredentialsError: the standard chain has no credentials.
        CloudError: the hub's credentials are refused.
    """
    async with Client(cloud_settings(config)) as client:
        hub = Hub(config, run_id, client, HubCredentials())
        await hub.identify()
        yield hub


def cloud_settings(config: Config) -> CloudSettings:
    """Return the cloud room's settings."""
    cloud, limits = config.cloud, config.limits
    return CloudSettings(
        site=cloud.site,
        network=cloud.network,
        proxy=cloud.proxy,
        endpoint=cloud.endpoint,
        ca_file=cloud.ca_file,
        attempts=cloud.attempts,
        deadline_seconds=cloud.deadline_seconds,
        connect_seconds=cloud.connect_timeout_seconds,
        read_seconds=cloud.read_timeout_seconds,
        limits=Limits(
            share=limits.share,
            window_seconds=limits.window_seconds,
            max_in_flight=limits.max_in_flight,
            max_in_flight_per_host=limits.max_in_flight,
        ),
    )


def endpoint_identity(cloud: CloudTable) -> str:
    """Return what tells this cloud from another: the one URL, or the site."""
    return cloud.endpoint or f"alibaba-cloud:{cloud.site}"


def placement(account: Account) -> Placement:
    """Return what the judgement needs to know of an account."""
    return Placement(
        account_id=account.account_id,
        account_name=account.name,
        folder_path=account.folder_path,
        folder_ids=account.folder_ids,
        tags=account.tags,
    )
