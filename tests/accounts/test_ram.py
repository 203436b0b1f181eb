"""Session policies: what they say, and how long they may be."""

from __future__ import annotations

import json

import pytest

from accounts.ram import Allow, PolicyTooLongError, session_policy
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
