"""Notifications: who is told of what, and in which words; the sending is `cloud.webhooks`' business.

A message holds counts and a link. Names and addresses, which are whatever a tenant has typed, only where `detail` asks
for them: a chat is read by more people than a report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, get_args

import msgspec

from orchestrator.cloud.webhooks import Message, RobotKind
from orchestrator.journal import OutcomeKind
from orchestrator.policy import Finding, Severity
from orchestrator.report.as_html import visible
from orchestrator.report.diff import Entry
from orchestrator.report.headline import number
from orchestrator.report.view import SEVERITIES, few

Event = Literal["scan", "apply", "close", "failed", "test"]
Asked = Literal["scan", "apply", "close", "failed"]
Language = Literal["en", "zh-CN"]

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
        language: en or zh-CN.
        link: where the report can be read; {run_id} stands for the run's id; empty for no link.
    """

    id: str
    kind: RobotKind
    url_env: str
    secret_env: str = ""
    on: tuple[Asked, ...] = get_args(Asked)
    only_new: bool = False
    detail: bool = False
    language: Language = "en"
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


def message(notice: Notice, to: Notify) -> Message:
    """Return the message for one of those who are told."""
    words = _WORDS[to.language]
    title = words[notice.event].format(command=notice.command)
    if notice.complete is False:
        title += words["incomplete"]
    lines = [words["run"].format(run_id=notice.run_id)] if notice.run_id else []
    lines += _counts(notice, words)
    if to.detail:
        lines += [_harmless(one) for one in notice.details[:_DETAILS]]
        if len(notice.details) > _DETAILS:
            lines.append(words["more"].format(count=number(len(notice.details) - _DETAILS)))
    link = to.link.replace("{run_id}", notice.run_id)
    return Message(title, lines, link, _data(notice, detail=to.detail))


def detail_of(entry: Entry | Finding) -> str:
    """Return what is told of a finding where names and addresses are asked for."""
    severity = Severity(entry.severity).value
    account = f"{entry.account_name} ({entry.account_id})" if entry.account_name else entry.account_id
    group = f"{entry.security_group_name} ({entry.security_group_id})"
    ports = few(entry.ports.texts) or entry.protocol
    toward = "->" if entry.direction == "egress" else "<-"
    return (
        f"[{severity}] {entry.wide_for or entry.check_id} {ports} {toward} {few(entry.sources)}: "
        f"{account} {entry.region_id} {group} {entry.rule_id}"
    )


def _harmless(text: str) -> str:
    """Return the text in one line, its hidden characters shown by number."""
    return " ".join(str(visible(text)).split())


def _counts(notice: Notice, words: Mapping[str, str]) -> list[str]:
    lines = []
    if notice.open is not None:
        found = [(one, notice.open.get(one, 0)) for one in SEVERITIES]
        each = words["comma"].join(f"{number(count)} {words[one]}" for one, count in found if count)
        total = number(sum(count for _, count in found))
        lines.append(words["open"].format(count=total, each=each and words["each"].format(each=each)))
        if notice.exposed:
            lines.append(words["exposed"].format(count=number(notice.exposed)))
    if notice.new is not None:
        lines.append(
            words["new"].format(
                new=number(notice.new), returned=number(notice.returned), raised=number(notice.raised)
            )
        )
    lines += [
        words[key].format(count=number(count))
        for key, count in (("undetermined", notice.undetermined), ("unreachable", notice.unreachable))
        if count
    ]
    if notice.outcomes is not None:
        ended = [(words["outcome_" + one], count) for one, count in sorted(notice.outcomes.items()) if count]
        each = words["comma"].join(f"{number(count)} {word}" for word, count in ended)
        lines.append(words["changes"].format(each=each or words["none"]))
    if notice.left:
        lines.append(words["left"].format(count=number(notice.left)))
    if notice.event == "failed":
        lines.append(words["exit"].format(code=notice.exit_code))
    return lines


def _data(notice: Notice, *, detail: bool) -> dict[str, Any]:
    """Return the notice for programs: what is not known is left out, and details unless they are asked for."""
    known = {key: value for key, value in msgspec.to_builtins(notice).items() if value is not None}
    known["details"] = [_harmless(one) for one in notice.details[:_DETAILS]] if detail else []
    return {"source": "sgsweep", **known}


_WORDS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "scan": "sgsweep: scan finished",
        "apply": "sgsweep: plan carried out",
        "close": "sgsweep: closing finished",
        "failed": "sgsweep: {command} FAILED",
        "test": "sgsweep: test message; notifications arrive here",
        "incomplete": ", INCOMPLETE: not everything was seen",
        "run": "run {run_id}",
        "open": "open findings: {count}{each}",
        "each": " ({each})",
        "exposed": "with a public address attached: {count}",
        "new": "since the run before: {new} new, {returned} returned, {raised} more severe",
        "undetermined": "rules that could not be judged: {count}",
        "unreachable": "places that could not be read: {count}",
        "changes": "changes: {each}",
        "none": "none",
        "left": "stopped early; changes that are left: {count}",
        "exit": "exit code {code}",
        "more": "and {count} more",
        "comma": ", ",
        **{one: one for one in SEVERITIES},
        **{f"outcome_{one}": one.value.replace("_", " ") for one in OutcomeKind},
    },
    "zh-CN": {
        "scan": "sgsweep：扫描完成",
        "apply": "sgsweep：计划已执行",
        "close": "sgsweep：紧急关闭已完成",
        "failed": "sgsweep：{command} 失败",
        "test": "sgsweep：测试消息，通知可以送达",
        "incomplete": "，不完整：并非全部都已读取",
        "run": "运行 {run_id}",
        "open": "未处理的发现：{count}{each}",
        "each": "（{each}）",
        "exposed": "其中绑定了公网地址：{count}",
        "new": "与上次运行相比：新增 {new}，再次出现 {returned}，级别升高 {raised}",
        "undetermined": "无法判定的规则：{count}",
        "unreachable": "无法读取的位置：{count}",
        "changes": "变更：{each}",
        "none": "无",
        "left": "已提前停止，尚未执行的变更：{count}",
        "exit": "退出码 {code}",
        "more": "另有 {count} 条",
        "comma": "，",
        "critical": "严重",
        "high": "高危",
        "medium": "中危",
        "low": "低危",
        "outcome_revoked": "已删除",
        "outcome_split": "已拆分",
        "outcome_narrowed": "已收窄",
        "outcome_blocked": "已阻断",
        "outcome_already_absent": "原已不存在",
        "outcome_drifted": "已被改动",
        "outcome_skipped": "已跳过",
        "outcome_rolled_back": "已回滚",
        "outcome_failed": "失败",
    },
}
