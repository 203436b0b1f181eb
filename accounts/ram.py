"""RAM policies: those of sessions, which AssumeRole intersects with a role's own rights; and what others' allow.

How RAM decides, as it is documented: a Deny that applies wins, else one Allow that applies is needed. What cannot be
told from the document alone (a condition, a resource of which only some are meant) is not known, and never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

import msgspec

# STS AssumeRole: the field takes 1 to 2,048 characters, but the error PolicySize says "smaller than 2048 bytes".
POLICY_LIMIT_BYTES = 2047

_ARN_PARTS = 5  # acs:product:region:account:kind/id

Right = Literal["allowed", "denied", "not_known"]
"""Whether a call may be made."""


class PolicyTooLongError(ValueError):
    """The policy is longer than AssumeRole takes; what it is for must be divided."""


class PolicyUnreadableError(ValueError):
    """A policy document is none that is understood."""


class Allow(msgspec.Struct, frozen=True):
    """One statement: these actions on these resources.

    Attributes:
        actions: such as "ecs:RevokeSecurityGroup".
        resources: their ARNs, or patterns of them.
    """

    actions: Sequence[str]
    resources: Sequence[str] = ("*",)


def policy_text(statements: Iterable[Allow]) -> str:
    """Return the policy document that allows this and nothing else, to be attached to a role."""
    stated = [{"Effect": "Allow", "Action": one.actions, "Resource": one.resources} for one in statements]
    return msgspec.json.encode({"Version": "1", "Statement": stated}).decode()


def session_policy(statements: Iterable[Allow]) -> str:
    """Return the policy that allows this and nothing else.

    Raises:
        PolicyTooLongError: AssumeRole would refuse it.
    """
    text = policy_text(statements)
    length = len(text.encode())
    if length > POLICY_LIMIT_BYTES:
        raise PolicyTooLongError(
            f"the session policy has {length} bytes, AssumeRole takes {POLICY_LIMIT_BYTES}"
        )
    return text


class Stated(msgspec.Struct, frozen=True):
    """One statement of somebody's policy.

    Attributes:
        allows: it allows; else it denies.
        actions: patterns, with `*` and `?`.
        resources: the same, of ARNs.
        not_actions: it is about all actions but these.
        not_resources: the same of the resources.
        is_conditional: it applies in some cases only.
    """

    allows: bool
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    not_actions: bool = False
    not_resources: bool = False
    is_conditional: bool = False


def parse_policy(text: str) -> tuple[Stated, ...]:
    """Return the statements of a policy document.

    Raises:
        PolicyUnreadableError: it is no document, or a statement of it is not understood.
    """
    try:
        document = msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PolicyUnreadableError(f"it is no JSON object ({error})") from None
    found = document.get("Statement")
    statements = [found] if isinstance(found, dict) else found
    if not isinstance(statements, list):
        raise PolicyUnreadableError("it has no list of statements")
    return tuple([_stated(one) for one in statements])


def _stated(one: object) -> Stated:
    if not isinstance(one, Mapping) or one.get("Effect") not in {"Allow", "Deny"}:
        raise PolicyUnreadableError("a statement neither allows nor denies")
    not_actions, actions = _texts(one, "Action")
    not_resources, resources = _texts(one, "Resource")
    is_conditional = bool(one.get("Condition"))
    return Stated(one["Effect"] == "Allow", actions, resources, not_actions, not_resources, is_conditional)


def _texts(one: Mapping[str, Any], name: str) -> tuple[bool, tuple[str, ...]]:
    """Return whether it is an exclusion, and the texts; a single one may stand alone."""
    is_exclusion = f"Not{name}" in one
    given = one.get(f"Not{name}" if is_exclusion else name)
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) for text in texts):
        raise PolicyUnreadableError(f"{name} of a statement is no list of texts")
    return is_exclusion, tuple(texts)


def judge(statements: Iterable[Stated], action: str, resource: str) -> Right:
    """Return whether policies that are attached together allow an action.

    Args:
        statements: of all of them.
        action: such as "ecs:RevokeSecurityGroup".
        resource: an ARN, where `*` stands for all that there are: it is allowed only if each of them is. "*" alone is
            what an action has for which RAM knows no resources, and a policy that names some does not match it.
    """
    applying = {
        (one.allows, applies)
        for one in statements
        if (applies := _applies(one, action, resource)) is not False
    }
    if (False, True) in applying:
        return "denied"
    if (True, True) in applying:
        return "not_known" if (False, None) in applying else "allowed"
    return "not_known" if (True, None) in applying else "denied"


def both(one: Right, other: Right) -> Right:
    """Return what holds where both must allow: a role's policies and its session's, or two levels of a directory."""
    if "denied" in {one, other}:
        return "denied"
    return "allowed" if one == other == "allowed" else "not_known"


def _applies(one: Stated, action: str, resource: str) -> bool | None:
    """Return whether a statement applies; None for perhaps, or to some resources only."""
    if any(_matches(pattern, action) for pattern in one.actions) == one.not_actions:
        return False
    covers = _covers(one.resources, resource)
    if one.not_resources:
        covers = None if covers is None else not covers
    return None if covers and one.is_conditional else covers


def _covers(patterns: Iterable[str], resource: str) -> bool | None:
    """Return whether the patterns cover every resource that is meant; None for some of them."""
    patterns = tuple(patterns)
    if any(_matches(pattern, resource) for pattern in patterns):
        return True  # the resource's own `*` is a character to a pattern, so only a wildcard takes it
    if resource == "*":
        return False
    return None if any(_overlap(pattern.lower(), resource.lower()) for pattern in patterns) else False


def _overlap(pattern: str, resource: str) -> bool:
    """Tell whether a pattern takes some resources of those meant: ARNs are compared part by part, as they are built."""
    mine, meant = pattern.split(":", _ARN_PARTS - 1), resource.split(":", _ARN_PARTS - 1)
    if len(mine) == len(meant) == _ARN_PARTS:
        return all(map(_meet, mine, meant))
    return _meet(pattern, resource)


@lru_cache(maxsize=4096)
def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text).replace(r"\*", ".*").replace(r"\?", "[^*]"), re.IGNORECASE | re.DOTALL)


def _matches(pattern: str, text: str) -> bool:
    return _pattern(pattern).fullmatch(text) is not None


def _meet(one: str, other: str) -> bool:
    """Tell whether some text matches both patterns."""
    reached = {0}
    reached |= _past_stars(other, reached)
    for char in one:
        if char == "*":
            reached = set(range(min(reached, default=len(other) + 1), len(other) + 1))
            continue
        reached = {
            place if other[place] == "*" else place + 1
            for place in reached
            if place < len(other) and (other[place] in {"*", "?", char} or char == "?")
        }
        reached |= _past_stars(other, reached)
    return len(other) in reached


def _past_stars(text: str, places: set[int]) -> set[int]:
    """Return the places behind the stars that stand at these: a star may stand for nothing."""
    found: set[int] = set()
    for place in places:
        end = place
        while end < len(text) and text[end] == "*":
            end += 1
            found.add(end)
    return found
