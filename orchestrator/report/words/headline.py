"""What a run begins with, wherever it is told: what was found, and whether everything was seen."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.report.words.message import Message

HEADLINE: Mapping[str, Message] = {
    "headline.not_covered": Message(
        "This is about the security groups of ECS. What lets in or keeps out by other means is not looked at: the "
        "allow-lists of databases (RDS, Redis, MongoDB and others), WAF, Cloud Firewall, network ACLs, the firewalls of "
        "Simple Application Server, and services on networks of their own, such as OSS, Function Compute and API Gateway.",
        "本报告只涉及 ECS 安全组。以其他方式放行或拦截的访问不在检查范围内：数据库白名单（RDS、Redis、MongoDB 等）、"
        "WAF、云防火墙、网络 ACL、轻量应用服务器防火墙，以及使用自有网络的服务，例如 OSS、函数计算和 API 网关。",
    ),
    "headline.open": Message(
        "{n} open {n:finding|findings}{severities}{where}", "{n} 个待处理的风险项{severities}{where}"
    ),
    "headline.still_open": Message(
        "{closed} {closed:finding|findings} closed, {n} still open{severities}{where}",
        "已关闭 {closed} 个风险项，仍有 {n} 个待处理{severities}{where}",
    ),
    "headline.on_rules": Message(" on {n} {n:rule|rules}", "，涉及 {n} 条规则"),
    "headline.in_accounts": Message(" in {n} {n:account|accounts}", "，分布在 {n} 个账号"),
    "headline.all_closed": Message(
        "{closed} {closed:finding|findings} closed, none of ours left open{seen}",
        "已关闭 {closed} 个风险项，{seen}自有规则均已不再对互联网开放",
    ),
    "headline.none_of_ours": Message(
        "None of our own rules is open to the Internet{seen}", "{seen}没有自有规则对互联网开放"
    ),
    "headline.nothing": Message(
        "No risky port is open to the Internet{seen}", "{seen}没有高危端口对互联网开放"
    ),
    "headline.in_what_was_seen": Message(" in what was seen", "在已读取的范围内，"),
    "headline.protected": Message(
        "{n} {n:rule|rules} of these {n:is|are} protected", "其中 {n} 条规则受保护，不会被变更"
    ),
    "headline.managed": Message(
        "{n} {n:finding|findings} of cloud services {n:is|are} {also}open{worst}",
        "{also}有 {n} 个云服务托管的风险项对互联网开放{worst}",
    ),
    "headline.also": Message("also ", "另"),
    "headline.exempt": Message(
        "{n} {n:finding|findings} {n:is|are} open by exemption{worst}", "{n} 个风险项因豁免而开放{worst}"
    ),
    "headline.wide": Message(
        "{n} {n:finding|findings} of a wide source {n:is|are} counted apart", "{n} 个来源过宽的项单独计数"
    ),
    "headline.carried_over": Message(
        "{n} of {all} {all:group|groups} {n:was|were} not read again", "{all} 个安全组中有 {n} 个未重新读取"
    ),
    "headline.severities": Message(" ({each})", "（{each}）"),
    "headline.of_severity": Message("{n} {severity}", "{severity} {n}"),
    "headline.worst": Message(", {n} of them {severity}", "，其中{severity} {n} 个"),
    "headline.all_worst": Message(", {severity}", "，均为{severity}"),
    "headline.of_part": Message("In this part of the run: {text}", "本次运行的这一部分：{text}"),
    "coverage.all": Message(
        "Every account, region and rule in scope was read in full.", "范围内的账号、地域和规则均已完整读取。"
    ),
    "coverage.silent": Message("Nothing is said about what was not seen.", "对未读取的部分不作任何结论。"),
    "coverage.accepted": Message(
        "{n} more could not be read, which an owner has accepted.",
        "另有 {n} 处无法读取，已由负责人确认接受。",
    ),
    "coverage.unread": Message("{places} could not be read", "{places}无法读取"),
    "coverage.accounts": Message("{n} {n:account|accounts}", "{n} 个账号"),
    "coverage.regions": Message("{n} {n:region|regions}", "{n} 个地域"),
    "coverage.groups": Message("{n} security {n:group|groups}", "{n} 个安全组"),
    "coverage.and": Message(" and ", "和"),
    "coverage.not_begun": Message(
        "{n} {n:account was|accounts were} not begun, since the run was stopped",
        "{n} 个账号因运行中止而未开始读取",
    ),
    "coverage.not_finished": Message(
        "{n} {n:account was|accounts were} begun and not finished", "{n} 个账号已开始但未读取完"
    ),
    "coverage.undetermined": Message("{n} {n:rule|rules} could not be judged", "{n} 条规则无法判定"),
    "coverage.stopped": Message("The run stopped before everything was read", "运行在全部读取完之前已中止"),
}
