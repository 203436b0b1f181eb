"""What stands in report.html beside the run's own data. A message may hold HTML of ours; values are escaped."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.report.words.message import Message

PAGE: Mapping[str, Message] = {
    # the head
    "page.to_findings": Message("To the open findings", "跳到待处理的风险项"),
    "page.title": Message("security group report", "安全组报告"),
    "page.whole_run": Message("the whole run", "完整报告"),
    "page.complete": Message("Complete", "完整"),
    "page.incomplete": Message("Incomplete", "不完整"),
    "page.part": Message("Part", "部分"),
    "page.only": Message("Of the run, only {parts}.", "仅包含本次运行中的：{parts}。"),
    "page.run": Message("Run <code>{run}</code> of {at}", "运行 <code>{run}</code>，{at}"),
    "page.from_account": Message(", from account <code>{id}</code>", "，执行账号 <code>{id}</code>"),
    "page.as_caller": Message(" as <code>{arn}</code>", "，身份 <code>{arn}</code>"),
    "page.against": Message(", against {endpoint}", "，目标 {endpoint}"),
    "page.not_own_endpoint": Message(
        "{endpoint}, which is not Alibaba Cloud's own endpoint", "{endpoint}（不是阿里云自有的接入点）"
    ),
    "page.through_proxy": Message(
        ", through the proxy <code>{proxy}</code>", "，经由代理 <code>{proxy}</code>"
    ),
    "page.believing": Message(
        ", believing the authority <code>{sha256}</code>", "，信任证书颁发机构 <code>{sha256}</code>"
    ),
    "page.of_account": Message("{n} open {n:finding|findings}", "{n} 个待处理的风险项"),
    "page.in_account_that": Message(" in an account that was {state}", "（该账号{state}）"),
    "page.none": Message("None.", "无。"),
    "page.but_unseen": Message(
        'But see <a href="#unseen">what was not seen</a>.', '但请查看<a href="#unseen">未读取的部分</a>。'
    ),
    # numbers
    "page.numbers": Message("In numbers", "统计"),
    "page.accounts_reached": Message("Accounts reached", "已访问账号"),
    "page.of_total": Message("of {n}", "/ {n}"),
    "page.unreachable": Message("Unreachable", "无法访问"),
    "page.not_begun": Message("Not begun", "未开始"),
    "page.regions": Message("Regions", "地域"),
    "page.groups": Message("Security groups", "安全组"),
    "page.rules_read": Message("Rules read", "已读取规则"),
    "page.findings": Message("Findings", "风险项"),
    "page.by_severity": Message("Open findings by severity", "按级别统计的待处理风险项"),
    "page.severity": Message("Severity", "级别"),
    "page.all": Message("all", "合计"),
    "page.all_open": Message("all open", "待处理合计"),
    "page.not_open": Message("not open", "非待处理"),
    "page.what_is_open": Message("What is open", "开放情况"),
    "page.below_own": Message("below the check's own severity: {why}", "低于检查项自身的级别：{why}"),
    "page.more_lines": Message("and {n} more {n:line|lines}, below.", "另有 {n} 项，见下文。"),
    "page.before_after": Message("Before and after", "变更前后"),
    "page.open_before": Message("open before", "变更前待处理"),
    "page.closed": Message("closed", "已关闭"),
    "page.open_after": Message("open after", "变更后待处理"),
    "page.several_findings": Message(
        "(rules; one rule can have several findings).", "（按规则计；一条规则可能对应多个风险项）。"
    ),
    "page.what_was_done": Message("What was done", "查看变更"),
    # what was not seen
    "page.unseen": Message("What was not seen", "未读取的部分"),
    "page.unseen_note": Message(
        "These were not read, or not to their end: each line says whether it was tried. What was not read there is "
        "missing from every number on this page. <code>sgsweep scan --resume {folder}</code> tries them again.",
        "以下内容未读取或未读取完，每一行说明是否尝试过。其中未读取的部分不计入本页的任何数字。"
        "执行 <code>sgsweep scan --resume {folder}</code> 可再次尝试。",
    ),
    "page.undetermined_which": Message(
        '{n} {n:rule|rules} could not be judged: <a href="#undetermined">which, and why</a>.',
        '{n} 条规则无法判定：<a href="#undetermined">查看规则和原因</a>。',
    ),
    "page.undetermined_count": Message("{n} {n:rule|rules} could not be judged.", "{n} 条规则无法判定。"),
    "page.stopped": Message(
        "The run stopped before everything was read. <code>sgsweep scan --resume {folder}</code> goes on where it "
        "stopped.",
        "运行在全部读取完之前已中止。执行 <code>sgsweep scan --resume {folder}</code> 可从中止处继续。",
    ),
    "page.accepted": Message("Accepted as unreachable", "已确认接受的无法读取项"),
    "page.accepted_until": Message("{owner} until {day}: {reason}", "{owner}，有效期至 {day}：{reason}"),
    "page.request": Message("request <code>{id}</code>", "请求 ID <code>{id}</code>"),
    "page.in_group": Message(
        "Group <code>{group}</code> in {region} of <code>{account}</code>",
        "账号 <code>{account}</code> 地域 {region} 的安全组 <code>{group}</code>",
    ),
    "page.in_region": Message(
        "Region {region} of <code>{account}</code>", "账号 <code>{account}</code> 的地域 {region}"
    ),
    "page.in_account": Message("Account <code>{account}</code>", "账号 <code>{account}</code>"),
    # heads of tables
    "head.what": Message("What", "位置"),
    "head.code": Message("Code", "错误码"),
    "head.message": Message("Message", "信息"),
    "head.cloud_said": Message(
        "What the cloud said, or why it was not asked", "云端返回的信息，或未读取的原因"
    ),
    "head.accepted_by": Message("Accepted by", "接受人"),
    "head.account": Message("Account", "账号"),
    "head.reason": Message("Reason", "原因"),
    "head.note": Message("Note", "说明"),
    "head.group": Message("Security group", "安全组"),
    "head.rule": Message("Rule", "规则"),
    "head.check": Message("Check", "检查项"),
    "head.why": Message("Why, and a packet that proves it", "原因，以及可放行的报文示例"),
    "head.outcome": Message("Outcome", "结果"),
    "head.why_since": Message("Why, and since when", "原因和生效时间"),
    "head.why_short": Message("Why", "原因"),
    "head.became": Message("What became of it", "变化"),
    "head.exemption": Message("Exemption", "豁免"),
    "head.owner": Message("Owner", "负责人"),
    "head.until": Message("Until", "有效期至"),
    "head.covers": Message("Covers", "覆盖"),
    "head.run": Message("Run", "运行"),
    # accounts and pictures
    "page.accounts": Message("Accounts", "账号"),
    "page.accounts_note": Message(
        "Open findings by severity, the worst first.", "按级别统计的待处理风险项，最严重的在前。"
    ),
    "page.accounts_pages": Message(
        "Open findings by severity, the worst first; the findings of each account are on a page of its own, in the "
        "folder <code>report</code> beside this file.",
        "按级别统计的待处理风险项，最严重的在前；每个账号的风险项在单独的页面，位于本文件旁的 <code>report</code> 文件夹。",
    ),
    "page.changes_failed": Message("{n} {n:change|changes} failed", "{n} 项变更失败"),
    "page.more_accounts": Message("{n} more {n:account|accounts}", "另有 {n} 个账号"),
    "heat.title": Message("Where it is open", "开放位置"),
    "heat.note": Message(
        "Open findings of the worst accounts by region: how many, in the colour of the worst, filled where there are "
        "most.",
        "风险最高的账号在各地域的待处理风险项：数字为数量，颜色为最高级别，数量最多处以实色填充。",
    ),
    "heat.unread": Message(
        '<strong class="warn">?</strong> stands where not everything was read.',
        '<strong class="warn">?</strong> 表示该处未全部读取。',
    ),
    "heat.left_out": Message(
        "{n} more {n:account|accounts} with open findings {n:is|are} not in the picture, but in the table of <a "
        'href="#accounts">accounts</a>.',
        '另有 {n} 个存在待处理风险项的账号未在图中显示，见<a href="#accounts">账号</a>表。',
    ),
    "heat.label": Message("Open findings by account and region", "按账号和地域统计的待处理风险项"),
    "heat.others": Message("{n} more", "另 {n} 个"),
    "trend.title": Message("Compared with earlier runs", "与之前的运行比较"),
    "trend.note": Message(
        "Open findings as each scan found them, before anything was changed, of the runs in the same folder. "
        "<code>sgsweep diff OLD NEW</code> says what became of each finding.",
        "同一文件夹中各次扫描发现的待处理风险项（变更之前）。<code>sgsweep diff OLD NEW</code> 给出每个风险项的变化。",
    ),
    "trend.label": Message(
        "Open findings of {n} runs, the earliest first; the table has the numbers",
        "{n} 次运行的待处理风险项，最早的在前；数字见表格",
    ),
    "trend.this_run": Message("this run", "本次运行"),
    "trend.incomplete": Message("incomplete", "不完整"),
    # exemptions, record
    "page.exemptions": Message("Exemptions", "豁免"),
    "page.exemptions_note": Message(
        "What is exempt is open to the Internet all the same. Each ends with its last day, in UTC.",
        "已豁免的规则仍然对互联网开放。豁免在其最后一天结束时（UTC）失效。",
    ),
    "page.member_writable": Message(
        "; names and tags that members write exempt, too", "；成员账号可写的名称和标签也可用于豁免"
    ),
    "page.over": Message("over when the run began", "运行开始时已过期"),
    "page.covers": Message("{n} {n:finding|findings}", "{n} 个风险项"),
    "record.title": Message("The record, and the way back", "审计记录与回滚"),
    "record.note": Message(
        "A page proves nothing of itself: <code>sgsweep verify {folder} --offline</code> checks the record, "
        "<code>sgsweep verify {folder}</code> the cloud as well.",
        "页面本身不能证明什么：<code>sgsweep verify {folder} --offline</code> 校验审计记录，"
        "<code>sgsweep verify {folder}</code> 同时核对云端。",
    ),
    "record.plan": Message("Plan", "计划"),
    "record.plan_told": Message(
        "{n} {n:change|changes}, made {at}. Digest <code>{digest}</code>",
        "{n} 项变更，生成于 {at}。摘要 <code>{digest}</code>",
    ),
    "record.signatures_unchecked": Message(
        "{n} {n:signature|signatures}, not checked here:", "{n} 个签名，此处未验证："
    ),
    "record.unsigned": Message("Nobody has signed it.", "尚无人签名。"),
    "record.record": Message("Record", "审计记录"),
    "record.unreadable": Message("It cannot be read: {why}", "无法读取：{why}"),
    "record.empty": Message(
        "This run has changed nothing, so there is nothing in it.", "本次运行没有做任何变更，因此没有记录。"
    ),
    "record.entries": Message(
        "{n} {n:entry|entries} in {chains} {chains:chain|chains}, one an account. Digest of the manifest "
        "<code>{digest}</code>",
        "{n} 条记录，{chains} 条哈希链，每个账号一条。清单摘要 <code>{digest}</code>",
    ),
    "record.signatures": Message("Signatures", "签名"),
    "record.of_this": Message(
        ", of the record as it is, not checked here", "，针对当前的审计记录，此处未验证"
    ),
    "record.of_earlier": Message(", of an earlier state of it", "，针对其较早的状态"),
    "record.no_signature": Message(
        "None when this page was made. Without one, whoever may write the folder could have written all of the record "
        "anew: <code>sgsweep sign {folder} --key KEY</code>",
        "生成本页时没有签名。没有签名时，凡能写入该文件夹的人都可以重写全部审计记录："
        "<code>sgsweep sign {folder} --key KEY</code>",
    ),
    "record.signed_of_old": Message("one by an sgsweep of old", "一个由旧版 sgsweep 生成的签名"),
    "record.signed": Message("at {at} by the key <code>{key}</code>", "{at}，密钥 <code>{key}</code>"),
    "record.signed_for": Message(", for {ticket}", "，工单 {ticket}"),
    "record.signed_until": Message(", until {at}", "，有效期至 {at}"),
    "record.way_back": Message("The way back", "回滚"),
    "record.rollback": Message(
        "<code>sgsweep rollback {folder}</code> puts back what this run removed and takes away what it added; with "
        "<code>--account ID</code>, <code>--group ID</code> or <code>--rule ID</code> only there. It opens nothing that "
        "was closed before.",
        "<code>sgsweep rollback {folder}</code> 恢复本次运行删除的规则，并删除其添加的规则；加上 "
        "<code>--account ID</code>、<code>--group ID</code> 或 <code>--rule ID</code> 则只在该范围内回滚。"
        "回滚不会开放运行之前未开放的访问。",
    ),
    # the findings
    "filter.label": Message("Filter the findings", "筛选风险项"),
    "filter.placeholder": Message(
        "Filter: account, group, rule, port, region…", "筛选：账号、安全组、规则、端口、地域…"
    ),
    "filter.words": Message("Words that a finding must have", "风险项必须包含的文字"),
    "filter.severities": Message("Severities", "级别"),
    "filter.any": Message("any", "全部"),
    "filter.reset": Message("Show all", "显示全部"),
    "filter.shown": Message("{left} of {total} rows", "显示 {left} / {total} 行"),
    "filter.narrowed": Message("Narrowed: {told}, by {by}.", "已筛选：{told}，条件 {by}。"),
    "page.open": Message("Open findings", "待处理的风险项"),
    "page.on_their_page": Message(
        'They are on the page of their account, <a href="#accounts">above</a>.',
        '位于各账号的页面，见<a href="#accounts">上文</a>。',
    ),
    "page.undetermined": Message("Rules that could not be judged", "无法判定的规则"),
    "page.undetermined_note": Message(
        "They were read, but something they refer to was not. They count neither as passed nor as open, and are never "
        "changed.",
        "这些规则已读取，但其引用的内容未能读取。它们既不计为通过，也不计为待处理，并且不会被变更。",
    ),
    "row.enter": Message("enter", "进入"),
    "row.enter_label": Message("enter account {account} in the console", "在控制台进入账号 {account}"),
    "row.findings": Message("{n} {n:finding|findings}", "{n} 个风险项"),
    "row.continued": Message("continued", "续"),
    "row.owner": Message("owner {owner}, by {by}", "负责人 {owner}（来源：{by}）"),
    "row.opened": Message(
        "opened by {by} at {at}, by {via} from {source}",
        "由 {by} 于 {at} 打开（方式：{via}，来源 IP：{source}）",
    ),
    "row.opened_ours": Message(
        "written by sgsweep itself, {by}, at {at}", "由 sgsweep 自身（{by}）于 {at} 写入"
    ),
    "row.opened_too_old": Message(
        "opened more than 90 days ago, which is as far as ActionTrail reaches",
        "打开时间早于 90 天前，操作审计（ActionTrail）只保留 90 天",
    ),
    "row.opened_not_found": Message(
        "ActionTrail names nobody who opened it", "操作审计（ActionTrail）中没有打开它的事件"
    ),
    "row.opened_unread": Message("not known who opened it: {reason}", "无法得知由谁打开：{reason}"),
    "row.used": Message(
        "used by {n} {n:network|networks}, last at {at}: closing it cuts {sources}",
        "有 {n} 个网段使用，最近一次 {at}：关闭将切断 {sources}",
    ),
    "row.quiet": Message(
        "quiet: nobody used it in {days} days, all of which were logged",
        "静默：{days} 天内无人使用，全程均有日志",
    ),
    "row.use_unknown": Message("not known who uses it: {reason}", "无法得知由谁使用：{reason}"),
    "row.knocks": Message("; {n} {n:address|addresses} only knocked", "；另有 {n} 个地址仅作试探"),
    "row.from": Message("from", "来自"),
    "row.to": Message("to", "发往"),
    "row.priority": Message("priority {n}", "优先级 {n}"),
    "row.gets_in": Message("gets in: <code>{packet}</code>", "可进入：<code>{packet}</code>"),
    "row.gets_out": Message("gets out: <code>{packet}</code>", "可发出：<code>{packet}</code>"),
    "row.protected": Message(
        "Not changed: {why}. It stays open and counted.", "不变更：{why}。该规则仍然开放并计入统计。"
    ),
    "row.lowered": Message(
        "{severity}, below the check's own severity: {why}.", "{severity}，低于检查项自身的级别：{why}。"
    ),
    "row.latent": Message("No public address is attached now.", "当前未绑定公网地址。"),
    "row.exposed": Message("A public address is attached now.", "当前已绑定公网地址。"),
    "row.old_connections": Message(
        "for connections that were open already, from {at}", "对此前已建立的连接，自 {at} 起生效"
    ),
    "aside.title": Message("Set aside", "单独列出的风险项"),
    "aside.wide": Message(
        "These let in many addresses, an IPv4 /9 to /16 or an IPv6 /21 to /40, but fewer than what fails: look whether "
        "that is meant. They do not count as open and are never changed. The same source to SSH, RDP or a database "
        "counts as open, one step less severe than the check. In earlier versions an IPv6 source of /21 to /32 failed "
        "its check and was changed, and one that is wide to SSH, RDP or a database was low.",
        "这些规则放行大量地址（IPv4 /9 至 /16，或 IPv6 /21 至 /40），但少于判为不通过的范围：请确认是否符合预期。"
        "它们不计为待处理，也不会被变更。对 SSH、RDP 或数据库的同样来源计为待处理，级别比检查项低一级。"
        "在早期版本中，IPv6 /21 至 /32 的来源判为不通过并被变更，对 SSH、RDP 或数据库来源过宽的为低危。",
    ),
    "aside.exempt": Message(
        "A waiver with an owner, a reason and an expiry covers these. They are open to the Internet all the same.",
        "这些规则由带有负责人、原因和有效期的豁免覆盖，但仍然对互联网开放。",
    ),
    "aside.managed": Message(
        "A cloud service owns these groups. sgsweep never changes them; the service's own settings do.",
        "这些安全组由云服务托管。sgsweep 不会变更它们，请在该服务中设置。",
    ),
    "aside.shadowed": Message(
        "A drop rule that wins keeps every risky packet of these out. They open up when that rule goes.",
        "优先的拒绝规则挡住了这些规则的全部高危报文。该拒绝规则被删除后，这些规则即会开放。",
    ),
    "page.changes": Message("Changes", "变更"),
    "page.changes_note": Message(
        "Each was re-read from the cloud after the call. <code>sgsweep rollback {folder}</code> takes them back; "
        "<code>sgsweep verify {folder}</code> checks the record.",
        "每项变更在调用之后都从云端重新读取。<code>sgsweep rollback {folder}</code> 可回滚，"
        "<code>sgsweep verify {folder}</code> 校验审计记录。",
    ),
    "page.they_closed": Message("Findings that they closed", "已关闭的风险项"),
    "page.noted": Message("Noted by the plan", "计划的说明"),
    "page.skipped": Message("Left alone by the plan", "计划中未处理的规则"),
    "page.plan": Message("Plan", "计划"),
    "page.planned": Message(
        "{n} {n:change|changes} planned, none made yet.", "计划了 {n} 项变更，尚未执行。"
    ),
    "page.left_out": Message("Accounts left out on purpose", "有意排除的账号"),
    "page.calls": Message(
        "{calls} API calls in {time}, {throttled} throttled, {retried} retried · sgsweep {version}",
        "API 调用 {calls} 次，用时 {time}，限流 {throttled} 次，重试 {retried} 次 · sgsweep {version}",
    ),
    "page.measured": Message(
        "“Open to the Internet” is measured: a rule fails when its sources, minus what is dropped before, reach at "
        "least as many public addresses as an IPv4 /8 or an IPv6 /20, unless the run was configured otherwise. "
        "<code>sgsweep explain {folder} RULE_ID</code> shows how a rule was judged.",
        "“对互联网开放”经过计算：规则的授权对象减去被优先拒绝的部分之后，若仍覆盖至少一个 IPv4 /8 或 IPv6 /20 "
        "的公网地址数（除非运行另有配置），即判为不通过。<code>sgsweep explain {folder} RULE_ID</code> 给出判定过程。",
    ),
    # what changed since another run
    "since.title": Message("Since run {run}", "自运行 {run} 以来"),
    "since.compared": Message("Compared with the run of {at}.", "与 {at} 的运行比较。"),
    "since.compared_incomplete": Message(
        "Compared with the run of {at}, which was incomplete.", "与 {at} 的运行（不完整）比较。"
    ),
    "since.checks": Message("Different checks: {text}.", "检查项不同：{text}。"),
    "since.scope": Message("Not in scope: {text}.", "不在范围内：{text}。"),
    "since.still_open": Message("Still open", "仍待处理"),
    "since.by_us": Message("{n} by us", "由本工具 {n}"),
    "since.unseen": Message("Newly unseen", "新出现的未读取项"),
    "since.unseen_note": Message(
        "The earlier run has read these, and this one has not.", "上次运行已读取，本次未读取。"
    ),
    "since.before": Message("{severity} before. ", "之前为{severity}。"),
    "since.by": Message("By {who}. ", "由{who}处理。"),
    "since.who.us": Message("us", "本工具"),
    "since.who.others": Message("others", "他人"),
    "since.new": Message("New", "新增"),
    "since.new.note": Message("Open now, and not in the earlier run.", "当前开放，上次运行中没有。"),
    "since.returned": Message("Returned", "再次出现"),
    "since.returned.note": Message(
        "Open again, after a change of ours had closed it.", "曾由本工具的变更关闭，现再次开放。"
    ),
    "since.raised": Message("More severe", "级别升高"),
    "since.raised.note": Message("Open in both, and worse than it was.", "两次均开放，且比之前更严重。"),
    "since.not_seen": Message("Not seen", "未查看"),
    "since.not_seen.note": Message(
        "Open in the earlier run, and not looked at by this one: nothing is known of it now.",
        "上次运行中开放，本次未查看：目前情况不明。",
    ),
    "since.newly_unseen": Message("No longer judged", "不再能判定"),
    "since.newly_unseen.note": Message(
        "Rules that this run could not judge, and the earlier one did.",
        "本次运行无法判定、而上次已判定的规则。",
    ),
    "since.lowered": Message("Less severe", "级别降低"),
    "since.lowered.note": Message("Open in both, and less bad than it was.", "两次均开放，但比之前轻。"),
    "since.set_aside": Message("Set aside", "单独列出"),
    "since.set_aside.note": Message(
        "Open in the earlier run, and there still: by a waiver, as a cloud service's, or counted apart.",
        "上次运行中开放，现仍存在：已豁免、由云服务托管或单独计数。",
    ),
    "since.fixed": Message("Fixed", "已修复"),
    "since.fixed.note": Message(
        "Open in the earlier run; this one looked for it, and it is gone.",
        "上次运行中开放；本次已查看，不再存在。",
    ),
    # the index of owners
    "owners.title": Message("Owners of run {run}", "运行 {run} 的负责人"),
    "owners.count": Message("{n} {n:owner|owners}", "{n} 位负责人"),
    "owners.note": Message(
        "Run <code>{run}</code> of {at}, a report for each owner of a group with a finding.",
        "运行 <code>{run}</code>，{at}；每位存在风险项的安全组负责人各有一份报告。",
    ),
    "owners.by": Message("by {sources}", "来源：{sources}"),
}
