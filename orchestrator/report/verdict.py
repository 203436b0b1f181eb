"""The page's first sentences, made from what its survey counted."""

from __future__ import annotations

from orchestrator.report.headline import Coverage, Headline, headline, of_part
from orchestrator.report.survey import Survey
from orchestrator.report.view import NOT_BEGUN, NOT_FINISHED, RunView
from orchestrator.report.words import words


def first_said(view: RunView) -> Headline:
    """Return what a report of the run says first. Goes over its findings."""
    return verdict(view, Survey(view))


def verdict(view: RunView, survey: Survey) -> Headline:
    """Say it in words. Complete means that the run says so *and* nothing that was found contradicts it."""
    summary, unseen = view.summary, survey.unreachable
    coverage = Coverage(
        complete=summary.get("complete") is True,
        accounts=unseen.levels["account"],
        regions=unseen.levels["region"],
        groups=unseen.levels["security group"],
        not_begun=unseen.levels[NOT_BEGUN],
        not_finished=unseen.levels[NOT_FINISHED],
        undetermined=survey.standing("undetermined"),
        carried_over=summary.get("carried_over", 0),
        groups_in_all=summary.get("security_groups", 0),
        because=view.incomplete_because,
        witnesses=tuple(summary.get("second_witness", ())),
        accepted=unseen.accepted_total,
    )
    told_in = words(view.language)
    found = headline(survey.tally.standings, coverage, told_in)
    return of_part(found, told_in) if summary.get("part") else found
