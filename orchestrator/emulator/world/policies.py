"""RAM: what a policy document says and whether it allows a call.

Evaluation as RAM documents it: an explicit Deny wins, else one Allow is needed; a session's own policy is a
second document that must allow too. Condition blocks are refused when a policy is read: nothing is silently
allowed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

import msgspec

from orchestrator.emulator.world.model import ControlPolicy, Organization, Statement

MAX_POLICY_CHARACTERS: Final = 2047  # the field says 2,048, the error "smaller than 2048 bytes"
ADMINISTRATOR: Final = (Statement("Allow", ("*",), ("*",)),)
FULL_ACCESS: Final = ControlPolicy("cp-FullAliyunAccess0", "FullAliyunAccess", ADMINISTRATOR, "System")
"""What every level has attached: without more, everything is allowed."""


class PolicyGrammarError(ValueError):
    """A policy document that RAM would not accept; the text says what is wrong."""


def read_policy(text: str) -> tuple[Statement, ...]:
    """The statements of a policy document in JSON; PolicyGrammarError where it is not one."""
    try:
        document = msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        raise PolicyGrammarError(f"not JSON: {error}") from None
    if not isinstance(document, dict) or document.get("Version") != "1":
        raise PolicyGrammarError('Version must be "1"')
    statements = document.get("Statement")
    if not isinstance(statements, list) or not statements:
        raise PolicyGrammarError("Statement must be a list with at least one item")
    return tuple(_read_statement(item) for item in statements)


def _read_statement(item: object) -> Statement:
    if not isinstance(item, dict):
        raise PolicyGrammarError("a Statement must be an object")
    unknown = set(item) - {"Effect", "Action", "NotAction", "Resource", "NotResource"}
    if unknown:
        raise PolicyGrammarError(f"unsupported element {min(unknown)}")
    if item.get("Effect") not in {"Allow", "Deny"}:
        raise PolicyGrammarError("Effect must be Allow or Deny")
    not_actions, actions = _one_of(item, "Action", "NotAction")
    not_resources, resources = _one_of(item, "Resource", "NotResource")
    return Statement(item["Effect"], actions, resources, not_actions, not_resources)


def _one_of(item: dict[str, object], name: str, negation: str) -> tuple[bool, tuple[str, ...]]:
    if (name in item) == (negation in item):
        raise PolicyGrammarError(f"exactly one of {name} and {negation} is needed")
    value = item.get(name, item.get(negation))
    values = [value] if isinstance(value, str) else value
    if (
        not isinstance(values, list)
        or not values
        or not all(isinstance(text, str) and text for text in values)
    ):
        raise PolicyGrammarError(f"{name} must be a text or a list of texts")
    return negation in item, tuple(values)


@lru_cache(maxsize=4096)
def _matcher(patterns: tuple[str, ...]) -> re.Pattern[str]:
    alternatives = (re.escape(text).replace(r"\*", ".*").replace(r"\?", ".") for text in patterns)
    return re.compile("|".join(f"(?:{text})" for text in alternatives), re.IGNORECASE | re.DOTALL)


def _applies(statement: Statement, action: str, resource: str) -> bool:
    if (_matcher(statement.actions).fullmatch(action) is not None) == statement.not_actions:
        return False
    return (_matcher(statement.resources).fullmatch(resource) is not None) != statement.not_resources


def allows(statements: Iterable[Statement], action: str, resource: str) -> bool:
    """Whether these statements allow `action` on `resource` (an ARN, or `*` for an action without resources).

    A pattern's `*` and `?` are wildcards; the resource's own `*` is a character like any other, so a policy
    that is limited to some ARNs does not match the resource `*`.
    """
    allowed = False
    for statement in statements:
        if _applies(statement, action, resource):
            if statement.effect == "Deny":
                return False
            allowed = True
    return allowed


def document(statements: Iterable[Statement]) -> str:
    """The policy document that says this, in JSON."""
    return msgspec.json.encode({"Version": "1", "Statement": [_plain(one) for one in statements]}).decode()


def _plain(one: Statement) -> dict[str, object]:
    return {
        "Effect": one.effect,
        "NotAction" if one.not_actions else "Action": one.actions,
        "NotResource" if one.not_resources else "Resource": one.resources,
    }


# --- control policies of the Resource Directory


def permit(organization: Organization, account_id: str, action: str, resources: Iterable[str]) -> bool:
    """Whether the control policies let an account do this."""
    member = organization.members.get(account_id)
    if member is None or not organization.attached_policies:
        return True
    levels = [account_id]
    folder = organization.folders.get(member.folder_id)
    while folder is not None:
        levels.append(folder.folder_id)
        folder = organization.folders.get(folder.parent_id)
    return all(
        allows(
            [one for policy in attached_to(organization, level) for one in policy.statements],
            action,
            resource,
        )
        for level in levels
        for resource in resources
    )


def attached_to(organization: Organization, target_id: str) -> list[ControlPolicy]:
    """The policies that are attached to one level: everybody's own, and what was attached beside it."""
    ids = organization.attached_policies.get(target_id, ())
    return [FULL_ACCESS, *(organization.control_policies[one] for one in ids)]
