"""How a finding stands once changes have been made."""

import pytest
from msgspec.structs import replace

from orchestrator.journal import Effect, OutcomeKind, RuleEffects
from orchestrator.plan import Kind
from orchestrator.policy import Finding, Severity, Status
from orchestrator.report import FORMATS, ReportError, render
from orchestrator.report.view import fingerprint, standing, witness_text
from orchestrator.report.words import ENGLISH
from tests.report.sample import effect, finding, view


def stands(one: Finding, *effects: Effect) -> str:
    """How the finding stands after these changes."""
    return standing(one, RuleEffects(effects))


@pytest.mark.parametrize("what", ["revoked", "split", "narrowed", "blocked", "already_absent"])
def test_a_change_that_took_closes_the_finding(what: str) -> None:
    """Each outcome that ends the exposure closes the finding of that rule."""
    assert stands(finding(1), effect(finding(1), what)) == "closed"


@pytest.mark.parametrize("what", ["drifted", "skipped", "failed", "rolled_back"])
def test_a_change_that_did_not_take_leaves_it_open(what: str) -> None:
    """What failed, was skipped, drifted or was taken back is still open."""
    assert stands(finding(1), effect(finding(1), what)) == "open"


def test_a_rollback_opens_the_finding_again() -> None:
    """However it ended, and though it has not ended: a rule that may stand again is not told as closed."""
    one = finding(1)
    undone = effect(one, "rolled_back")
    assert undone.outcome is not None
    assert stands(one, effect(one), undone) == stands(one, undone, effect(one)) == "open"
    assert stands(one, effect(one), replace(undone, outcome=None)) == "open"
    failed = replace(undone.outcome, outcome=OutcomeKind.failed)
    assert stands(one, effect(one), replace(undone, outcome=failed)) == "open"


def test_what_one_plan_closed_another_plans_failure_does_not_open() -> None:
    """Two plans of a run are in no order: what failed under one and was closed under the other is closed."""
    one = finding(1)
    closed, failed = effect(one, job="apply:2"), effect(one, "failed", job="apply:1")
    assert stands(one, failed, closed) == stands(one, closed, failed) == "closed"


def test_another_rule_of_the_group_stays_open() -> None:
    """An outcome speaks for its own rule, account, region and group only."""
    one = finding(1)
    for key in ("account_id", "region_id", "security_group_id", "rule_id"):
        assert stands(replace(one, **{key: "another"}), effect(one)) == "open"


@pytest.mark.parametrize(
    ("what", "action", "left"),
    [
        ("revoked", "revoke", "closed"),
        ("split", "split", "open"),
        ("narrowed", "narrow", "open"),
        ("blocked", "block", "open"),
        ("already_absent", "revoke", "closed"),
        ("already_absent", "split", "closed"),
        ("already_absent", "block", "open"),
    ],
)
def test_a_change_closes_what_it_was_planned_for(what: str, action: Kind, left: str) -> None:
    """A rule that fails two checks and was changed for one of them still fails the other, unless it is gone.

    Where a block was there already the rule still stands; where a rule to be revoked was absent, it does not.
    """
    one = finding(0)
    done = effect(one, what, action=action)
    assert stands(one, done) == "closed"
    assert stands(replace(one, check_id="all-ports"), done) == left


def test_undetermined_is_its_own_standing() -> None:
    """A rule that could not be judged has status open, and is told apart from what is known to be open."""
    assert stands(finding(verdict="undetermined")) == "undetermined"


def test_what_is_told_apart_is_its_own_standing() -> None:
    """A wide source that does not count as open has status open, and its own column; a waiver sets it aside first."""
    wide = finding(check_id="wide", wide_for="caches", is_apart=True)
    assert stands(wide) == "wide"
    assert stands(replace(wide, status=Status.exempt)) == "exempt"
    assert stands(replace(wide, is_apart=False)) == "open"


def test_wide_sources_of_one_rule_have_each_a_fingerprint() -> None:
    """A rule may be wide for several checks; a service that knows results by it would drop all but one."""
    wide = finding(check_id="wide", wide_for="caches")
    assert fingerprint(wide) != fingerprint(replace(wide, wide_for="ssh"))


def test_the_fingerprint_moves_with_place_and_check_only() -> None:
    """Names, severity and reasons may change between runs; the finding is still the same one."""
    one = finding(1)
    assert fingerprint(one) == fingerprint(
        replace(one, account_name="new", severity=Severity.low, reason="other")
    )
    keys = ("account_id", "region_id", "security_group_id", "rule_id", "check_id")
    different = [replace(one, **{key: "x"}) for key in keys]
    assert len({fingerprint(item) for item in [one, *different]}) == 6


def test_only_a_packet_that_gets_through_is_a_witness() -> None:
    """A shadowed rule lets nothing through and an undetermined one is not known to."""
    tcp = {"protocol": "tcp", "port": 22, "source": "1.0.0.1"}
    assert witness_text(finding(witness=tcp)) == "tcp/22 from 1.0.0.1"
    assert witness_text(finding(witness=tcp, direction="egress")) == "tcp/22 to 1.0.0.1"
    assert witness_text(finding(witness={**tcp, "protocol": "icmp", "port": None})) == "icmp from 1.0.0.1"
    assert not witness_text(finding(0, status="shadowed"))
    assert not witness_text(finding(0, verdict="undetermined"))
    assert not witness_text(finding(0, witness=None))


def test_long_lists_are_cut_and_say_so() -> None:
    """A list is shown to its fourth part, and how many more there are."""
    assert ENGLISH.some(["a", "b", "c", "d"]) == "a, b, c, d"
    assert ENGLISH.some(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d and 2 more"


def test_an_unknown_format_is_refused() -> None:
    """The refusal names the formats there are, and nothing has been written by then."""
    written: list[str] = []
    with pytest.raises(ReportError, match="html, json, csv, sarif, ocsf"):
        render(view(), "pdf", written.append)
    assert not written


@pytest.mark.parametrize("format_", FORMATS)
def test_a_format_needs_no_plan_and_no_findings(format_: str) -> None:
    """An empty run renders in every format."""
    written: list[str] = []
    render(view(), format_, written.append)
    assert "".join(written)


def test_a_run_without_changes_has_none() -> None:
    """What was changed is known by the effects that have ended."""
    assert not RuleEffects(())
    assert not RuleEffects([replace(effect(finding()), outcome=None)])
    assert RuleEffects([effect(finding())])
