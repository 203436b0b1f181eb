"""What a command says at its end: sentences for a human on stderr, data on stdout; it returns the exit code."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestrator.cli import doctor, exit_codes
from orchestrator.cli.failures import failures, many
from orchestrator.cli.language import spoken
from orchestrator.cli.lines import again, line
from orchestrator.terminal import Style, document, give, page, say, table, warn

if TYPE_CHECKING:
    from accounts import SkippedAccount, Unreachable
    from orchestrator.audit import Problem
    from orchestrator.iac import Located
    from orchestrator.journal import LedgerChecked
    from orchestrator.plan import Plan
    from orchestrator.policy import Check, Explanation
    from orchestrator.run import (
        AccountList,
        Agreement,
        Changed,
        Closed,
        CodeChecked,
        CodePatched,
        Connection,
        EventTried,
        Planned,
        Progress,
        Reviewed,
        SecondWitness,
        SigningResult,
        Summary,
        Verified,
    )

_ACCOUNTS = 10  # with open findings, the worst
_SHOWN, _NAMED = 20, 5  # lines of one kind; the files of the run folder have all


def connection(found: Connection) -> None:
    """Say who acts against which cloud."""
    words = spoken()
    first, *loud = found.told()
    say(words.retold(first))
    for sentence in loud:
        warn(words.retold(sentence))


def accounts(listed: AccountList, *, checked: bool, as_json: bool = False) -> int:
    """Give one line an account: id, name, folder, and, where it was tried, what stands in the way there.

    With `as_json` the lines are left to whoever gives the object.
    """
    for visit in listed.visits:
        account = visit.account
        state = doctor.state_of(visit)
        kind = "management" if account.is_management else "hub" if account.is_hub else "member"
        columns = (account.account_id, account.name, account.folder_path, kind, *([state] if checked else []))
        if not as_json:
            give(*columns)
    _skipped(listed.skipped)
    warn(f"{len(listed.visits)} accounts, {len(listed.skipped)} skipped")
    if missing := len(listed.missing):
        warn(f"{missing} accounts cannot be entered by both roles: see the last column")
    if lacking := len(listed.lacking):
        warn(
            f"in {lacking} accounts a role lacks what a run needs: see the last column, and the policies below"
        )
    if listed.rule_counts is not None:
        _agreement(listed.rule_counts)
    if listed.witness is not None:
        _witness(listed.witness)
    if listed.examined is not None:
        doctor.told(listed, listed.examined)
    return exit_codes.of_doctor(listed)


def _skipped(skipped: Sequence[SkippedAccount]) -> None:
    """Say which accounts are left out, those of one reason together."""
    by_reason: dict[str, list[str]] = {}
    for one in skipped:
        by_reason.setdefault(one.reason, []).append(f"{one.account_id} {one.name}".strip())
    for reason, names in by_reason.items():
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        say(f"skipped {len(names)}, {reason}: {', '.join(names[:_NAMED])}{more}")


def _agreement(counts: Agreement) -> None:
    """Say how often the cloud's own count of a group's rules can be relied on."""
    if not counts.of:
        say(
            "RuleCount: no group with rules was seen, so it is not known whether it counts them as they are given"
        )
        return
    say(
        f"RuleCount: it agrees with the rules that are given in {counts.agree} of {counts.of} groups looked at"
    )
    if counts.counts_other:
        say(
            f"in {counts.counts_other} of the others two ways of reading give the same rules, and fewer than it counts"
        )
    if counts.agree < counts.of:
        say(
            'where most disagree, this cloud counts something else there: set [cloud] rule_count = "ignore". Where '
            "few do, rules were not given: a scan tells those groups as CountMismatch"
        )


def _witness(found: SecondWitness) -> None:
    """Say whether a scan will have a second witness of what groups there are."""
    if not found.error:
        say(
            f"Resource Center, the second witness, can be asked: it knows {found.groups:,} groups in "
            f"{found.accounts:,} accounts"
        )
        return
    say(
        f"Resource Center, the second witness, cannot be asked ({found.error}). A scan is no less complete for it, but "
        "has only each account's own list: enable it with cross-account search in the management account or its "
        "delegated administrator, and give the hub resourcecenter:SearchMultiAccountResources and "
        "resourcecenter:GetMultiAccountResourceCounts"
    )


def events(tried: EventTried) -> int:
    """Say whether the test event has reached the function."""
    if tried.seconds is not None:
        say(f"the event path works: a test event reached the function after {tried.seconds:.0f} s")
        return 0
    warn(
        f"no event reached the function. ActionTrail of {tried.region_id} should have RevokeSecurityGroup of "
        f"{tried.group_id} (it may take minutes: look into the function's log for that id). If it has, look at "
        "EventBridge: the rule …-group-changed of the bus default, its target, service-linked roles, dead letter"
    )
    return 3


def scan(summary: Summary, folder: Path, progress: Progress) -> int:
    """Say what the sweep came to, and what to do next."""
    _swept(summary, folder, progress, line("scan", "--resume", folder))
    if summary.open_failures:
        say(spoken()("screen.next", line=line("plan", folder)))
    return exit_codes.of_scan(summary)


def _swept(summary: Summary, folder: Path, progress: Progress, retry: str) -> None:
    words = spoken()
    say(words("screen.run", run=summary.run_id, folder=folder))
    if summary.pass_number > 1:
        say(words("screen.pass", n=summary.pass_number))
    elif summary.complete and not progress.regions:
        say(words("screen.scanned_before"))
    table(_counts(summary))
    _by_account(folder)
    _by_severity(summary)
    notes = [words("screen.exemption", note=words.retold(note)) for note in summary.exemption_notes]
    _say_first(notes, folder / "summary.json")
    _told(summary, folder)
    balancers_unknown(summary.balancers_unknown)
    if summary.carried_over:
        say(words("screen.everything_again"))
    if summary.unreachable or summary.accounts.not_begun:
        _unseen(folder / "unreachable.jsonl")
    if (not summary.complete and summary.unreachable > summary.accepted) or summary.accounts.not_begun:
        say(words("screen.listed", file=folder / "unreachable.jsonl", line=retry))


def _by_severity(summary: Summary) -> None:
    """Say how findings stand, a line for each severity that has some."""
    words = spoken()
    for severity, by_status in summary.findings.items():
        parts = [
            words("screen.of_status", n=count, status=words.term("standing", status))
            for status, count in by_status.items()
            if count
        ]
        if parts:
            told = words.term("severity", severity)
            say(words("screen.by_status", severity=told, parts=words("comma").join(parts)))


def _by_account(folder: Path) -> None:
    """Say where open findings are, the worst accounts first, in columns."""
    from orchestrator.policy import Severity
    from orchestrator.run import open_by_account

    found = open_by_account(folder)
    if not found:
        return
    words, order = spoken(), [one.value for one in Severity]
    worst = sorted(found, key=lambda one: (*(-one.open[word] for word in order), one.account_id))
    table(
        [
            (words("screen.account"), "", *(words.term("severity", word) for word in order)),
            *(
                (one.account_id, one.name, *(str(one.open[word] or "-") for word in order))
                for one in worst[:_ACCOUNTS]
            ),
        ]
    )
    if len(worst) > _ACCOUNTS:
        say(words("screen.more_accounts", n=len(worst) - _ACCOUNTS))


def _told(summary: Summary, folder: Path) -> None:
    """Say the headline, and whether everything was seen: the report's own sentences."""
    words, text, coverage = spoken(), summary.headline, summary.coverage
    if words.language != "en":  # the summary is for programs, too, and has them in English
        from orchestrator.run import headline_in

        first = headline_in(folder, summary, words.language)
        text, coverage = first.text, first.coverage
    warn(text)
    key = "screen.complete" if summary.complete else "screen.incomplete"
    warn(words(key, coverage=words("space").join(coverage)))
    say(words("screen.not_covered"))


def cut_short(folder: Path) -> None:
    """Say what a scan that was interrupted came to, where it came to have a run folder."""
    from orchestrator.journal import JournalError
    from orchestrator.run import summary_of

    with contextlib.suppress(JournalError):  # it was interrupted before there was one
        _told(summary_of(folder), folder)


def balancers_unknown(accounts: int) -> None:
    """Say in how many accounts a load balancer may let in what no rule shows."""
    if accounts:
        warn(spoken()("screen.balancers", n=accounts))


def _unseen(path: Path) -> None:
    """Name the first things that could not be seen, what is accepted at the end; the file has all."""
    from orchestrator.journal import open_trusted

    with open_trusted(path) as lines:
        first: dict[bool, list[dict[str, Any]]] = {False: [], True: []}
        left = 0
        for one in map(json.loads, lines):
            kept = first["accepted_until" in one]
            if len(kept) < _NAMED:
                kept.append(one)
            else:
                left += 1
    words = spoken()
    for one in first[False] + first[True]:
        where = " ".join(filter(None, (one["account_id"], one["region_id"], one["security_group_id"])))
        day = one.get("accepted_until")
        until = words("screen.accepted_until", day=day) if day else ""
        message = words.retold(one["message"])
        warn(words("screen.unreachable", where=where, code=one["code"], message=message, until=until))
    if left:
        warn(f"  {words('screen.more', n=left)}")


def _say_first(texts: Sequence[str], all_in: Path | None = None) -> None:
    """Say the first of many lines, how many more there are, and the file that has all of them."""
    for text in texts[:_SHOWN]:
        warn(text)
    if len(texts) > _SHOWN:
        more = len(texts) - _SHOWN
        words = spoken()
        warn(words("screen.more_see", n=more, file=all_in) if all_in else words("screen.more", n=more))


def plan(planned: Planned, *, as_json: bool = False) -> int:
    """Say what the plan comes to; give its digest, unless that is left to whoever gives the object."""
    from orchestrator.run import summarize_plan

    connection(planned.connection)
    for one in summarize_plan(planned.plan, planned.known, _SHOWN):
        say(one.text)
    say(f"plan in {planned.path}; rule by rule: {line('show', planned.path)}")
    if planned.plan.actions:
        say(f"next: {line('apply', planned.path, '--digest', planned.plan.digest)}")
    if not planned.complete:
        warn("INCOMPLETE: the scan did not see everything; what it did not see is not in the plan")
    if not as_json:
        give(planned.plan.digest)
    return 0 if planned.complete else 3


def reviewed(found: Reviewed) -> int:
    """Give a plan for who is to approve it: which it is, what it comes to, then rule by rule."""
    if not found.has_run:
        warn(
            "the run that the plan was made from is not beside it: accounts have no names here, rules no severities"
        )
    page(_review(found))
    return 0


def _review(found: Reviewed) -> Iterator[tuple[str, Style]]:
    from orchestrator.run import describe_plan, describe_plan_identity, summarize_plan

    for text in describe_plan_identity(found.plan):
        yield text, "bold"
    if not found.is_whole:
        changes = f"{len(found.plan.actions)} of {found.actions} changes"
        rest = f"{len(found.plan.skipped)} of {found.skipped} things that are left alone"
        yield f"shown: {changes}, {rest}; the digest is that of the whole", "bold"
    yield "", ""
    for one in summarize_plan(found.plan, found.known):
        yield one.text, _STYLES[one.about]
    yield "", ""
    for one in describe_plan(found.plan, found.known):
        yield one.text, _STYLES[one.about]


_STYLES: Mapping[str, Style] = {"": "", "heading": "bold", "goes": "red", "comes": "green", "closes": "cyan"}


def changed(result: Changed, *, is_rollback: bool = False) -> int:
    """Say how the changes ended, each failed one by name, and what to do next."""
    words = spoken()
    if result.nothing_left:
        warn(words("screen.nothing_to_take_back" if is_rollback else "screen.nothing_left"))
    if result.outcomes or not result.nothing_left:
        counts = [
            words("screen.of_outcome", n=count, outcome=words.term("outcome", outcome))
            for outcome, count in sorted(result.outcomes.items())
        ]
        told = words("comma").join(counts) or words("screen.none")
        earlier = words("screen.all_earlier") if result.nothing_left else ""
        warn(words("screen.changes", counts=f"{told}{earlier}"))
    if set(result.outcomes) == {"already_absent"}:
        say(words("screen.all_gone"))
    if result.others:
        warn(words("screen.stands_again", n=result.others, file=result.folder / "outcomes.jsonl"))
    _say_failed(result)
    if result.stopped:
        why = words.retold(result.stopped)
        warn(words("screen.stopped", why=why, n=result.left, line=again()))
    elif result.outcomes:
        say(words("screen.next", line=line("verify", result.folder)))
        if not is_rollback:
            say(words("screen.way_back", line=line("rollback", result.folder)))
    if is_rollback:
        give(result.digest)
    return exit_codes.of_changes(result)


def _say_failed(result: Changed) -> None:
    if result.failed:
        from orchestrator.run import account_names

        names, all_in = account_names(result.folder), result.folder / "outcomes.jsonl"
        for text in failures(result.failed, names, all_in, spoken()):
            warn(text)


def signed(done: SigningResult, path: Path) -> int:
    """Say what was signed; give its digest."""
    subject = done.subject
    what = f"the record of run {done.run_id}, {subject.head} entries, the last of {subject.head_at}"
    if done.plan is not None:
        accounts = len({action.account_id for action in done.plan.actions})
        what = f"the plan of run {done.run_id}: {many(len(done.plan.actions), 'rule')} in {many(accounts, 'account')}"
    say(f"signed: {what}")
    say(
        f"of organization {subject.organization}, against {subject.endpoint}; signatures on it now: {done.signatures}"
    )
    if done.plan is not None:
        say(f"next: {line('apply', path, '--digest', subject.digest)}")
    give(subject.digest)
    return 0


def closed(result: Closed, folder: Path, progress: Progress) -> int:
    """Say what was found and closed, what stays open, and what is reachable still through another group."""
    if result.planned is not None:
        return _would_close(result, result.planned, folder, progress)
    _swept(result.summary, folder, progress, again())
    changed(result.changed)
    words = spoken()
    _say_first(
        [
            words(
                "screen.still_reachable",
                where=f"{one.account_id} {one.region_id} {one.security_group_id}",
                groups=", ".join(one.via),
            )
            for one in result.still_reachable
        ]
    )
    protected = words("screen.in_protected", n=result.left_protected) if result.left_protected else ""
    warn(
        words(
            "screen.stay_open",
            n=result.left_open,
            rules=result.rules_open,
            protected=protected,
            groups=len(result.still_reachable),
        )
    )
    say(words("screen.connections"))
    return exit_codes.of_close(result)


def _would_close(result: Closed, planned: Plan, folder: Path, progress: Progress) -> int:
    """Say what closing would do; nothing was changed."""
    from orchestrator.run import describe_plan, summarize_plan

    words = spoken()
    _swept(result.summary, folder, progress, again())
    for one in (*describe_plan(planned), *summarize_plan(planned, most=_SHOWN)):
        say(one.text)
    if result.changed.stopped:
        warn(words("screen.would_stop", why=words.retold(result.changed.stopped)))
    say(words("screen.dry_run"))
    return exit_codes.of_close(result)


def _ledger(found: LedgerChecked) -> None:
    """Say what the ledger of a function holds, and what it cannot show by itself."""
    say(f"{found.invocations} invocations of the function have changed something, or were about to")
    _say_first(
        [
            f"NOT ENDED: invocation {one.request_id}, begun {one.at}: it goes on, or the platform has ended it; what "
            "it had done until then is among the records"
            for one in found.unfinished
        ]
    )
    say(
        f"the newest entry is number {found.newest}, SHA-256 {found.newest_hash}: the newest line of the function's "
        'log with "sgsweep":"trail" must say the same, or entries are missing from the end'
    )


def verified(found: Verified, folder: Path, *, offline: bool) -> int:
    """Say what is wrong with the record, and what in the cloud is not as the run left it."""
    _say_first([_broken(problem) for problem in found.problems])
    broken = sum(1 for problem in found.problems if problem.kind != "unsigned")
    if broken:
        warn(f"the audit trail is BROKEN: {broken} problems; keep the folder as evidence")
    elif found.problems:
        warn("the audit trail is consistent, but not signed by all who must have")
    if found.problems:
        return exit_codes.of_verify(found)
    warn(f"the audit trail is {found.proof}: {found.records} records")
    if found.ledger:
        _ledger(found.ledger)
    elif found.proof.endswith("unsigned"):
        say(
            "so nothing in it contradicts itself; whoever may write the folder could have written all of it anew. "
            f"A signature shows that: {line('sign', folder, '--key')} KEY"
        )
    if offline:
        return exit_codes.of_verify(found)
    _say_first(
        [
            f"DIFFERS {one.account_id} {one.region_id} {one.security_group_id} {one.rule_id}: {one.reason}"
            for one in found.differences
        ]
    )
    _say_first([_not_read(one) for one in found.unreachable])
    _say_first([f"{_not_read(one)} (accepted until {until})" for one, until in found.accepted])
    failing = sum(1 for one in found.open if one.is_open)
    warn(
        f"{len(found.differences)} rules are not as the run left them, "
        f"{failing} findings are open on {found.rules_open} rules, {len(found.unreachable)} groups could not be read"
    )
    unsure = sum(1 for one in found.open if one.is_undetermined)
    if unsure:
        warn(
            f"INCOMPLETE: {unsure} rules cannot be judged now, since something that they refer to cannot be read"
        )
    balancers_unknown(found.balancers_unknown)
    if not found.complete:
        warn("INCOMPLETE: the scan of this run did not see everything")
    return exit_codes.of_verify(found)


def _not_read(one: Unreachable) -> str:
    return f"UNREACHABLE {one.account_id} {one.region_id} {one.security_group_id}: {one.code}: {one.message}"


def _broken(problem: Problem) -> str:
    if problem.kind == "unsigned":
        return f"UNSIGNED {problem.text}"
    line = f", line {problem.line}" if problem.line else ""
    account = f", account {problem.account_id}" if problem.account_id else ""
    return f"BROKEN {problem.kind}{line}{account}: {problem.text}"


def explanation(found: Explanation) -> int:
    """Give why a rule was judged as it was: the findings, then the rules that decide, in order."""
    for one in found.findings[:1]:
        account = f"{one.account_id} {one.account_name}".strip()
        group = f"{one.security_group_id} {one.security_group_name}".strip()
        give(f"rule {one.rule_id} of group {group} in {one.region_id} of account {account}")
    for finding in found.findings:
        give(f"{finding.check_id}: {finding.severity.value}, {finding.verdict.value}, {finding.status.value}")
        give(f"  {finding.reason}")
        if finding.witness is not None:
            packet = finding.witness
            port = "" if packet.port is None else f"/{packet.port}"
            give(f"  witness: {packet.protocol}{port} from {packet.source} gets through")
    if not found.findings:
        give("no check fails")
    give("the rules that decide, in the order in which the cloud applies them:")
    for step in found.steps:
        give(f"  {step.priority:>3} {step.policy:<6} {step.rule_id}: {step.matches}; {step.effect}")
    give(f"what gets through: {found.left or 'nothing'}")
    return 0


def checked(found: CodeChecked, kind: str) -> int:
    """Give what was found in code, and say how much was judged, and what that comes to."""
    from orchestrator.report import code_lines, render_code

    if kind == "text":
        for one in code_lines(found.view):
            give(one)
    else:
        with document() as write:
            render_code(found.view, kind, write)
    for file in found.files:
        against = f", with the groups of {file.against}" if file.against else ""
        what = f"{many(file.rules, 'rule')} in {many(file.groups, 'group')}"
        say(f"{file.path}: {file.kind}, {what}{against}: {_verdict(file.found)}")
    return exit_codes.of_check(found)


def patched(found: CodePatched) -> int:
    """Say of each rule where its code is and what became of it; give the snippets and the names of the patches."""
    result = found.result
    for one in result.wanted:
        place = f" ({one.file}:{one.line})" if one.file and one.line else ""
        how = "in the patch" if one.patch else f"change it by hand: {one.why}"
        say(f"{one.security_group_id} {one.rule_id}: {one.action} {one.address}{place}: {how}")
    for group_id, rule_id, reason in result.left:
        say(f"{group_id} {rule_id}: left alone: {reason}")
    for group_id, rule_id in result.unmanaged:
        say(
            f"{group_id} {rule_id}: the code does not declare it: somebody else made it, and `sgsweep plan` closes it"
        )
    for one in result.wanted:
        for text in one.snippet.splitlines():
            give(text)
    for number, file in enumerate(found.files, 1):
        give(str(file))
        then = " when the stack has been updated with the first" if number > 1 else ""
        say(f"wrote {file}: apply it in the folder of the code (`git apply` or `patch -p1`){then}")
    if not result.wanted and not result.left:
        say("nothing that a plan would change is declared by this code")
    return exit_codes.of_patch(found)


def _verdict(found: Sequence[Located]) -> str:
    """Say how many findings count, and how many were set aside."""
    findings = [one.finding for one in found]
    unknown = sum(finding.is_undetermined for finding in findings)
    opened = sum(finding.is_open for finding in findings)
    aside = len(findings) - unknown - opened
    parts = [
        f"{opened} open" if opened else "",
        f"{unknown} that cannot be judged yet" if unknown else "",
        f"{aside} set aside (exempt, dropped first, or merely wide)" if aside else "",
    ]
    return ", ".join(filter(None, parts)) or "nothing found"


def checks(listed: Mapping[str, tuple[Check, ...]]) -> int:
    """Give every check of every pack: pack, id, severity, ports, title and reason."""
    for pack, members in listed.items():
        for check in members:
            besides = f"all but {' '.join(map(str, check.except_ports))}" if check.except_ports else ""
            ports = " ".join(map(str, check.ports)) or besides or check.protocol or check.direction
            columns = (pack, check.id, check.severity.value, ports, check.title, check.reason)
            give(*columns)
    return 0


def _counts(summary: Summary) -> list[tuple[str, str]]:
    words, accounts, api = spoken(), summary.accounts, summary.api
    begun = words("screen.not_begun", n=accounts.not_begun) if accounts.not_begun else ""
    carried = words("screen.carried", n=summary.carried_over) if summary.carried_over else ""
    told: dict[str, str] = {
        "accounts": words(
            "screen.accounts_told",
            reached=accounts.reached,
            total=accounts.total,
            unreachable=accounts.unreachable,
        )
        + begun,
        "regions": words("screen.regions_told", n=summary.regions, pairs=summary.account_regions),
        "groups": f"{summary.security_groups:,}{carried}",
        "rules": f"{summary.rules:,}",
        "open": words("screen.open_told", n=summary.open_failures, rules=summary.open_rules),
        "wide": words("screen.wide_told", n=summary.wide) if summary.wide else "",
        "calls": words(
            "screen.calls_told", n=api["calls"], throttled=api["throttled"], retried=api["retried"]
        ),
        "seconds": f"{summary.seconds:.1f}",
    }
    return [(words(f"screen.{key}"), text) for key, text in told.items() if text]
