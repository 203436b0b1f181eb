"""What a run is told to be, first of all: the sentences that screen, summary and report share."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import to_builtins
from msgspec.structs import replace

from orchestrator.journal import Effect, RuleEffects
from orchestrator.plan import Inverse
from orchestrator.policy import Finding
from orchestrator.report import Coverage, FindingTally, Headline, Standings, headline
from tests.report.sample import effect, finding

SEEN = Coverage(complete=True, groups_in_all=40)


def told(standings: Standings | None = None, **coverage: Any) -> Headline:
    """Return the headline of such a run, complete unless something says otherwise."""
    return headline(standings or Standings(), replace(SEEN, **coverage))


def test_doors_of_cloud_services_and_waivers_are_named_beside_ours() -> None:
    """Nothing of ours is open, but the table has critical doors: the headline says whose, and how bad they are."""
    found = told(Standings(managed={"critical": 7, "high": 4}, exempt={"low": 1}))
    assert found.text == (
        "None of our own rules is open to the Internet; "
        "11 findings of cloud services are open, 7 of them critical; 1 finding is open by exemption, low"
    )
    assert (found.tone, found.complete) == ("unsure", True)


def test_what_is_open_is_told_by_severity_rule_and_account() -> None:
    """Each number says what it counts."""
    found = told(Standings(open={"critical": 2, "high": 5}, rules=4, accounts=3, closed=9, protected=1))
    assert found.text == (
        "9 findings closed, 7 still open (2 critical, 5 high) on 4 rules in 3 accounts; "
        "1 rule of these is protected"
    )
    assert found.tone == "bad"


def test_groups_that_were_not_read_again_stand_in_the_headline() -> None:
    """A run that carried groups over is not complete, whatever else it says of itself."""
    found = told(carried_over=39)
    assert found.text == (
        "No risky port is open to the Internet in what was seen; 39 of 40 groups were not read again"
    )
    assert (found.tone, found.complete) == ("unsure", False)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ({"not_begun": 900}, "900 accounts were not begun, since the run was stopped."),
        ({"not_finished": 1}, "1 account was begun and not finished."),
        ({"accounts": 2, "groups": 1}, "2 accounts and 1 security group could not be read."),
        ({"undetermined": 3}, "3 rules could not be judged."),
        ({"because": ("counts disagree",)}, "Counts disagree."),
        ({"complete": False}, "The run stopped before everything was read."),
    ],
)
def test_what_was_not_seen_is_told_by_its_kind(what: dict[str, Any], sentence: str) -> None:
    """Not begun is not unreadable; each kind has its sentence, and none of them leaves the run complete."""
    found = told(**what)
    assert found.coverage == (sentence, "Nothing is said about what was not seen.")
    assert not found.complete
    assert "in what was seen" in found.text


@pytest.mark.parametrize("complete", [True, False])
def test_by_whose_word_it_was_all_is_told_last_and_changes_nothing(*, complete: bool) -> None:
    """One witness or two: a sentence behind the others, and the run is as complete as without it."""
    plain = told(complete=complete)
    found = told(complete=complete, witnesses=("by its own listing: no second witness",))
    assert found.coverage == (*plain.coverage, "By its own listing: no second witness.")
    assert (found.complete, found.text, found.tone) == (plain.complete, plain.text, plain.tone)


def test_a_rule_is_one_door_before_it_was_split_and_after() -> None:
    """Two checks of one rule are one door, and so are the pieces that a split, and a split of a piece, left open."""
    whole = finding(1)
    pieces = [finding(2, rule={**whole.rule, "PortRange": text}) for text in ("1/21", "23/65535", "30/65535")]
    first, second, last = pieces
    place = {name: getattr(whole, name) for name in ("account_id", "region_id", "security_group_id")}
    group = [_at(place, one, f"sgr-{n}") for n, one in enumerate((whole, first, second, last))]
    whole, first, second, last = group
    split = _split(effect(whole, "split"), [first.rule, second.rule])
    again = _split(effect(second, "split", job="apply:2"), [last.rule])
    before, after = FindingTally(RuleEffects(())), FindingTally(RuleEffects((split, again)))
    before.add(whole)
    before.add(_at(place, finding(3), whole.rule_id))
    for one in (first, last):
        after.add(one)
    assert (before.standings.rules, sum(before.standings.open.values())) == (1, 2)
    assert (after.standings.rules, sum(after.standings.open.values())) == (1, 2)


def _at(place: dict[str, str], one: Finding, rule_id: str) -> Finding:
    return replace(one, rule_id=rule_id, **place)


def _split(change: Effect, adds: list[dict[str, Any]]) -> Effect:
    assert change.action is not None
    assert change.body is not None
    action = replace(change.action, adds=tuple(adds), inverse=Inverse(revoke=tuple(adds)))
    return replace(change, body={**change.body, "action": to_builtins(action)})
