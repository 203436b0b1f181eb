"""RAM policies: what ours say, and how long they may be; and what others' allow, as RAM decides."""

from __future__ import annotations

import json
import re
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accounts.ram import (
    Allow,
    PolicyTooLongError,
    PolicyUnreadableError,
    both,
    judge,
    parse_policy,
    policy_text,
    session_policy,
)
from orchestrator.inventory import READ_ACTIONS, read_policy


def test_a_policy_allows_what_it_is_told_and_nothing_else() -> None:
    """Each statement has its actions and resources; without any it is every resource."""
    found = json.loads(session_policy([Allow(["ecs:A"]), Allow(("ecs:B", "ecs:C"), ["acs:ecs:*:*:x/1"])]))
    assert found == {
        "Version": "1",
        "Statement": [
            {"Effect": "Allow", "Action": ["ecs:A"], "Resource": ["*"]},
            {"Effect": "Allow", "Action": ["ecs:B", "ecs:C"], "Resource": ["acs:ecs:*:*:x/1"]},
        ],
    }


def test_a_policy_has_at_most_2047_bytes() -> None:
    """AssumeRole's field takes 2,048 characters, its error says smaller than 2,048 bytes: the last that both allow."""
    rest = len(session_policy([Allow([""])]))
    assert len(session_policy([Allow(["x" * (2047 - rest)])])) == 2047
    with pytest.raises(PolicyTooLongError, match="2048 bytes, AssumeRole takes 2047"):
        session_policy([Allow(["x" * (2048 - rest)])])
    with pytest.raises(PolicyTooLongError):
        session_policy([Allow(["ä" * (1 + (2047 - rest) // 2)])])


def test_the_read_policy_allows_reads_only() -> None:
    """No action of it changes anything, and it fits into an AssumeRole call even of an old deployment."""
    assert all(action.split(":")[1].startswith(("Describe", "List")) for action in READ_ACTIONS)
    assert len(read_policy().encode()) <= 1024


GROUPS = "acs:ecs:*:1:securitygroup/*"
REVOKE = "ecs:RevokeSecurityGroup"


def says(*statements: dict[str, Any]) -> str:
    """A policy document."""
    return json.dumps({"Version": "1", "Statement": statements})


def allow(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """A statement that allows."""
    return {"Effect": "Allow", "Action": action, "Resource": resource, **more}


def deny(action: Any, resource: Any = "*", **more: Any) -> dict[str, Any]:
    """A statement that denies."""
    return {**allow(action, resource, **more), "Effect": "Deny"}


WHEN = {"Condition": {"IpAddress": {"acs:SourceIp": ["192.0.2.0/24"]}}}


@pytest.mark.parametrize(
    ("statements", "right"),
    [
        ([allow(REVOKE)], "allowed"),
        ([allow("ECS:revoke*")], "allowed"),
        ([allow("*")], "allowed"),
        ([allow([REVOKE], ["acs:ecs:*:*:securitygroup/*"])], "allowed"),
        ([allow([REVOKE], ["acs:ecs:*:1:*"])], "allowed"),
        ([allow(["ecs:Describe*"])], "denied"),
        ([allow(REVOKE, "acs:ecs:*:2:securitygroup/*")], "denied"),
        ([allow(REVOKE, "acs:ecs:*:*:instance/*")], "denied"),
        ([allow(REVOKE, "acs:ecs:cn-hangzhou:*:securitygroup/*")], "not_known"),
        ([allow(REVOKE, "acs:ecs:*:*:securitygroup/sg-1")], "not_known"),
        ([allow(REVOKE, **WHEN)], "not_known"),
        ([allow(REVOKE), deny("ecs:*")], "denied"),
        ([allow(REVOKE), deny("ecs:*", **WHEN)], "not_known"),
        ([allow(REVOKE), deny("ecs:*", "acs:ecs:*:*:securitygroup/sg-1")], "not_known"),
        ([allow(REVOKE), deny("ecs:*", "acs:ecs:*:*:instance/*")], "allowed"),
        ([{"Effect": "Allow", "NotAction": "ram:*", "Resource": "*"}], "allowed"),
        ([{"Effect": "Allow", "NotAction": "ecs:*", "Resource": "*"}], "denied"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "acs:ram:*:*:*"}], "allowed"),
        ([{"Effect": "Allow", "Action": "*", "NotResource": "acs:ecs:*:*:*"}], "denied"),
    ],
)
def test_what_attached_policies_allow(statements: list[dict[str, Any]], right: str) -> None:
    """A Deny that applies wins; what holds for some groups, or in some cases, is not known."""
    assert judge(parse_policy(says(*statements)), REVOKE, GROUPS) == right


def test_an_action_without_resources_needs_the_resource_star() -> None:
    """As RAM gives Authorize and Modify: whoever names groups gives nothing."""
    named = parse_policy(says(allow("ecs:AuthorizeSecurityGroup", "acs:ecs:*:*:securitygroup/*")))
    assert judge(named, "ecs:AuthorizeSecurityGroup", "*") == "denied"
    anywhere = parse_policy(says(allow("ecs:AuthorizeSecurityGroup")))
    assert judge(anywhere, "ecs:AuthorizeSecurityGroup", "*") == "allowed"


def test_our_own_policies_are_read_as_they_were_written() -> None:
    """What is to be pasted gives what was lacking, and no more."""
    ours = parse_policy(policy_text([Allow([REVOKE], [GROUPS]), Allow(["ecs:DescribeInstances"])]))
    assert judge(ours, REVOKE, GROUPS) == "allowed"
    assert judge(ours, "ecs:DescribeInstances", "*") == "allowed"
    assert judge(ours, "ecs:DeleteInstance", "*") == "denied"


def test_both_of_two_must_allow() -> None:
    """Denied by one is denied; only two that allow are enough."""
    assert both("allowed", "allowed") == "allowed"
    assert both("allowed", "denied") == both("denied", "not_known") == "denied"
    assert both("allowed", "not_known") == both("not_known", "allowed") == "not_known"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        says("everything"),  # type: ignore[arg-type]  # it is no statement
        says({"Effect": "Permit", "Action": "*", "Resource": "*"}),
        says({"Effect": "Allow", "Resource": "*"}),
        says(allow([1])),
        says(allow("*", [])),
    ],
)
def test_a_document_that_is_not_understood_is_no_policy(text: str) -> None:
    """It is refused, and never taken for one that allows nothing, or everything."""
    with pytest.raises(PolicyUnreadableError):
        parse_policy(text)


PATTERNS = st.text(alphabet="ab*?", min_size=1, max_size=5)
TEXTS = ["".join(chars) for length in range(9) for chars in product("ab", repeat=length)]


def fits(pattern: str, text: str) -> bool:
    """Whether a pattern matches a text, by the meaning of its signs."""
    spelled = "".join({"*": "[ab]*", "?": "[ab]"}.get(char, char) for char in pattern)
    return re.fullmatch(spelled, text) is not None


@given(PATTERNS, PATTERNS)
def test_a_resource_is_covered_in_full_in_part_or_not_at_all(pattern: str, resource: str) -> None:
    """Held against every text of up to eight letters: never allowed if one is left out, never denied if one is in."""
    meant = [text for text in TEXTS if fits(resource.replace("?", "a"), text)]
    right = judge(parse_policy(says(allow("x:Y", pattern))), "x:Y", resource.replace("?", "a"))
    covered = [fits(pattern, text) for text in meant]
    if resource.replace("?", "a") == "*":
        assert right == ("allowed" if set(pattern) == {"*"} else "denied")
    elif right == "allowed":
        assert all(covered)
    elif right == "denied":
        assert not any(covered)
