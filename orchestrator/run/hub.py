"""The cloud as one command needs it: who the hub is, which accounts there are, a session for each of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from accounts import Account
from accounts.credentials import (
    CredentialSource,
    HubCredentials,
    HubCredentialsError,
    RoleSession,
    UnusableKeyError,
    session_name,
)
from accounts.discovery import Discovered, discover
from accounts.identity import Identity, identify
from orchestrator.cloud.attempt_log import log_attempts
from orchestrator.cloud.client import AccountSession, Client
from orchestrator.cloud.sessions import Sessions
from orchestrator.cloud.stats import Attempt, Observer
from orchestrator.config import Config
from orchestrator.inventory import RegionReader, ResourceCenter, examine_policy, read_policy
from orchestrator.run.connection import Connection
from orchestrator.run.filters import Filters
from orchestrator.run.progress import Progress
from orchestrator.run.refusals import RefusedError, UsageError
from orchestrator.securitygroup import Placement

_NOBODY = frozenset(
    {"ConnectTimeout", "ConnectionFailed", "ConnectionReset", "Timeout"}
)  # which are tried again
_LONG_WAIT_SECONDS, _WAITS_TOLD = 5.0, 2


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
        organization = config.organization
        self._sessions = Sessions(
            client,
            AccountSession(client, identity.account_id, own),
            RoleSession(
                name=session_name(run_id),
                external_id=organization.external_id,
                source_identity=organization.source_identity,
                duration_seconds=organization.session_seconds,
            ),
        )

    @property
    def connection(self) -> Connection:
        """Who acts, against which cloud, and by which way."""
        return Connection(
            endpoint=self.config.cloud.identity,
            hub_account_id=self.identity.account_id,
            hub_arn=self.identity.arn,
            proxy=self.client.proxy,
            ca_sha256=self.client.ca_sha256,
        )

    @property
    def own(self) -> AccountSession:
        """The hub's own account, by its own credentials."""
        return self._sessions.own

    async def discover(self, filters: Filters) -> Discovered:
        """Return the accounts a sweep visits.

        Raises:
            DiscoveryError: a filter matches nothing.
            CloudError: the hub may not list accounts.
        """
        organization = filters.narrow(self.config.organization)
        return await discover(self.own, organization, self.identity.account_id)

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

    def longest_waits(self) -> list[str]:
        """Return which accounts wait longest for the provider's quota, how long, and for what: a few words each."""
        found = [
            (queue.opens_in_seconds + queue.waiting / queue.calls_per_second, queue)
            for queue in self.client.limiter.queues()
            if queue.calls_per_second
        ]
        worst = sorted((one for one in found if one[0] >= _LONG_WAIT_SECONDS), key=lambda one: -one[0])
        return [
            f"{queue.account_id} waits about {seconds:.0f} s for its quota of {queue.action}"
            f"{f' in {queue.region_id}' if queue.region_id else ''} ({queue.waiting} calls)"
            for seconds, queue in worst[:_WAITS_TOLD]
        ]

    def reader(self, account: Account) -> AccountSession:
        """Return a session that may read and nothing else, whatever the role allows."""
        return self._sessions.enter(account.account_id, self.config.organization.role, read_policy())

    def examiner(self, account: Account) -> AccountSession:
        """Return a session that may read, and read what the account's roles may do, as far as the role may."""
        return self._sessions.enter(account.account_id, self.config.organization.role, examine_policy())

    def bounded_reader(self, account: Account, policy: str) -> AccountSession:
        """Return a session by the read role that may do what the policy says and no more."""
        return self._sessions.enter(account.account_id, self.config.organization.role, policy)

    def entered(self, account: Account, role: str, policy: str) -> AccountSession:
        """Return a session by a role that is named, which may do what the policy says and no more."""
        return self._sessions.enter(account.account_id, role, policy)

    def writer(self, account: Account, policy: str) -> AccountSession:
        """Return a session that may do what the policy says, by the remediation role."""
        return self._sessions.enter(account.account_id, self.config.organization.remediation_role, policy)

    def resource_center(self) -> ResourceCenter:
        """Return the second witness of what groups there are, asked by the hub's own credentials."""
        return ResourceCenter(self._sessions.own, self.config.organization.api)

    def region_reader(self, session: AccountSession, account: Account, region_id: str) -> RegionReader:
        """Return the reader of the groups of a region."""
        check_counts = self.config.cloud.checks_rule_counts
        return RegionReader(session, placement(account), region_id, check_counts=check_counts)


@asynccontextmanager
async def opened(
    config: Config, run_id: str, progress: Progress, observers: tuple[Observer, ...] = ()
) -> AsyncIterator[Hub]:
    """Open the client, know who the hub is, and tell it, before anything else is asked; observers see every attempt.

    Raises:
        RefusedError: the credentials are of another account than [organization] hub_account_id.
        CloudSettingsError: the configured endpoint, proxy or certificates cannot be used.
        UsageError: the standard chain has no credentials, or none that still hold.
        CloudError: the hub's credentials are refused.
    """
    async with Client(config.cloud, observers=(log_attempts(), _first_words(progress), *observers)) as client:
        own = HubCredentials(carry=client.carry)
        try:
            identity = await identify(AccountSession(client, "", own))
        except HubCredentialsError as error:  # nothing was begun, so nothing is incomplete
            if isinstance(error, UnusableKeyError):
                raise UsageError(str(error)) from None
            raise UsageError(
                f"{error}. Give ALIBABA_CLOUD_ACCESS_KEY_ID and ALIBABA_CLOUD_ACCESS_KEY_SECRET, or a CLI profile"
            ) from error
        _refuse_other(identity, config.organization.hub_account_id)
        hub = Hub(config, run_id, client, own, identity)
        progress.connected(hub.connection)
        yield hub


def _first_words(progress: Progress) -> Observer:
    """Return what tells that nobody answers, at once and not after the last attempt, until somebody has."""
    is_told = False

    def observe(attempt: Attempt) -> None:
        nonlocal is_told
        if not is_told and attempt.outcome in _NOBODY:
            progress.told(f"no answer to {attempt.action} yet ({attempt.outcome}); trying again")
        is_told = True

    return observe


def _refuse_other(identity: Identity, account_id: str) -> None:
    if account_id not in {"", identity.account_id}:
        raise RefusedError(
            f"the credentials are {identity.arn} of account {identity.account_id}; [organization] hub_account_id "
            f"allows {account_id} only. Nothing was asked but who they are"
        )


def placement(account: Account) -> Placement:
    """Return what the judgement needs to know of an account."""
    return Placement(
        account_id=account.account_id,
        account_name=account.name,
        folder_path=account.folder_path,
        folder_ids=account.folder_ids,
        tags=account.tags,
    )
