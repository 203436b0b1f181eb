"""RAM policies of sessions: AssumeRole intersects them with the role's own rights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

# STS AssumeRole: the field takes 1 to 2,048 characters, but the error PolicySize says "smaller than 2048 bytes".
POLICY_LIMIT_BYTES = 2047


class PolicyTooLongError(ValueError):
    """The policy is longer than AssumeRole takes; what it is for must be divided."""


class Allow(msgspec.Struct, frozen=True):
    """One statement: these actions on these resources.

    Attributes:
        actions: such as "ecs:RevokeSecurityGroup".
        resources: their ARNs, or patterns of them.
    """

    actions: Sequence[str]
    resources: Sequence[str] = ("*",)


def session_policy(statements: Iterable[Allow]) -> str:
    """Return the policy that allows this and nothing else.

    Raises:
        PolicyTooLongError: AssumeRole would refuse it.
    """
    stated = [{"Effect": "Allow", "Action": one.actions, "Resource": one.resources} for one in statements]
    encoded = msgspec.json.encode({"Version": "1", "Statement": stated})
    if len(encoded) > POLICY_LIMIT_BYTES:
        raise PolicyTooLongError(
            f"the session policy has {len(encoded)} bytes, AssumeRole takes {POLICY_LIMIT_BYTES}"
        )
    return encoded.decode()
