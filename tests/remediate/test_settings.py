"""What may be set, and what stops a run: refused where it is made, in words that say what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from orchestrator.journal import Outcome, OutcomeKind
from orchestrator.plan import PlanError
from orchestrator.remediate import Brake, Settings, Stopped


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"max_age_hours": 0.0}, "max_age_hours is 0.0; give more than 0"),
        ({"wait_seconds": 0.0}, "wait_seconds is 0.0; give more than 0"),
        ({"first_wait_seconds": -1.0}, "first_wait_seconds is -1.0; give more than 0"),
        ({"max_failure_rate": -0.1}, "max_failure_rate is -0.1; it must lie between 0 and 1"),
        ({"max_failure_rate": 1.1}, "max_failure_rate is 1.1; it must lie between 0 and 1"),
        ({"rounds": 0}, "rounds is 0; give 1 or more"),
        ({"waves": ("some",)}, 'waves: a wave is "N accounts" or "N%", not \'some\''),
        ({"waves": ()}, 'waves is empty; give sizes like "1 account" or "5%", or "100%" alone'),
        ({"max_rules": -1}, "max_rules is -1; limits must not be negative"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(wrong: dict[str, Any], says: str) -> None:
    """It says which, and what to give."""
    with pytest.raises(PlanError) as caught:
        Settings(**wrong)
    assert str(caught.value) == f"[remediation] {says}"


@pytest.mark.parametrize("edge", [{"max_failure_rate": 0.0}, {"max_failure_rate": 1.0}, {"rounds": 1}])
def test_a_setting_at_its_edge_is_taken(edge: dict[str, Any]) -> None:
    """No failure at all, any number of them, a single try."""
    given = Settings(**edge)
    assert {name: getattr(given, name) for name in edge} == edge


def test_what_holds_where_nothing_is_set() -> None:
    """A day for a plan, a fifth of the changes may fail, all accounts at once, a rule is revoked by its id."""
    given = Settings()
    assert (given.max_age_hours, given.max_failure_rate, given.waves) == (24.0, 0.2, ("100%",))
    assert (given.wait_seconds, given.first_wait_seconds, given.rounds) == (15.0, 0.5, 4)
    assert given.revoke_by == "id"


def test_a_rule_is_revoked_by_one_of_two_ways() -> None:
    """What a file says is one of the two words."""
    for word in ("id", "content"):
        assert msgspec.convert({"revoke_by": word}, Settings).revoke_by == word
    with pytest.raises(msgspec.ValidationError, match="Invalid enum value 'name'"):
        msgspec.convert({"revoke_by": "name"}, Settings)


def ended(kind: OutcomeKind) -> Outcome:
    """A change that ended so."""
    return Outcome(
        account_id="1001", region_id="cn-hangzhou", security_group_id="sg-1", rule_id="sgr-1", action="revoke",
        outcome=kind, reason="", request_id="", effective_after="",
    )  # fmt: skip


def test_more_than_the_share_stops_and_just_the_share_does_not() -> None:
    """A fifth, once five changes were made: one of five may fail, two may not."""
    brake = Brake()
    brake.count([ended(OutcomeKind.failed)] * 4)
    brake.check()  # too few to tell
    brake = Brake()
    brake.count([ended(OutcomeKind.failed), *[ended(OutcomeKind.revoked)] * 4])
    brake.check()
    brake.count([ended(OutcomeKind.failed)])
    with pytest.raises(Stopped, match=r"^2 of 6 changes failed$"):
        brake.check()
    brake = Brake()
    brake.count([ended(OutcomeKind.failed)] * 5)
    with pytest.raises(Stopped, match=r"^5 of 5 changes failed$"):
        brake.check()


def test_a_stop_file_is_named_with_what_to_do(tmp_path: Path) -> None:
    """It stops while it is there; what stopped once stays stopped."""
    file = tmp_path / "STOP"
    brake = Brake(file)
    brake.check()
    file.touch()
    with pytest.raises(Stopped) as caught:
        brake.check()
    assert str(caught.value) == f"{file} exists: remove it to go on"
