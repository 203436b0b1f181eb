"""The first two sentences of the page: what was found, and whether everything was seen."""

from __future__ import annotations

from dataclasses import dataclass

from orchestrator.report.survey import Survey
from orchestrator.report.view import RunView


@dataclass(frozen=True, slots=True)
class Verdict:
    """The tone ("good", "unsure" or "bad"), the headline, and the sentence about completeness."""

    tone: str
    complete: bool
    headline: str
    coverage: str


def verdict(view: RunView, survey: Survey) -> Verdict:
    """Say it in words. Complete means that the run says so *and* nothing that was found contradicts it."""
    undetermined = survey.standing("undetermined")
    unseen = survey.unreachable.rows.total
    complete = view.summary.get("complete") is True and not undetermined and not unseen
    tone = "bad" if survey.standing("open") else "good" if complete else "unsure"
    return Verdict(tone, complete, _headline(survey, complete=complete), _coverage(survey, complete=complete))


def _headline(survey: Survey, *, complete: bool) -> str:
    still, closed = survey.standing("open"), survey.standing("closed")
    if still and closed:
        return f"{count(closed, 'finding')} closed, {number(still)} still open"
    if still:
        return f"{count(still, 'open finding')} in {count(survey.accounts_open, 'account')}"
    if closed and complete:
        return f"{count(closed, 'finding')} closed, none left open"
    where = "" if complete else " in what could be seen"
    return f"No risky port is open to the Internet{where}"


def _coverage(survey: Survey, *, complete: bool) -> str:
    if complete:
        return f"Every account, region and rule in scope was read in full.{_accepted(survey)}"
    levels = survey.unreachable.levels
    unread = [
        count(levels[level], level) for level in ("account", "region", "security group") if levels[level]
    ]
    undetermined = survey.standing("undetermined")
    parts = [f"{joined(unread)} could not be read"] if unread else []
    parts += [f"{count(undetermined, 'rule')} could not be judged"] if undetermined else []
    missing = " and ".join(parts) or "the run stopped before everything was read"
    sentence = f"{missing[0].upper()}{missing[1:]}. This report says nothing about what was not seen."
    return sentence + _accepted(survey)


def _accepted(survey: Survey) -> str:
    accepted = survey.unreachable.accepted_rows.total
    return (
        f" {number(accepted)} more known to be unreachable and accepted by an owner, as listed below."
        if accepted
        else ""
    )


def number(value: object) -> str:
    """Return 12345 as "12,345", and what is not a number as a dash."""
    return f"{value:,}" if isinstance(value, (int, float)) else "–"  # noqa: RUF001  (a dash, as typeset)


def count(value: int, noun: str) -> str:
    """Return "1 account", "3 accounts"."""
    return f"{number(value)} {noun}{'' if value == 1 else 's'}"


def joined(parts: list[str]) -> str:
    """Return "a, b and c"."""
    return " and ".join(filter(None, [", ".join(parts[:-1]), *parts[-1:]]))
