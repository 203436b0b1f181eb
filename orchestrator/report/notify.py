"""Notifications: who is told of what, and in which words; the sending is `cloud.webhooks`' business.

A message holds counts and a link. Names and addresses, which are whatever a tenant has typed, only where `detail` asks
for them: a chat is read by more people than a report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from orchestrator.cloud.webhooks import RobotKind, WebhookMessage
from orchestrator.policy import Finding, Severity
from orchestrator.report.as_html import visible
from orchestrator.report.diff import DiffEntry
from orchestrator.report.view import SEVERITIES
from orchestrator.report.words import ENGLISH, Language, Words, words

Event = Literal["scan", "apply", "close", "failed", "test"]
Asked = Literal["scan", "apply", "close", "failed"]

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*").fullmatch
_SIGNED = ("dingtalk", "feishu", "json")
_DETAILS = 10


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One [[notify]]: a robot or URL, and what it is told. Its address stands in the environment, for it is a secret.

    Attributes:
        id: what it is called in messages about it.
        kind: dingtalk, feishu, wecom, slack, or json for any URL that takes a POST.
        url_env: the variable that holds the address.
        secret_env: the variable that holds the secret to sign with; dingtalk, feishu and json only.
        on: of what: a finished scan, apply or close, and any of them that failed.
        only_new: of a scan only where something is new, returned or more severe than in the run before.
        detail: tell names, addresses and reasons, too, not only counts.
        language: en or zh-CN; without it that of [report].
        link: where the report can be read; {run_id} stands for the run's id; empty for no link.
    """

    id: str
    kind: RobotKind
    url_env: str
    secret_env: str = ""
    on: tuple[Asked, ...] = get_args(Asked)
    only_new: bool = False
    detail: bool = False
    language: Language | None = None
    link: str = ""

    def __post_init__(self) -> None:
        """Refuse what cannot be meant.

        Raises:
            ValueError: says which key, and never repeats what could be an address.
        """
        if not self.id.strip():
            raise ValueError("[[notify]] needs an id")
        for key in ("url_env", "secret_env"):
            given = getattr(self, key)
            if not _VARIABLE(given) and (given or key == "url_env"):
                raise ValueError(
                    f"[[notify]] {self.id}: {key} names a variable of the environment, like SGSWEEP_ROBOT; "
                    "the address or secret itself never stands in a file"
                )
        if self.secret_env and self.kind not in _SIGNED:
            raise ValueError(f"[[notify]] {self.id}: {self.kind} takes no signature; leave secret_env out")
        if not self.on:
            raise ValueError(f"[[notify]] {self.id}: on is empty; name one of {', '.join(get_args(Asked))}")

    def told_in(self, language: Language) -> Notify:
        """Return it with a language: its own, or this one where it names none."""
        return msgspec.structs.replace(self, language=self.language or language)


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What has happened.

    Attributes:
        event: of what it is told.
        command: which command it was.
        run_id: the run; empty where there is none.
        exit_code: how the command ends.
        complete: whether the run has seen all; None where that is not the point.
        open: open findings by severity.
        exposed: those of them behind which a public address is attached.
        undetermined, unreachable: rules that could not be judged, places that could not be read.
        new, returned, raised: against the run before; None where there is none.
        outcomes: changes by how they ended.
        left: changes that are left, since it stopped early.
        details: what names and addresses there are to tell, the worst first.
    """

    event: Event
    command: str = ""
    run_id: str = ""
    exit_code: int = 0
    complete: bool | None = None
    open: Mapping[str, int] | None = None
    exposed: int = 0
    undetermined: int = 0
    unreachable: int = 0
    new: int | None = None
    returned: int | None = None
    raised: int | None = None
    outcomes: Mapping[str, int] | None = None
    left: int = 0
    details: Sequence[str] = ()

    @property
    def worse(self) -> int | None:
        """How many findings are new, returned or more severe; None where that is not known."""
        return None if self.new is None else self.new + (self.returned or 0) + (self.raised or 0)


def message(notice: Notice, to: Notify) -> WebhookMessage:
    """Return the message for one of those who are told."""
    say = words(to.language or "en")
    title = say(f"notice.{notice.event}", command=notice.command)
    if notice.complete is False:
        title += say("notice.incomplete")
    lines = [say("notice.run", run_id=notice.run_id)] if notice.run_id else []
    lines += _counts(notice, say)
    if to.detail:
        lines += [_harmless(one) for one in notice.details[:_DETAILS]]
        if len(notice.details) > _DETAILS:
            lines.append(say("notice.more", count=len(notice.details) - _DETAILS))
    link = to.link.replace("{run_id}", notice.run_id)
    return WebhookMessage(title, lines, link, _data(notice, detail=to.detail))


def detail_of(entry: DiffEntry | Finding) -> str:
    """Return what is told of a finding where names and addresses are asked for."""
    severity = Severity(entry.severity).value
    account = f"{entry.account_name} ({entry.account_id})" if entry.account_name else entry.account_id
    group = f"{entry.security_group_name} ({entry.security_group_id})"
    ports = ENGLISH.some(entry.ports.texts) or entry.protocol
    toward = "->" if entry.direction == "egress" else "<-"
    return (
        f"[{severity}] {entry.wide_for or entry.check_id} {ports} {toward} {ENGLISH.some(entry.sources)}: "
        f"{account} {entry.region_id} {group} {entry.rule_id}"
    )


def _harmless(text: str) -> str:
    """Return the text in one line, its hidden characters shown by number."""
    return " ".join(str(visible(text)).split())


def _counts(notice: Notice, say: Words) -> list[str]:
    lines = _open(notice, say)
    if notice.new is not None:
        lines.append(
            say("notice.new", new=notice.new, returned=notice.returned or 0, raised=notice.raised or 0)
        )
    lines += [
        say(key, count=count)
        for key, count in (
            ("notice.undetermined", notice.undetermined),
            ("notice.unreachable", notice.unreachable),
        )
        if count
    ]
    if notice.outcomes is not None:
        each = _listed("outcome", {key: notice.outcomes[key] for key in sorted(notice.outcomes)}, say)
        lines.append(say("notice.changes", each=each or say("notice.none")))
    if notice.left:
        lines.append(say("notice.left", count=notice.left))
    if notice.event == "failed":
        lines.append(say("notice.exit", code=notice.exit_code))
    return lines


def _open(notice: Notice, say: Words) -> list[str]:
    if notice.open is None:
        return []
    each = _listed("severity", {one: notice.open.get(one, 0) for one in SEVERITIES}, say)
    told = say("notice.each", each=each) if each else ""
    lines = [say("notice.open", count=sum(notice.open.get(one, 0) for one in SEVERITIES), each=told)]
    if notice.exposed:
        lines.append(say("notice.exposed", count=notice.exposed))
    return lines


def _listed(kind: str, counts: Mapping[str, int], say: Words) -> str:
    """Return "2 critical, 1 high" of the counts by a contract's word; what does not occur is left out."""
    found = [
        say("notice.count", n=count, what=say.term(kind, word)) for word, count in counts.items() if count
    ]
    return say("comma").join(found)


def _data(notice: Notice, *, detail: bool) -> dict[str, Any]:
    """Return the notice for programs: what is not known is left out, and details unless they are asked for."""
    known = {key: value for key, value in msgspec.to_builtins(notice).items() if value is not None}
    known["details"] = [_harmless(one) for one in notice.details[:_DETAILS]] if detail else []
    return {"source": "sgsweep", **known}
