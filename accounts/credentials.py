"""Credentials to enter an account: the hub's from the standard chain, a member's by AssumeRole.

A source gives credentials that hold now. It renews them before they expire, or when it is told that the ones
it gave were refused, and never asks twice at once: an expired token is met by dozens of calls in the same
moment.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Protocol

import msgspec

from accounts.official import Call, pooled, quiet_official_loggers

# What a scan may call, and nothing else: the session policy that AssumeRole intersects with the role's own
# rights.
READ_ACTIONS = (
    "ecs:DescribeRegions",
    "ecs:DescribeSecurityGroups",
    "ecs:DescribeSecurityGroupAttribute",
    "ecs:DescribeSecurityGroupReferences",
    "ecs:DescribePrefixLists",
    "ecs:DescribePrefixListAttributes",
    "ecs:DescribePortRangeLists",
    "ecs:DescribePortRangeListEntries",
    "ecs:DescribeNetworkInterfaces",
    "ecs:DescribeInstances",
)

_RENEW_BEFORE = timedelta(minutes=5)
_RECHECK = timedelta(seconds=60)
_POLICY_LIMIT = 2048  # characters; STS AssumeRole
_SESSION_NAME_LIMIT = 32  # older STS deployments refuse more, though 64 is documented


_Text = Annotated[str, msgspec.Meta(min_length=1)]
_Moment = Annotated[datetime, msgspec.Meta(tz=True)]


class Credentials(msgspec.Struct, frozen=True):
    """An identity's keys. The secret and the token never show in a repr.

    Attributes:
        access_key_id: "STS." and more for a session.
        access_key_secret: signs requests.
        security_token: empty for a long-term key.
        expires_at: None if unknown or never.
        caller_arn: who this is, where known.
    """

    access_key_id: str
    access_key_secret: str
    security_token: str = ""
    expires_at: datetime | None = None
    caller_arn: str = ""

    def __repr__(self) -> str:
        return f"Credentials(access_key_id={self.access_key_id!r}, expires_at={self.expires_at}, …)"


class CredentialSource(Protocol):
    """Gives the credentials of one identity."""

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """Return credentials that hold now.

        Args:
            not_this: was just refused as expired; something newer is wanted.
        """
        ...


class HubCredentialsError(Exception):
    """The hub's credentials are missing or no longer hold: nothing more can be entered, the run must end."""

    code = "HubCredentials"


class MalformedSessionError(Exception):
    """AssumeRole answered with success, but with no session that could be used."""


class StaticCredentials:
    """A source of one given pair or session, as the demo has."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """Return the one there is.

        Raises:
            HubCredentialsError: it was refused as expired.
        """
        if not_this == self._credentials:
            raise HubCredentialsError("the credentials of the hub have expired")
        return self._credentials


class HubCredentials:
    """The standard chain of alibabacloud-credentials, in a thread: its own async refresh blocks the loop.

    The two standard variables come first, as in that chain, and are read anew each time: the library reads
    them once at import, and a long-lived function or shell may have newer ones.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str] = os.environ,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._environment = environment
        self._now = now
        self._chain: Any = None
        self._last: Credentials | None = None
        self._checked_at = datetime.min.replace(tzinfo=timezone.utc)
        self._flight = _SingleFlight()

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """Return the hub's credentials.

        Raises:
            HubCredentialsError: the chain has none, or none but those that were refused as expired.
        """
        found = (
            from_environment(self._environment)
            or self._recent(not_this)
            or await self._flight.join(self._ask)
        )
        if not_this is not None and _same(found, not_this):
            raise HubCredentialsError(
                f"the hub's credentials ({found.access_key_id}) have expired and the chain has no newer ones"
            )
        return found

    def _recent(self, not_this: Credentials | None) -> Credentials | None:
        if not_this is not None or self._now() - self._checked_at > _RECHECK:
            return None
        return self._last

    async def _ask(self) -> Credentials:
        found = await asyncio.to_thread(self._ask_chain)
        self._last, self._checked_at = found, self._now()
        return found

    def _ask_chain(self) -> Credentials:
        quiet_official_loggers()
        from alibabacloud_credentials.exceptions import CredentialException  # noqa: PLC0415 - heavy
        from alibabacloud_credentials.provider import DefaultCredentialsProvider  # noqa: PLC0415 - heavy

        quiet_official_loggers()
        try:
            if self._chain is None:
                self._chain = DefaultCredentialsProvider()
            given = self._chain.get_credentials()
        except CredentialException as error:
            raise HubCredentialsError(
                f"no credentials for the hub: {' '.join(str(error).split())[:500]}"
            ) from None
        return Credentials(
            access_key_id=given.get_access_key_id(),
            access_key_secret=given.get_access_key_secret(),
            security_token=given.get_security_token() or "",
        )


def from_environment(environment: Mapping[str, str]) -> Credentials | None:
    """Return what the standard variables hold; None if they hold no pair. An empty token means none."""
    key = environment.get("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
    secret = environment.get("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "")
    if not key or not secret:
        return None
    return Credentials(key, secret, environment.get("ALIBABA_CLOUD_SECURITY_TOKEN", ""))


def _same(one: Credentials, other: Credentials) -> bool:
    return (one.access_key_id, one.security_token) == (other.access_key_id, other.security_token)


class _SingleFlight:
    """Lets concurrent askers share one answer. One of them going away does not take it from the others."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Credentials] | None = None

    async def join(self, ask: Callable[[], Any]) -> Credentials:
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(ask())
            self._task.add_done_callback(_retrieved)
        return await asyncio.shield(self._task)


def _retrieved(task: asyncio.Task[Credentials]) -> None:
    """Mark the error as seen: if every asker was cancelled, nobody else would."""
    if not task.cancelled():
        task.exception()


class Session(msgspec.Struct, frozen=True):
    """How sessions of a run are made.

    Attributes:
        name: RoleSessionName, see `session_name`.
        external_id: what the roles' trust asks for; empty for none.
        source_identity: a person or system to show in audit trails; empty for none.
        duration_seconds: 900 or more; at most the role's MaxSessionDuration, which is 3600 unless raised.
        policy: cuts the session's rights to these; empty for all that the role has.
    """

    name: str
    external_id: str = ""
    source_identity: str = ""
    duration_seconds: int = 3600
    policy: str = ""


class AssumedRole:
    """A member's role, entered from the hub with the official STS client over the pooled transport."""

    def __init__(
        self,
        hub: Call,
        role_arn: str,
        session: Session,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        self._hub = hub
        self.role_arn = role_arn
        self._session = session
        self._now = now
        self._last: Credentials | None = None
        self._flight = _SingleFlight()

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """Return a session that holds for minutes more.

        Raises:
            Exception: what the transport raises when the role cannot be entered.
        """
        last = self._last
        if last is not None and last is not not_this and last != not_this and self._holds(last):
            return last
        return await self._flight.join(self._assume)

    def _holds(self, credentials: Credentials) -> bool:
        margin = min(_RENEW_BEFORE, timedelta(seconds=self._session.duration_seconds / 4))
        return credentials.expires_at is None or self._now() + margin < credentials.expires_at

    async def _assume(self) -> Credentials:
        from alibabacloud_sts20150401 import models  # noqa: PLC0415 - half a second, only when a role is entered
        from alibabacloud_sts20150401.client import Client  # noqa: PLC0415 - the same

        request = models.AssumeRoleRequest(
            role_arn=self.role_arn,
            role_session_name=self._session.name,
            duration_seconds=self._session.duration_seconds,
            external_id=self._session.external_id or None,
            policy=self._session.policy or None,
            source_identity=self._session.source_identity or None,
        )
        answer = await pooled(Client, self._hub).assume_role_async(request)
        self._last = _entered(answer.body.to_map())
        return self._last


class _Given(msgspec.Struct, rename="pascal"):
    """The part of that name in AssumeRole's answer."""

    access_key_id: _Text
    access_key_secret: _Text
    security_token: _Text
    expiration: _Moment


class _User(msgspec.Struct, rename="pascal"):
    arn: _Text


class _Entered(msgspec.Struct, rename="pascal"):
    credentials: _Given
    assumed_role_user: _User


def _entered(answer: Mapping[str, object]) -> Credentials:
    """Return the session of AssumeRole's answer.

    Raises:
        MalformedSessionError: it is none; what it holds instead is not told, for it may be a secret.
    """
    try:
        found = msgspec.convert(answer, _Entered)
    except msgspec.ValidationError as error:
        raise MalformedSessionError(f"the answer holds no session: {error}") from None
    given = found.credentials
    return Credentials(
        access_key_id=given.access_key_id,
        access_key_secret=given.access_key_secret,
        security_token=given.security_token,
        expires_at=given.expiration,
        caller_arn=found.assumed_role_user.arn,
    )


class RoleOrOwn:
    """The hub's own account: entered by the others' role where it exists, else with the hub's own keys."""

    def __init__(self, role: AssumedRole, own: CredentialSource) -> None:
        self._role = role
        self._own = own
        self._use_own = False

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """Return the role's session, or the hub's own credentials if there is no such role."""
        if not self._use_own:
            try:
                return await self._role.credentials(not_this=not_this)
            except Exception as error:
                if getattr(error, "code", "") != "EntityNotExist.Role":
                    raise
                self._use_own = True
        return await self._own.credentials(not_this=not_this)


def role_arn(account_id: str, role: str) -> str:
    """Return the ARN of a role; its name is case-sensitive."""
    return f"acs:ram::{account_id}:role/{role}"


def session_name(run_id: str) -> str:
    """Return a RoleSessionName that carries the run, within the 32 characters every STS deployment takes."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in ".@-_") else "-" for char in run_id)
    return f"sgsweep-{kept}"[:_SESSION_NAME_LIMIT]


def session_policy(actions: Sequence[str], resources: Sequence[str] = ("*",)) -> str:
    """Return a RAM policy that allows just these actions.

    Raises:
        ValueError: it is longer than the 2,048 characters AssumeRole takes.
    """
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": list(resources)}
    text = msgspec.json.encode({"Version": "1", "Statement": [statement]}).decode()
    if len(text) > _POLICY_LIMIT:
        raise ValueError(f"the session policy has {len(text)} characters, AssumeRole takes {_POLICY_LIMIT}")
    return text


def read_policy() -> str:
    """Return the session policy of a scan: reads only, whatever the role may do."""
    return session_policy(READ_ACTIONS)
