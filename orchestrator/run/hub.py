"""The cloud as one command needs it: who the hub is, which accounts there are, a session for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accounts import Account
from accounts.credentials import (
    CredentialSource,
    HubCredentials,
    HubCredentialsError,
    Session,
    read_policy,
    session_name,
)
from accounts.discovery import Discovered, Organization, discover
from accounts.entry import Identity, entrance, identify
from orchestrator.cloud.client import AccountSession, Client, CloudSettings, Limits
from orchestrator.cloud.logs import log_attempts
from orchestrator.config import CloudTable, Config
from orchestrator.run.filters import Filters
from orchestrator.run.refusals import UsageError
from orchestrator.securitygroup import Placement


class Hub:
    """Makes sessions: to read by the read role, to change by the remediation role, never one by the other.

    Attributes:
        client: speaks to the cloud.
        config: what was configured.
        identity: who the hub's credentials are.
    """

    def __init__(
        self, config: Config, run_id: str, client: Client, own: CredentialSource, identity: Identity
    ) -> None:
        self.client = client
        self.config = config
        self.identity = identity
        self._own = own
        self._run_id = run_id
        self._call = AccountSession(client, identity.account_id, own)

    async def discover(self, filters: Filters) -> Discovered:
        """Return the accounts a sweep visits.

        Raises:
            DiscoveryError: a filter matches nothing.
            CloudError: the hub may not list accounts.
        """
        organization = filters.narrow(_organization(self.config))
        return await discover(self._call, organization, self.identity.account_id)

    def count_calls(self) -> tuple[int, int, int]:
        """Return the calls made so far, those of them that were throttled, and those that were retries."""
        stats = self.client.stats
        return stats.calls, stats.throttled, stats.retried

    def quota_seconds(self) -> float:
        """Return how long the fullest of the provider's buckets keeps what waits for it, as far as it is known."""
        return max(
            (
                queue.opens_in_seconds + queue.waiting / queue.calls_per_second
                for queue in self.client.limiter.queues()
                if queue.calls_per_second
            ),
            default=0.0,
        )

    def reader(self, account: Account) -> AccountSession:
        """Return a session that may read and nothing else, whatever the role allows."""
        return self._session(account, self.config.organization.role, read_policy())

    def writer(self, account: Account, policy: str) -> AccountSession:
        """Return a session that may do what the policy says, by the remediation role."""
        return self._session(account, self.config.organization.remediation_role, policy)

    def _session(self, account: Account, role: str, policy: str) -> AccountSession:
        organization = self.config.organization
        session = Session(
            name=session_name(self._run_id),
            external_id=organization.external_id,
            source_identity=organization.source_identity,
            duration_seconds=organization.session_seconds,
            policy=policy,
        )
        source = entrance(account, role, session, self._call, self._own)
        return AccountSession(self.client, account.account_id, source)


@asynccontextmanager
async def opened(config: Config, run_id: str) -> AsyncIterator[Hub]:
    """Open the client, and know who the hub is, before anything else is asked.

    Raises:
        CloudSettingsError: the configured endpoint, proxy or certificates cannot be used.
        UsageError: the standard chain has no credentials, or none that still hold.
        CloudError: the hub's credentials are refused.
    """
    async with Client(cloud_settings(config), observers=(log_attempts(),)) as client:
        own = HubCredentials()
        try:
            identity = await identify(AccountSession(client, "", own))
        except HubCredentialsError as error:  # nothing was begun, so nothing is incomplete
            raise UsageError(
                f"{error}. Give ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or a CLI profile"
            ) from error
        yield Hub(config, run_id, client, own, identity)


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


def _organization(config: Config) -> Organization:
    table = config.organization
    return Organization(
        source=table.source,
        accounts=table.accounts,
        api=table.api,
        include=table.include,
        exclude=table.exclude,
        folders=table.folders,
        tags=tuple(key_and_value(tag) for tag in table.tags),
        include_hub=table.include_hub,
    )


def key_and_value(tag: str) -> tuple[str, str]:
    """Return the key and value of "key=value"; the value of "key" alone is "", which means any."""
    key, _, value = tag.partition("=")
    return key, value
