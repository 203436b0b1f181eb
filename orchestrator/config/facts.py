"""What the doctor found out about this cloud, beside the configuration: probe.json, and what of it counts.

The documentation leaves questions open whose answers change what is right to do. `accounts --check` asks those that can
be asked safely, and writes down what, when and from where it learned. A file that another may have written, that cannot
be read, or that is about another cloud or hub, is not believed: everything is then as without one.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Generic, Literal, TypeVar

import msgspec

from orchestrator.journal import Untrusted, open_trusted

NAME = "probe.json"
_LONGEST = 64 * 1024  # bytes; it holds a handful of facts
_SETTLES_WITHIN = 4  # times as long as was seen: one look says little about the slowest
_SHORTEST, _LONGEST_SECONDS = 0.0, 600.0

T = TypeVar("T")


class Fact(msgspec.Struct, Generic[T], frozen=True, forbid_unknown_fields=True):
    """One answer to an open question.

    Attributes:
        value: the answer.
        learned_at: when, ISO 8601, UTC.
        source: from where: how it was asked, and of whom.
    """

    value: T
    learned_at: str
    source: str


class Facts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """The open questions that were answered; None for those that were not.

    Attributes:
        rule_count: whether RuleCount (ECS DescribeSecurityGroups) counts what DescribeSecurityGroupAttribute gives:
            "same", or "other" where two ways of reading agree with each other and it agrees with neither.
        settle_seconds: how long a change took until a reading showed it.
        rights_first: whether a change of a group that does not exist is refused for want of rights, before it is looked
            for.
        bad_id_refuses: whether one id of no rule refuses a whole RevokeSecurityGroup.
        gone_rule: the code for a rule that is gone, "success" if there is none (RevokeSecurityGroup by id).
        session_policy: whether a session policy is heeded (STS AssumeRole).
    """

    rule_count: Fact[Literal["same", "other"]] | None = None
    settle_seconds: Fact[float] | None = None
    rights_first: Fact[bool] | None = None
    bad_id_refuses: Fact[bool] | None = None
    gone_rule: Fact[str] | None = None
    session_policy: Fact[bool] | None = None

    @property
    def learned(self) -> Mapping[str, Fact[object]]:
        """Those that were answered, by name."""
        return {name: fact for name in self.__struct_fields__ if (fact := getattr(self, name)) is not None}

    def settles_within(self) -> float:
        """Return how many seconds a change may take to show, by what was seen; 0 if nothing was."""
        if self.settle_seconds is None:
            return 0.0
        return min(max(self.settle_seconds.value * _SETTLES_WITHIN, _SHORTEST), _LONGEST_SECONDS)


class Probe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file.

    Attributes:
        format: of the file.
        endpoint: the identity of the cloud that was asked.
        hub_account_id: whose credentials asked.
        facts: what was learned.
    """

    format: Literal[1] = 1
    endpoint: str
    hub_account_id: str
    facts: Facts = Facts()


class Believed(msgspec.Struct, frozen=True):
    """What of a probe.json counts.

    Attributes:
        facts: none where it is not believed.
        hub_account_id: of the hub that learned them.
        refused: why it is not believed, for people; empty if it is, or if there is none.
    """

    facts: Facts = Facts()
    hub_account_id: str = ""
    refused: str = ""


def probe_file(config: Path) -> Path:
    """Return where the facts of a configuration are kept: beside it."""
    return config.with_name(NAME)


def read_probe(path: Path, endpoint: str, hub_account_id: str = "") -> Believed:
    """Return what was learned of this cloud, if the file and its folder can only be this user's or root's work.

    Args:
        path: of probe.json.
        endpoint: the identity of the cloud that is configured.
        hub_account_id: the hub that is configured; empty for any.
    """
    try:
        with open_trusted(path) as file:
            text = file.read(_LONGEST + 1)
    except FileNotFoundError:
        return Believed()
    except Untrusted as error:
        return Believed(refused=f"{path} is not believed: {error.why}")
    except OSError as error:
        return Believed(refused=f"{path} is not believed: it cannot be read ({error.strerror})")
    try:
        probe = msgspec.json.decode(text if len(text) <= _LONGEST else b"", type=Probe)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Believed(
            refused=f"{path} is not believed: it is not as `accounts --check` writes it ({error}); remove it"
        )
    if probe.endpoint != endpoint or hub_account_id not in {"", probe.hub_account_id}:
        return Believed(
            refused=f"{path} is not believed: it was learned of {probe.endpoint} by the hub {probe.hub_account_id}"
        )
    return Believed(probe.facts, probe.hub_account_id)
