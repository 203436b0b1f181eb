"""An incident's command, run again: its limits, and the plans that it finds in its folder."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from orchestrator import run
from orchestrator.cli.exit_codes import of_close
from orchestrator.cli.known_errors import explain_error
from orchestrator.emulator import Fault, Kind
from orchestrator.emulator.world.expected import Expected
from orchestrator.journal import RuleEffects
from orchestrator.plan import decode, encode, sealed
from orchestrator.policy import Status, default_checks, evaluate
from orchestrator.run import Approval, Closed, Filters, Progress
from orchestrator.run.closing import reachable
from tests.report.sample import effect
from tests.rulebook import NOW, group, permission
from tests.run.conftest import Desk

IMPATIENT = {"attempts": 1}
"""[cloud]: what fails is not tried again, so that a fault that lasts need not be waited out."""


def close(desk: Desk, **changes: object) -> Closed:
    """Close 22 everywhere."""
    config = desk.changed(**changes)
    return asyncio.run(
        run.close(config, Filters(ports=("22",)), desk.folder / "inc", "INC-1", lambda *_: None, Progress())
    )


def changed(desk: Desk) -> set[tuple[str, str]]:
    """Return the rules the run has changed, by group."""
    return {(one["security_group_id"], one["rule_id"]) for one in desk.lines("outcomes.jsonl", "inc")}


def test_the_limits_are_of_the_run_however_often_it_is_run_again(desk: Desk) -> None:
    """What an earlier attempt changed counts: running the command again is no way around a limit."""
    rails = {"limits": {"max_accounts": 1}, "remediation": {"max_rules": 8}}  # one account after another
    first = close(desk, **rails)
    assert first.changed.stopped
    before = changed(desk)
    assert 0 < len(before) <= 8
    again = close(desk, **rails)
    assert again.changed.stopped
    assert changed(desk) >= before
    assert len(changed(desk)) <= 8


def test_what_was_stopped_or_failed_is_done_by_the_same_command(desk: Desk) -> None:
    """An account that was scanned to its end is not done while its changes are not."""
    desk.emulator.set_faults(Fault(kind=Kind.ERROR_BEFORE, action="RevokeSecurityGroup"))
    assert of_close(close(desk, cloud=IMPATIENT)) == 5
    desk.emulator.set_faults()
    (desk.folder / "inc" / "STOP").touch()
    assert close(desk).changed.stopped
    (desk.folder / "inc" / "STOP").unlink()
    ended = close(desk)
    assert (ended.changed.failed, ended.changed.stopped) == ((), "")
    desk.scan("second", Filters(ports=("22",)))
    still = {
        one["security_group_id"] for one in desk.lines("findings.jsonl", "second") if one["status"] == "open"
    }
    assert not still & Expected.of(desk.emulator.world).risky


def test_what_is_protected_is_closed_only_where_it_is_named(desk: Desk) -> None:
    """All groups are protected: all stays open and is said to be; one that is named by its id is closed."""
    everything = {"protected_groups": ("*",)}
    kept = close(desk, remediation=everything)
    assert (of_close(kept), kept.left_protected, changed(desk)) == (1, kept.left_open, set())
    assert kept.summary.protected == kept.left_open > 1
    named = next(
        one["security_group_id"]
        for one in desk.lines("findings.jsonl", "inc")
        if one["status"] == "open" and one["action"] in {"revoke", "split"}
    )
    work = run.close(
        desk.changed(remediation={**everything, "change_protected": (named,)}),
        Filters(ports=("22",)), desk.folder / "inc2", "INC-2", lambda *_: None, Progress(),
    )  # fmt: skip
    ended = asyncio.run(work)
    assert {one["security_group_id"] for one in desk.lines("outcomes.jsonl", "inc2")} == {named}
    assert 0 < ended.left_protected < kept.left_protected


def test_what_is_protected_since_the_first_attempt_is_let_be(desk: Desk) -> None:
    """A plan that an earlier attempt recorded is held against the protections of today, of names too."""
    desk.emulator.set_faults(Fault(kind=Kind.ERROR_BEFORE, action="RevokeSecurityGroup"))
    assert close(desk, cloud=IMPATIENT).changed.failed
    desk.emulator.set_faults()
    before = len([call for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"])
    again = close(desk, remediation={"protected_groups": ("*",)})
    assert "is protected" in again.changed.stopped
    assert before == len(
        [call for call in desk.emulator.calls if call.changes and call.action != "AssumeRole"]
    )


@pytest.mark.parametrize("foreign", ["run_id", "hub_account_id", "endpoint", "account", "created_at"])
def test_a_plan_that_this_run_did_not_make_is_refused(desk: Desk, foreign: str) -> None:
    """The folder's plans are finished unasked, so one of another run, cloud or account, or a changed one, is not."""
    desk.emulator.set_faults(Fault(kind=Kind.ERROR_BEFORE, action="RevokeSecurityGroup"))
    assert close(desk, cloud=IMPATIENT).changed.failed
    desk.emulator.set_faults()
    paths = sorted((desk.folder / "inc" / "plans").iterdir())
    plan = decode(paths[0].read_bytes())
    other = encode(sealed(replace(plan, **{foreign: "another"}))) if foreign != "account" else b""
    paths[0].write_bytes(other or paths[1].read_bytes())
    with pytest.raises(BaseExceptionGroup) as caught:
        close(desk)
    code, text = explain_error(caught.value) or (0, "")
    assert (code, "plan" in text) == (4, True)


def test_what_stays_open_on_purpose_keeps_a_port_reachable() -> None:
    """A group that is exempt or managed lets in what was closed beside it: that is told."""
    mine, theirs = evaluate(group(permission()), default_checks(), NOW), []
    for status in (Status.exempt, Status.managed, Status.shadowed):
        (other,) = evaluate(group(permission(), SecurityGroupId=f"sg-{status.value}"), default_checks(), NOW)
        theirs.append(replace(other, status=status))
    via = tuple(one.security_group_id for one in theirs)
    found = [replace(mine[0], still_reachable_via=via), *theirs]
    closed = RuleEffects([effect(mine[0])])
    (told,) = reachable([one for one in found if one.lets_in], closed)
    assert told.via == ("sg-exempt", "sg-managed")


def test_nothing_is_changed_by_nobody_knows_whom(desk: Desk) -> None:
    """Where STS does not say whose a session is, the account is left alone, and is finished once it does."""
    desk.scan()
    made = run.plan(desk.folder / "first", desk.config)
    desk.emulator.set_faults(Fault(kind=Kind.DENIED, action="GetCallerIdentity", skip=1))  # the hub is told

    def apply() -> run.Changed:
        path = desk.folder / "first" / "plan.json"
        return asyncio.run(
            run.apply(path, Approval(made.plan.digest), desk.config, lambda *_: None, Progress())
        )

    assert set(apply().outcomes) == {"failed"}
    assert not [call for call in desk.emulator.calls.of("RevokeSecurityGroup") if call.changes]
    desk.emulator.set_faults()
    assert not apply().failed
    intents = [one for one in desk.lines("audit.jsonl") if one["phase"] == "intent"]
    assert all(f"::{one['account_id']}:" in one["who"] for one in intents)
