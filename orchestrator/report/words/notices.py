"""What notifications say."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.report.words.message import Message

NOTICES: Mapping[str, Message] = {
    "notice.scan": Message("sgsweep: scan finished", "sgsweep：扫描完成"),
    "notice.apply": Message("sgsweep: plan carried out", "sgsweep：计划已执行"),
    "notice.close": Message("sgsweep: closing finished", "sgsweep：紧急关闭已完成"),
    "notice.failed": Message("sgsweep: {command} FAILED", "sgsweep：{command} 失败"),
    "notice.test": Message(
        "sgsweep: test message; notifications arrive here", "sgsweep：测试消息，通知可以送达"
    ),
    "notice.incomplete": Message(", INCOMPLETE: not everything was seen", "，不完整：并非全部都已读取"),
    "notice.run": Message("run {run_id}", "运行 {run_id}"),
    "notice.open": Message("open findings: {count}{each}", "待处理的风险项：{count}{each}"),
    "notice.each": Message(" ({each})", "（{each}）"),
    "notice.count": Message("{n} {what}", "{what} {n}"),
    "notice.exposed": Message("with a public address attached: {count}", "其中绑定了公网地址：{count}"),
    "notice.new": Message(
        "since the run before: {new} new, {returned} returned, {raised} more severe",
        "与上次运行相比：新增 {new}，再次出现 {returned}，级别升高 {raised}",
    ),
    "notice.undetermined": Message("rules that could not be judged: {count}", "无法判定的规则：{count}"),
    "notice.unreachable": Message("places that could not be read: {count}", "无法读取的位置：{count}"),
    "notice.changes": Message("changes: {each}", "变更：{each}"),
    "notice.none": Message("none", "无"),
    "notice.left": Message(
        "stopped early; changes that are left: {count}", "已提前停止，尚未执行的变更：{count}"
    ),
    "notice.exit": Message("exit code {code}", "退出码 {code}"),
    "notice.more": Message("and {count} more", "另有 {count} 条"),
}
