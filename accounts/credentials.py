"""Credentials to enter an account: the hub's from the standard chain, a member's by AssumeRole.

A source gives credentials that hold now. It renews them before they expire, or when it is told that the ones
it gave were refused, and never asks twice at once: an expired token is met by dozens of calls in the same
moment.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from datetime import datetime, timedelta, timezone
from typing import Annotated, Any, Protocol

import msgspec

from accounts.chain import Carried, Chain, ChainError
from accounts.sdk import Call, pooled
from accounts.settings import SOURCE_IDENTITY_MUST, is_source_identity

_RENEW_BEFORE = timedelta(minutes=5)
_RECHECK = timedelta(seconds=60)
SESSION_PREFIX = "sgsweep-"
"""What every RoleSessionName of ours begins with."""
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


class HubUnavailableError(HubCredentialsError):
    """Who gives the hub's credentials did not answer, or had no time: asked again it may be well."""


class UnusableKeyError(HubCredentialsError):
    """A key or token holds what none can hold; the text names where it stands, and does not repeat it."""


class MalformedSessionError(Exception):
    """AssumeRole answered with success, but with no session that could be used."""

    code = "MalformedAnswer"


class ForeignSessionError(MalformedSessionError):
    """AssumeRole answered with a session of another account than was asked for: nothing is read or changed with it."""

    code = "WrongAccount"


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


CarryAsync = Callable[[str, str, Mapping[str, str], bytes], Coroutine[Any, Any, Carried]]
"""Sends a request (method, URL, headers, body); raises where there is no answer."""


class HubCredentials:
    """The standard chain of alibabacloud-credentials, in a thread: its own async refresh blocks the loop.

    The two standard variables come first, as in that chain, and are read anew each time: the library reads
    them once at import, and a long-lived function or shell may have newer ones.
    """

    def __init__(
        self,
        *,
        environment: Mapping[str, str] = os.environ,
        carry: CarryAsync | None = None,
        now: Callable[[], datetime] = lambda: datetime.now(timezone.utc),
    ) -> None:
        """Remember where to look.

        Args:
            environment: the two standard variables, and which profile is meant.
            carry: sends what the chain has to send, over the transport of all other calls; None for the library's own.
            now: the time.
        """
        self._environment = environment
        self._carry = carry
        self._now = now
        self._chain = Chain(environment)
        self._last: Credentials | None = None
        self._checked_at = datetime.min.replace(tzinfo=timezone.utc)
        self._flight = _SingleFlight()

    async def credentials(self, *, not_this: Credentials | None = None) -> Credentials:
        """Return the hub's credentials.

        Raises:
            HubCredentialsError: the chain has none, or none but those that were refused as expired.
            OtherIdentityError: what is configured failed, and the chain found somebody else.
        """
        found = (
            from_environment(self._environment)
            or self._recent(not_this)
            or await self._flight.join(lambda: self._ask(anew=not_this is not None))
        )
        if not_this is not None and _same(found, not_this):
            raise HubCredentialsError(
                f"the hub's credentials ({found.access_key_id}) have expired and the chain has no newer ones"
            )
        return found

    def _recent(self, not_this: Credentials | None) -> Credentials | None:
        last = self._last
        if last is None or self._now() - self._checked_at > _RECHECK:
            return None
        return None if not_this is not None and _same(last, not_this) else last

    async def _ask(self, *, anew: bool) -> Credentials:
        found = await asyncio.to_thread(self._ask_chain, asyncio.get_running_loop(), anew=anew)
        self._last, self._checked_at = found, self._now()
        return found

    def _ask_chain(self, loop: asyncio.AbstractEventLoop, *, anew: bool) -> Credentials:
        carry = self._carry

        def send(method: str, url: str, headers: Mapping[str, str], body: bytes) -> Carried:
            assert carry is not None, "given only where there is one"  # noqa: S101 - for the type checker
            return asyncio.run_coroutine_threadsafe(carry(method, url, headers, body), loop).result()

        try:
            found = self._chain.find(send if carry else None, anew=anew)
        except ChainError as error:
            kind = HubUnavailableError if error.is_transient else HubCredentialsError
            raise kind(f"no credentials for the hub: {error}") from None
        return _usable(found.access_key_id, found.access_key_secret, found.security_token, (found.way,) * 3)


_VARIABLES = (
    "ALIBABA_CLOUD_ACCESS_KEY_ID",
    "ALIBABA_CLOUD_ACCESS_KEY_SECRET",
    "ALIBABA_CLOUD_SECURITY_TOKEN",
)


def from_environment(environment: Mapping[str, str]) -> Credentials | None:
    """Return what the standard variables hold; None if they hold no pair. An empty token means none.

    Raises:
        UnusableKeyError: one holds what no key can hold.
    """
    key, secret, token = (environment.get(name, "") for name in _VARIABLES)
    return _usable(key, secret, token, _VARIABLES) if key and secret else None


def _usable(key: str, secret: str, token: str, names: tuple[str, ...]) -> Credentials:
    """Return the credentials. A line end in a key would forge a header, or be signed and refused as a wrong secret."""
    for text, name in zip((key, secret, token), names, strict=True):
        if not (text.isascii() and text.isprintable()) or " " in text:
            raise UnusableKeyError(
                f"{name} holds a line end, a space or another character that no key or token has: copy it again"
            )
    return Credentials(key, secret, token)


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


class RoleSession(msgspec.Struct, frozen=True):
    """How sessions of a run are made.

    Attributes:
        name: RoleSessionName, see `session_name`.
        external_id: what the roles' trust asks for; empty for none.
        source_identity: a person or system to show in audit trails, see `is_source_identity`; empty for none.
        duration_seconds: 900 or more; at most the role's MaxSessionDuration, which is 3600 unless raised.
        policy: cuts the session's rights to these; empty for all that the role has.
    """

    name: str
    external_id: str = ""
    source_identity: str = ""
    duration_seconds: int = 3600
    policy: str = ""

    def __post_init__(self) -> None:
        if self.source_identity and not is_source_identity(self.source_identity):
            raise ValueError(f"the source identity {SOURCE_IDENTITY_MUST}")


class AssumedRole:
    """A member's role, entered from the hub with the official STS client over the pooled transport."""

    def __init__(
        self,
        hub: Call,
        role_arn: str,
        session: RoleSession,
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
        try:
            answer = await pooled(Client, self._hub).assume_role_async(request)
            given = answer.body.to_map()
        except (AttributeError, TypeError, ValueError, LookupError) as error:
            # The official model takes an answer of another shape for a bug of its own; its text may hold the answer.
            raise MalformedSessionError(f"the answer holds no session ({type(error).__name__})") from None
        entered = _entered(given)
        _refuse_foreign(entered.caller_arn, self.role_arn)
        self._last = entered
        return entered


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


def _refuse_foreign(caller_arn: str, role_arn: str) -> None:
    """Refuse a session that is not in the role's account, acs:ram::ACCOUNT:assumed-role/ROLE/SESSION.

    Raises:
        ForeignSessionError: it is in another, or does not say.
    """
    wanted, given = (arn.split(":")[3:4] for arn in (role_arn, caller_arn))
    if wanted != given:
        raise ForeignSessionError(f"asked for a session of {role_arn}, was given one of {caller_arn[:200]}")


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
    return f"{SESSION_PREFIX}{kept}"[:_SESSION_NAME_LIMIT]
