"""What the screen says at the end of a scan, a closing, an apply and a rollback."""

from __future__ import annotations

from collections.abc import Mapping

from orchestrator.report.words.message import Message

SCREEN: Mapping[str, Message] = {
    "screen.run": Message("run {run} in {folder}", "运行 {run}，位于 {folder}"),
    "screen.pass": Message(
        "pass {n}: every account was read again; the numbers are of this pass",
        "第 {n} 轮：所有账号均已重新读取；以下数字为本轮结果",
    ),
    "screen.scanned_before": Message(
        "this run was scanned to its end before, so nothing was read now: for a new look give another --out",
        "本次运行此前已扫描完成，因此现在没有读取任何内容：如需重新扫描，请指定另一个 --out",
    ),
    "screen.accounts": Message("accounts", "账号"),
    "screen.accounts_told": Message(
        "{reached} of {total} reached, {unreachable} unreachable",
        "已访问 {reached} / {total}，无法访问 {unreachable}",
    ),
    "screen.not_begun": Message(", {n} not begun", "，未开始 {n}"),
    "screen.regions": Message("regions", "地域"),
    "screen.regions_told": Message(
        "{n} different, {pairs} over all accounts", "{n} 个，所有账号合计 {pairs} 个"
    ),
    "screen.groups": Message("security groups", "安全组"),
    "screen.carried": Message(" ({n} of them not read again)", "（其中 {n} 个未重新读取）"),
    "screen.rules": Message("rules", "规则"),
    "screen.open": Message("open findings", "待处理的风险项"),
    "screen.open_told": Message("{n} on {rules} rules", "{n} 个，涉及 {rules} 条规则"),
    "screen.wide": Message("wide sources", "来源过宽"),
    "screen.wide_told": Message(
        "{n}: to be looked at, not counted as open", "{n} 个：请人工确认，不计为待处理"
    ),
    "screen.calls": Message("calls", "调用次数"),
    "screen.calls_told": Message(
        "{n} ({throttled} throttled, {retried} retried)", "{n}（限流 {throttled}，重试 {retried}）"
    ),
    "screen.seconds": Message("seconds", "用时（秒）"),
    "screen.account": Message("account", "账号"),
    "screen.more_accounts": Message(
        "  and {n} more accounts with open findings", "  另有 {n} 个账号存在待处理的风险项"
    ),
    "screen.by_status": Message("  {severity}: {parts}", "  {severity}：{parts}"),
    "screen.of_status": Message("{n} {status}", "{status} {n}"),
    "screen.exemption": Message("EXEMPTION {note}", "豁免：{note}"),
    "screen.complete": Message("complete: {coverage}", "完整：{coverage}"),
    "screen.not_covered": Message(
        "not looked at: databases' allow-lists, WAF, Cloud Firewall, network ACLs, services' own networks",
        "不在检查范围内：数据库白名单、WAF、云防火墙、网络 ACL、使用自有网络的服务",
    ),
    "screen.incomplete": Message("INCOMPLETE: {coverage}", "不完整：{coverage}"),
    "screen.everything_again": Message(
        "to look at everything, scan without --changed-since into another --out",
        "如需全部重新读取，请去掉 --changed-since，扫描到另一个 --out",
    ),
    "screen.listed": Message("{file} lists them; try them again: {line}", "详见 {file}；再次尝试：{line}"),
    "screen.balancers": Message(
        "BALANCERS UNKNOWN in {n} {n:account|accounts}: which load balancers joined the groups could not be read, and "
        "what these let in no rule shows. The read role needs nlb:ListLoadBalancers, nlb:ListListeners, "
        "alb:ListLoadBalancers and alb:ListListeners",
        "{n} 个账号的负载均衡情况未知：无法读取哪些负载均衡加入了安全组，其放行的访问不会体现在规则中。只读角色需要 "
        "nlb:ListLoadBalancers、nlb:ListListeners、alb:ListLoadBalancers 和 alb:ListListeners 权限",
    ),
    "screen.unreachable": Message(
        "  UNREACHABLE {where}: {code}: {message}{until}", "  无法读取 {where}：{code}：{message}{until}"
    ),
    "screen.accepted_until": Message(" (accepted until {day})", "（已接受，有效期至 {day}）"),
    "screen.more": Message("and {n} more", "另有 {n} 条"),
    "screen.more_see": Message("and {n} more, see {file}", "另有 {n} 条，见 {file}"),
    "screen.next": Message("next: {line}", "下一步：{line}"),
    "screen.will_change": Message(
        "{rules} rules in {accounts} accounts will be changed", "将变更 {accounts} 个账号中的 {rules} 条规则"
    ),
    "screen.will_change_found": Message(
        "what is found in {accounts} accounts will be changed", "将变更在 {accounts} 个账号中发现的规则"
    ),
    "screen.type_accounts": Message("type the number of accounts to go on: ", "请输入账号数量以继续："),
    "screen.nothing_left": Message(
        "nothing was left to do: this plan was carried out before", "没有需要执行的内容：该计划此前已执行"
    ),
    "screen.nothing_to_take_back": Message(
        "nothing was left to do: an earlier rollback of this run took it back",
        "没有需要执行的内容：此前的回滚已撤回本次运行的变更",
    ),
    "screen.changes": Message("changes: {counts}", "变更：{counts}"),
    "screen.of_outcome": Message("{n} {outcome}", "{outcome} {n}"),
    "screen.none": Message("none", "无"),
    "screen.all_earlier": Message(" (all of them earlier)", "（均为此前执行）"),
    "screen.all_gone": Message(
        "every rule of the plan was gone already: nothing was changed",
        "计划中的规则均已不存在：没有做任何变更",
    ),
    "screen.stands_again": Message(
        "STANDS AGAIN: {n} rules of the same content stand under another id, see {file}; scan and plan anew to close "
        "them",
        "再次出现：{n} 条内容相同的规则以其他规则 ID 存在，见 {file}；请重新扫描并生成计划以关闭",
    ),
    "screen.stopped": Message(
        "STOPPED: {why}; {n} changes are left. Go on: {line}",
        "已停止：{why}；还有 {n} 项变更未执行。继续执行：{line}",
    ),
    "screen.way_back": Message("the way back: {line}", "回滚：{line}"),
    "screen.failed": Message("FAILED {account}, {extent}: {why}", "失败 {account}，{extent}：{why}"),
    "screen.extent": Message(
        "{rules} {rules:rule|rules} in {groups} {groups:group|groups} of {where}",
        "{where} {groups} 个安全组的 {rules} 条规则",
    ),
    "screen.many_regions": Message("{n} regions", "{n} 个地域"),
    "screen.more_rules": Message("  and {n} more {n:rule|rules}", "  另有 {n} 条规则"),
    "screen.more_failed": Message(
        "and {n} more {n:rule|rules} in {accounts} {accounts:account|accounts} failed, see {file}",
        "另有 {accounts} 个账号的 {n} 条规则失败，见 {file}",
    ),
    "screen.still_reachable": Message(
        "STILL REACHABLE {where}: through {groups} on the same network interface",
        "仍可访问 {where}：经由同一弹性网卡上的 {groups}",
    ),
    "screen.stay_open": Message(
        "{n} findings on {rules} rules stay open{protected}; {groups} groups are reachable still",
        "{n} 个风险项（{rules} 条规则）仍然开放{protected}；{groups} 个安全组仍可访问",
    ),
    "screen.in_protected": Message(
        " ({n} of them in protected groups, which are not changed)",
        "（其中 {n} 个位于受保护的安全组，不会被变更）",
    ),
    "screen.connections": Message(
        "connections that are established now can live up to 910 seconds longer",
        "当前已建立的连接最多还可保持 910 秒",
    ),
    "screen.would_stop": Message("IT WOULD STOP: {why}", "将会停止：{why}"),
    "screen.dry_run": Message(
        "dry run: nothing was changed; the same command without --dry-run reads again and does it",
        "试运行：没有做任何变更；去掉 --dry-run 再次执行同一命令，将重新读取并执行变更",
    ),
}
