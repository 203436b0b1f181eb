"""How a finding stands once changes have been made."""

import pytest

from orchestrator.report import FORMATS, ReportError, render
from orchestrator.report.view import Changes, changes_of, few, fingerprint, witness_text
from tests.report.sample import finding, outcome, view


@pytest.mark.parametrize("what", ["revoked", "split", "narrowed", "blocked", "already_absent"])
def test_a_change_that_took_closes_the_finding(what: str) -> None:
    """Each outcome that ends the exposure closes the finding of that rule."""
    assert Changes([outcome(finding(1), what)], None).standing(finding(1)) == "closed"


@pytest.mark.parametrize("what", ["drifted", "skipped", "failed", "rolled_back"])
def test_a_change_that_did_not_take_leaves_it_open(what: str) -> None:
    """What failed, was skipped, drifted or was taken back is still open."""
    assert Changes([outcome(finding(1), what)], None).standing(finding(1)) == "open"


def test_the_last_outcome_counts() -> None:
    """A rollback opens the finding again, and a change after it closes it again."""
    one = finding(1)
    assert Changes([outcome(one), outcome(one, "rolled_back")], None).standing(one) == "open"
    assert Changes([outcome(one, "failed"), outcome(one)], None).standing(one) == "closed"


def test_another_rule_of_the_group_stays_open() -> None:
    """An outcome speaks for its own rule, account, region and group only."""
    one = finding(1)
    changes = Changes([outcome(one)], None)
    for key in ("account_id", "region_id", "security_group_id", "rule_id"):
        assert changes.standing({**one, key: "another"}) == "open"


def test_a_split_closes_what_it_was_planned_for() -> None:
    """A rule that fails two checks and was split for one of them still fails the other; a revoked one neither."""
    one = finding(0)
    other = {**one, "check_id": "all-ports"}
    plan = {"actions": [{**outcome(one), "check_ids": ["ssh"]}]}
    split = Changes([outcome(one, "split")], plan)
    assert (split.standing(one), split.standing(other)) == ("closed", "open")
    assert Changes([outcome(one, "revoked")], plan).standing(other) == "closed"


def test_undetermined_is_its_own_standing() -> None:
    """A rule that could not be judged has status open, and is told apart from what is known to be open."""
    assert Changes([], None).standing(finding(verdict="undetermined")) == "undetermined"


def test_the_fingerprint_moves_with_place_and_check_only() -> None:
    """Names, severity and reasons may change between runs; the finding is still the same one."""
    one = finding(1)
    assert fingerprint(one) == fingerprint(
        {**one, "account_name": "new", "severity": "low", "reason": "other"}
    )
    keys = ("account_id", "region_id", "security_group_id", "rule_id", "check_id")
    different = [{**one, key: "x"} for key in keys]
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
    assert few(["a", "b", "c", "d"]) == "a, b, c, d"
    assert few(["a", "b", "c", "d", "e", "f"]) == "a, b, c, d and 2 more"
    assert few("as it is") == "as it is"
    assert few(None) == ""


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
    assert bool("".join(written)) == (format_ != "ocsf")


def test_outcomes_are_read_once_per_rendering() -> None:
    """The index is made from the callable, not from a list that somebody gathered."""
    assert not changes_of(view())
    assert changes_of(view(outcomes=[outcome(finding())]))
