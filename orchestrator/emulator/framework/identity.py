"""Who calls: long-lived keys of RAM users and root accounts, and the sessions that STS hands out."""

from __future__ import annotations

import base64
import secrets
from dataclasses import dataclass, field

from orchestrator.emulator.framework.errors import ApiError
from orchestrator.emulator.framework.quirks import Quirks
from orchestrator.emulator.world.model import Role, Statement
from orchestrator.emulator.world.policies import allows


@dataclass(frozen=True, slots=True)
class Keys:
    """What a client is given; the secrets stay out of the repr."""

    access_key_id: str
    access_key_secret: str = field(repr=False)
    security_token: str = field(default="", repr=False)


@dataclass(slots=True)
class Caller:
    """A verified identity. `policies` must all allow a call: the identity's own, then the session's."""

    account_id: str
    arn: str
    kind: str
    principal_id: str
    keys: Keys
    policies: tuple[tuple[Statement, ...], ...]
    trust_arns: tuple[str, ...]
    expires_at: float | None = None
    expired: bool = False

    def may(self, action: str, resources: tuple[str, ...]) -> bool:
        """Whether every policy allows the action on every resource."""
        return all(allows(policy, action, resource) for policy in self.policies for resource in resources)


class Identities:
    """All keys that open the emulated cloud, by access key id."""

    def __init__(self, quirks: Quirks) -> None:
        self._quirks = quirks
        self._callers: dict[str, Caller] = {}

    def add_user(
        self, account_id: str, name: str, statements: tuple[Statement, ...], keys: Keys | None = None
    ) -> Caller:
        """A RAM user with an access key of its own (made up unless given)."""
        arn = f"acs:ram::{account_id}:user/{name}"
        keys = keys or Keys(f"LTAI5t{secrets.token_hex(9)}", secrets.token_hex(15))
        trusts = (arn, f"acs:ram::{account_id}:root")
        return self._add(
            Caller(account_id, arn, "RAMUser", _number(name, account_id), keys, (statements,), trusts)
        )

    def add_root(self, account_id: str, keys: Keys | None = None) -> Caller:
        """The root identity of an account: may do everything but assume roles."""
        arn = f"acs:ram::{account_id}:root"
        keys = keys or Keys(f"LTAI5t{secrets.token_hex(9)}", secrets.token_hex(15))
        return self._add(Caller(account_id, arn, "Account", account_id, keys, (), (arn,)))

    def open_session(
        self,
        account_id: str,
        role: Role,
        session: str,
        expires_at: float,
        policy: tuple[Statement, ...] | None = None,
    ) -> Caller:
        """A new session of a role, as AssumeRole makes it."""
        keys = Keys(
            f"STS.N{secrets.token_hex(10)}",
            secrets.token_hex(20),
            "CAIS" + base64.b64encode(secrets.token_bytes(240)).decode(),
        )
        role_arn = f"acs:ram::{account_id}:role/{role.name}"
        return self._add(
            Caller(
                account_id=account_id,
                arn=f"acs:ram::{account_id}:assumed-role/{role.name}/{session}",
                kind="AssumedRoleUser",
                principal_id=f"{role_id(role.name, account_id)}:{session}",
                keys=keys,
                policies=(role.statements,) if policy is None else (role.statements, policy),
                trust_arns=(role_arn, f"acs:ram::{account_id}:root"),
                expires_at=expires_at,
            )
        )

    def _add(self, caller: Caller) -> Caller:
        self._callers[caller.keys.access_key_id] = caller
        return caller

    def find(self, access_key_id: str) -> Caller:
        """The caller of a key; InvalidAccessKeyId.NotFound where nobody has it."""
        caller = self._callers.get(access_key_id)
        if caller is None:
            raise ApiError(
                self._quirks.unknown_key_status,
                "InvalidAccessKeyId.NotFound",
                "Specified access key is not found.",
            )
        return caller

    def account_of(self, access_key_id: str) -> str:
        """The account of a key, "" where nobody has it."""
        caller = self._callers.get(access_key_id)
        return "" if caller is None else caller.account_id

    def check_token(self, caller: Caller, token: str, now: float) -> None:
        """Refuse a session token that is missing, of another session, or expired."""
        if token != caller.keys.security_token:
            if not token:
                raise ApiError(400, "MissingSecurityToken", "SecurityToken is required for this action.")
            if not token.startswith("CAIS"):
                raise ApiError(400, "InvalidSecurityToken.Malformed", "Specified SecurityToken is malformed.")
            raise ApiError(
                400,
                "InvalidSecurityToken.MismatchWithAccessKey",
                "Specified SecurityToken mismatch with the AccessKey.",
            )
        if caller.expired or (caller.expires_at is not None and now >= caller.expires_at):
            raise self._quirks.expired_token.error()

    def sessions(self) -> list[Caller]:
        """Every session handed out so far, oldest first."""
        return [caller for caller in self._callers.values() if caller.kind == "AssumedRoleUser"]

    def expire_sessions(self, account_id: str | None = None) -> int:
        """Expire all sessions (of one account) from now on; their number."""
        found = [one for one in self.sessions() if account_id in {None, one.account_id}]
        for session in found:
            session.expired = True
        return len(found)


def role_id(name: str, account_id: str) -> str:
    """A role's id: stable for its name and account."""
    return _number(name, account_id)


def _number(name: str, account_id: str) -> str:
    mixed = int.from_bytes(f"{account_id}/{name}".encode(), "big") * 2654435761 % 10**15
    return f"3{mixed:015d}"
