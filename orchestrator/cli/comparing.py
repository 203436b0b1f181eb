"""What `sgsweep compare` gives as text. It is what was asked for, so it goes to stdout."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

from orchestrator.cli.exit_codes import of_comparison
from orchestrator.terminal import give

if TYPE_CHECKING:
    from orchestrator.report import ComparedChecks, JudgementDifference, RuleParameters

_TITLES = {"unexplained": "UNEXPLAINED", "not_comparable": "NOT COMPARABLE", "explained": "explained"}


def text(found: ComparedChecks) -> int:
    """Give what was compared, the counts, and each difference with its reason; return the exit code."""
    for line in (*_head(found), *_counts(found), *_lines(found)):
        give(line)
    return of_comparison(found)


def names(given: list[str]) -> dict[str, str]:
    """Return which managed rule each rule is, as `--rule NAME=IDENTIFIER` says it."""
    pairs = [one.rpartition("=") for one in given]
    for name, _, identifier in pairs:
        if not name or not identifier:
            raise typer.BadParameter(
                "--rule is NAME=IDENTIFIER, like --rule cr-123=sg-risky-ports-check; the name may be the rule's id"
            )
    return {name: identifier for name, _, identifier in pairs}


def parameters(risky: list[int], allowed: list[int]) -> RuleParameters:
    """Return what the rules were set up with; what is not said is as it is where nobody sets it."""
    from orchestrator.report import RuleParameters

    given = {"risky": tuple(risky), "allowed": tuple(allowed)}
    return RuleParameters(**{name: ports for name, ports in given.items() if ports})


def _head(found: ComparedChecks) -> Iterator[str]:
    state = "" if found.complete else ", INCOMPLETE: it did not see everything"
    yield f"ours: run {found.run_id} of {found.created_at}{state}"
    other = (
        f"; {found.other_resources} about other resources, which are not compared"
        if found.other_resources
        else ""
    )
    yield f"theirs: {found.results} results about security groups{other}"
    for name, identifier in sorted(found.rules.items()):
        yield f"  rule {name}: {f'taken for {identifier}' if identifier else 'NOT KNOWN'}"
    if found.is_cut_short:
        yield "CUT SHORT: their results say that there are more of them (NextToken)"
    if found.absent_accounts:
        listed = ", ".join(found.absent_accounts[:_NAMED])
        more = (
            f" and {len(found.absent_accounts) - _NAMED} more" if len(found.absent_accounts) > _NAMED else ""
        )
        yield f"they hold nothing of {len(found.absent_accounts)} accounts that are open here: {listed}{more}"


_NAMED = 5


def _counts(found: ComparedChecks) -> Iterator[str]:
    width = max(map(len, _TITLES.values()))
    yield f"  {'agreeing'.ljust(width)}  {found.agreeing}"
    for became, title in _TITLES.items():
        kinds = Counter(one.kind for one in found.differences if one.became == became)
        each = ", ".join(f"{number} {kind.replace('_', ' ')}" for kind, number in sorted(kinds.items()))
        yield f"  {title.lower().ljust(width)}  {kinds.total()}{f': {each}' if each else ''}"


def _lines(found: ComparedChecks) -> Iterator[str]:
    for became, title in _TITLES.items():
        for one in (one for one in found.differences if one.became == became):
            yield f"{title}: {_told(one)}"


def _told(one: JudgementDifference) -> str:
    named = (
        one.config_rule
        if one.config_rule == one.managed_rule
        else f"{one.config_rule} ({one.managed_rule or '?'})"
    )
    rules = f" [{', '.join(one.rule_ids)}]" if one.rule_ids else ""
    theirs = one.theirs or "no result"
    return (
        f"{one.account_id}, {one.region_id}, {one.security_group_id}, {named}: theirs {theirs}, ours {one.ours}: "
        f"{one.why}{rules}"
    )
